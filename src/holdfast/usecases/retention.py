"""Retention: what the rules would drop and why, and dropping it, as far as nobody has to confirm it first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from holdfast.model.audit import Act
from holdfast.model.errors import UsageError
from holdfast.model.health import Finding, Severity
from holdfast.model.keeping import (
    Candidate,
    Decision,
    HoldLimits,
    KeepRules,
    KeepTerms,
    RetentionPlan,
    SourceRetention,
)
from holdfast.model.policy import HealthRules
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import keeping
from holdfast.planning.holding import why_held
from holdfast.repository.confirmed import Confirmed, read_confirmed, remember_confirmed
from holdfast.repository.repository import Repository
from holdfast.system import clock
from holdfast.usecases import anomaly
from holdfast.usecases.doubting import why_doubted
from holdfast.usecases.forget import drop
from holdfast.usecases.noting import noted

FINDING = "retention-held"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRequest:
    """``terms`` of the sources to decide on; ``sources`` limits them by name. ``needed_by``: id to what needs it.

    ``health``: by source, what counts as unhealthy. ``configured``: names that are no surprise in the repository.
    ``adhoc``: rules a person just typed instead of those of the terms: they are held for the clock only, and not
    remembered.
    """

    terms: Sequence[KeepTerms]
    now: datetime
    sources: tuple[str, ...] = ()
    needed_by: Mapping[str, str] = field(default_factory=dict)
    limits: HoldLimits = field(default_factory=HoldLimits)
    adhoc: KeepRules | None = None
    health: Mapping[str, HealthRules] = field(default_factory=dict)


def plan(repository: Repository, request: RetentionRequest) -> RetentionPlan:
    """What would go and what stays, with reasons. Nothing is changed. UsageError for a source nobody knows."""
    chosen = _chosen(request)
    needed_by = {**anomaly.undecided(repository, request.health), **request.needed_by}
    candidates = [
        Candidate(info=entry.info, pinned=entry.pinned, needed_by=needed_by.get(entry.info.id, ""))
        for entry in repository.snapshots()
    ]
    confirmed, doubt = cache(partial(read_confirmed, repository)), cache(partial(why_doubted, repository, request.now))
    known = {terms.source for terms in request.terms}
    unknown = Counter(each.info.source for each in candidates if each.info.source not in known)
    return RetentionPlan(
        at=request.now,
        sources=tuple(_of_source(candidates, terms, _Known(confirmed, doubt), request) for terms in chosen),
        unknown=dict(sorted(unknown.items())),
        adhoc=request.adhoc is not None,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What is looked up only where something would go: the rules followed last, and why the clock is doubted."""

    confirmed: Callable[[], Confirmed]
    doubt: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """Who applies a plan, and by which way ("cli", "api", "dashboard", "schedule", "python"), for the audit trail.

    ``confirm``: a person agrees to what is held. ``required``: nothing is done that the trail cannot take.
    """

    who: str
    via: str = "cli"
    confirm: bool = False
    required: bool = False
    warn: Callable[[str], None] = lambda _text: None


def apply(repository: Repository, plan: RetentionPlan, doing: Doing) -> list[SnapshotInfo]:
    """Drop what the plan drops; what is held only when it is confirmed. Returns what was forgotten.

    The rules that were followed are remembered, so that a later change can be told. Should the snapshots that have to
    stay be gone meanwhile, nothing of the plan is done (RepositoryBusy).
    """
    followed = [each for each in plan.sources if doing.confirm or not each.held]
    gone = [info for each in followed for info in each.drop]
    if gone:
        alive = [newest for each in followed for newest in each.newest]
        with ExitStack() as stack:
            # who agreed and what went are looked for under different deeds
            agreed = ["config:retention"] if doing.confirm and plan.held else []
            endings = [
                stack.enter_context(
                    noted(repository, _act(deed, followed, doing), required=doing.required, warn=doing.warn)
                )
                for deed in (*agreed, "delete:forget")
            ]
            dropped = drop(repository, gone, alive)
            for ending in endings:
                ending.more["snapshots"] = dropped
    if not plan.adhoc:
        remember_confirmed(repository, {_key(each.terms): _plain(each.terms) for each in followed}, doing.who)
    return gone


