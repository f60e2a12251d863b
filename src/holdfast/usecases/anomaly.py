"""Suspicious snapshots: the last clean one is pinned, prune waits, a person decides. No backup is stopped by it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from holdfast.journal.base import Journal
from holdfast.model.environments import environment_of
from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.policy import HealthRules
from holdfast.model.report import SystemReport
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import suspicion
from holdfast.repository.accepted import read_accepted, remember_accepted
from holdfast.repository.repository import Repository
from holdfast.usecases.report import ReportRequest, all_findings, standings_of

_PINNED = "anomaly/pinned/"
_HOLDING = ("suspicious", "empty", "rows-fell")
_NO_RULES = HealthRules()


def accept(repository: Repository, info: SnapshotInfo, who: str) -> None:
    """From now on snapshots of this source are compared with ``info`` and later ones only."""
    if info.status != "complete" or info.partial:
        raise UsageError(
            "only a complete snapshot of everything can be what others are compared with",
            where=info.id, hint="holdfast list",
        )  # fmt: skip
    remember_accepted(repository, info.id, who)


def protect_clean(repository: Repository, request: ReportRequest, journal: Journal | None) -> list[str]:
    """Pin the last clean snapshot of each source with a suspicious one; returns the ids of those pinned now.

    Once for each suspicious snapshot: what a person unpins stays unpinned.
    """
    known = {entry.info.id: entry for entry in repository.snapshots()}
    done = _done(journal)
    pinned = []
    for standing in standings_of(repository, request):
        for suspect in standing.suspects:
            entry = known.get(suspect.clean.id) if suspect.clean else None
            if entry is None or suspect.info.id in done:
                continue
            if not entry.pinned and entry.info.id not in pinned:
                repository.pin([entry.info.id])
                pinned.append(entry.info.id)
            if journal is not None:
                with contextlib.suppress(HoldfastError):
                    journal.remember(f"{_PINNED}{suspect.info.id}", entry.info.id)
    return pinned


def undecided(repository: Repository, rules: Mapping[str, HealthRules]) -> dict[str, str]:
    """By id, what retention has to keep until a person decided on doubtful snapshots, with the reason.

    ``rules`` by source; none: those that need no configuration.
    """
    by_source: dict[tuple[str, str], list[SnapshotInfo]] = {}
    for entry in reversed(repository.snapshots()):
        environment = environment_of(entry.info, repository.environments.get(entry.info.source, ""))
        by_source.setdefault((entry.info.source, environment), []).append(entry.info)

    def found(accepted: frozenset[str]) -> dict[str, str]:
        each = [
            suspicion.undecided(infos, accepted, rules.get(source, _NO_RULES))
            for (source, _), infos in by_source.items()
        ]
        return {identifier: why for one in each for identifier, why in one.items()}

    return found(read_accepted(repository)) if found(frozenset()) else {}


def prune_hold(report: SystemReport) -> str | None:
    """Why nothing must be pruned now, in words; None: it may be."""
    found = [each for each in all_findings(report) if each.code in _HOLDING]
    return f"{found[0].source}: {found[0].what}" if found else None


def _done(journal: Journal | None) -> set[str]:
    if journal is not None:
        with contextlib.suppress(HoldfastError):
            return {key.removeprefix(_PINNED) for key in journal.recall(_PINNED)}
    return set()
