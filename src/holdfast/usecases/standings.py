"""From the log of a repository and what is known beside it to the standing of every source, in one pass."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from holdfast.model.environments import environment_of
from holdfast.model.policy import SourcePolicy
from holdfast.model.run import Run, RunError, RunStatus
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning.standing import Failure, Rhythm, Standing, instant
from holdfast.repository.repository import Repository
from holdfast.usecases.last_failure import LastFailure

LOOKED_BACK = timedelta(days=31)
"""How far back runs are looked at."""

_BAD = (RunStatus.FAILED, RunStatus.INTERRUPTED)
_DEAD = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """``policies`` of the configured sources. ``failures``: last runs of this client that made no snapshot.

    ``runs``: backups of the last month that did not simply succeed, newest first. ``rhythms`` of scheduled sources.
    ``accepted``: ids of snapshots that a person called right as they are. ``beside`` by source: the databases on its
    server that some source names.
    """

    policies: Mapping[str, SourcePolicy]
    now: datetime
    failures: Mapping[str, LastFailure] = field(default_factory=dict)
    runs: Sequence[Run] = ()
    rhythms: Mapping[str, Rhythm] = field(default_factory=dict)
    accepted: frozenset[str] = frozenset()
    beside: Mapping[str, frozenset[str]] = field(default_factory=dict)


def standings(repository: Repository, known: Known) -> list[Standing]:
    """Of the configured sources, then of those that only the repository knows."""
    grouped: dict[str, list[SnapshotInfo]] = {name: [] for name in known.policies}
    pinned: dict[str, int] = defaultdict(int)
    numbers: dict[str, dict[str, int]] = defaultdict(dict)
    others: dict[str, Counter[str]] = defaultdict(Counter)
    for each in reversed(repository.log.state.snapshots.values()):
        if each.forgotten:
            continue
        source = each.info.source
        policy = known.policies.get(source)
        if policy is not None and (told := environment_of(each.info, policy.environment)) != policy.environment:
            others[source][told] += 1  # a preview's snapshots make production no safer
            continue
        grouped.setdefault(source, []).append(each.info)
        pinned[source] += each.pinned
        numbers[source][each.info.id] = each.number
    names = [*known.policies, *sorted(grouped.keys() - known.policies.keys())]
    by_source = _by_source(known.runs)
    # A run over several sources fails for those of which it made nothing; a killed one may not tell what it made.
    made = {name: {info.run for info in grouped[name]} for name in names}
    runs = {name: [run for run in by_source[name] if run.id not in made[name]] for name in names}
    runs = {name: [run for run in runs[name] if not numbers[name].keys() & set(run.snapshots)] for name in names}
    return [
        Standing(
            policy=known.policies.get(name, SourcePolicy(source=name)), now=known.now, snapshots=grouped[name],
            configured=name in known.policies, pinned=pinned[name], accepted=known.accepted, numbers=numbers[name],
            beside=known.beside.get(name, frozenset()), rhythm=known.rhythms.get(name, Rhythm()),
            failure=_failure(known.failures.get(name), runs[name]),
            failed_at=[at for run in runs[name] if run.status in _BAD and (at := _ended(run)) <= known.now],
            running_since=_running(runs[name], known.now), others=dict(others[name]),
        )
        for name in names
    ]  # fmt: skip


def _by_source(runs: Iterable[Run]) -> Mapping[str, list[Run]]:
    found: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        for source in run.sources:
            found[source].append(run)
    return found


def _failure(noted: LastFailure | None, runs: Sequence[Run]) -> Failure | None:
    """The newest of what this client remembers and what the journal tells."""
    found = []
    if noted is not None:
        error = RunError(code=noted.code, what=noted.what, why=noted.why, hint=noted.hint)
        found.append(Failure(at=instant(noted.at), error=error))
    for run in runs:
        if run.status in _BAD:
            error = run.error or RunError(code=run.status.value, what=f"the run was {run.status.value}")
            found.append(Failure(at=_ended(run), error=error))
            break
    return max(found, key=lambda each: each.at, default=None)


def _ended(run: Run) -> datetime:
    return instant(run.ended_at or run.started_at or run.created_at)


def _running(runs: Sequence[Run], now: datetime) -> datetime | None:
    """A run that says so for days is not believed."""
    going = [instant(run.started_at) for run in runs if run.status is RunStatus.RUNNING and run.started_at]
    return max((at for at in going if now - at < _DEAD), default=None)