def remember(repository: Repository, plan: RetentionPlan, who: str) -> None:
    """Remember the rules of the plan, as following them does, where they hold nothing; what they drop stays.

    After every backup: rules that were loosened count from then on, so that a change back is a change.
    """
    if not plan.adhoc:
        known = [each for each in plan.sources if each.terms.rules and not each.held]
        remember_confirmed(repository, {_key(each.terms): _plain(each.terms) for each in known}, who)


def _act(deed: str, followed: Sequence[SourceRetention], doing: Doing) -> Act:
    names = sorted({each.terms.source for each in followed if each.drop})
    count = sum(len(each.drop) for each in followed)
    return Act(
        at=clock.stamp(),
        deed=deed,
        who=doing.who,
        via=doing.via,
        what=f"forget {count} snapshots of {', '.join(names)} by the rules of retention",
        source=names[0] if len(names) == 1 else "",
        more={"rules": {_key(each.terms): each.terms.rules.plain() for each in followed if each.drop}},
    )


def findings(plan: RetentionPlan) -> list[Finding]:
    """What a person has to confirm, as status, alerts and the dashboard tell it."""
    return [
        Finding(
            code=FINDING,
            severity=Severity.WARNING,
            source=each.terms.source,
            what=f"retention of {each.terms.source} is held: {each.held}",
            why="what drops much more than before, or by a clock that may be wrong, waits until a person confirms it;"
            " nothing is dropped meanwhile",
            hint=f"holdfast forget --policy --dry-run {each.terms.source}, then:"
            f" holdfast forget --policy --confirm {each.terms.source}",
        )
        for each in plan.held
    ]


def _chosen(request: RetentionRequest) -> list[KeepTerms]:
    known = {terms.source for terms in request.terms}
    for name in request.sources:
        if name not in known:
            raise UsageError(
                f"there is no source {name!r} in the configuration", why=f"configured: {', '.join(sorted(known))}"
            )
    chosen = [terms for terms in request.terms if not request.sources or terms.source in request.sources]
    if request.adhoc is not None:
        return [replace(terms, rules=request.adhoc) for terms in chosen]
    return chosen


def _of_source(
    candidates: Sequence[Candidate], terms: KeepTerms, known: _Known, request: RetentionRequest
) -> SourceRetention:
    decisions = keeping.decide(candidates, terms, request.now)
    of_source = sum(each.info.source == terms.source for each in candidates)
    held = why_held(decisions, None, request.limits) if request.adhoc is None else ""
    if held and (told := known.confirmed().rules.get(_key(terms))) is not None:  # what drops little needs no comparison
        held = why_held(decisions, keeping.decide(candidates, _told(terms, told), request.now), request.limits)
    if not held and any(_by_time(each, terms) for each in decisions) and (doubt := known.doubt()):
        going = sum(not each.keep for each in decisions)
        held = f"{going} of {len(decisions)} snapshots would go by their age, and {doubt}"
    return SourceRetention(
        terms=terms,
        decisions=tuple(decisions),
        held=held,
        newest=tuple(keeping.newest_good(decisions)),
        elsewhere=of_source - len(decisions),
    )


def _by_time(decision: Decision, terms: KeepTerms) -> bool:
    """Whether it would go because time passed, rather than because others came."""
    return not decision.keep and (decision.info.partial or terms.rules.within is not None)


def _key(terms: KeepTerms) -> str:
    return f"{terms.source}/{terms.environment}"


def _plain(terms: KeepTerms) -> dict[str, Any]:
    return {
        "rules": terms.rules.plain(),
        "zone": terms.zone,
        "triggers": list(terms.triggers),
        "labels": list(terms.labels),
        "entities": int(terms.entities.total_seconds()),
        "partials": int(terms.partials.total_seconds()),
    }


def _told(terms: KeepTerms, told: Mapping[str, Any]) -> KeepTerms:
    """The terms of before, as ``_plain`` wrote them."""
    return replace(
        terms,
        rules=KeepRules.from_plain(told["rules"]),
        zone=told["zone"],
        triggers=tuple(told["triggers"]),
        labels=tuple(told["labels"]),
        entities=timedelta(seconds=told["entities"]),
        partials=timedelta(seconds=told["partials"]),
    )
