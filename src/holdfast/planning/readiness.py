"""How ready a source is for its worst day, from evidence and the clock alone.

What is unknown, expired or skipped is not proven; every level needs those below it. Nothing here is remembered:
whoever asks later gets the answer of later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.model.health import Finding
from holdfast.model.report import Evidence, Level
from holdfast.planning import saying
from holdfast.planning.health import DOUBTS
from holdfast.planning.standing import TOLERANCE, Reading, Standing

REREAD = timedelta(days=30)
"""For how long re-read bytes count as intact where nothing else is said."""

_DRILLS = "no drill has shown it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """``level`` reached with everything below it; ``proven_at`` the instant of the youngest proof that holds."""

    level: Level
    evidence: list[Evidence]
    proven_at: datetime | None


def readiness_of(standing: Standing, findings: Collection[Finding], readings: Sequence[Reading]) -> Readiness:
    """Of one source; ``readings`` of its repository, in any order."""
    intact, read_at = _intact(standing, readings)
    evidence = [
        _fresh(standing, findings),
        intact,
        *(Evidence(level=each, proven=False, what=_DRILLS) for each in (Level.RESTORABLE, Level.CORRECT)),
        Evidence(level=Level.SURVIVABLE, proven=False, what=_DRILLS),
    ]
    level = Level.UNPROTECTED
    for each in evidence:
        if not each.proven:
            break
        level = each.level
    return Readiness(level=level, evidence=evidence, proven_at=read_at if intact.proven else None)


def _fresh(standing: Standing, findings: Collection[Finding]) -> Evidence:
    age, (limit, says) = standing.age, standing.limit
    if age is None:
        return Evidence(level=Level.FRESH, proven=False, what="there is no complete snapshot")
    allowed = f"at most {saying.span(limit.total_seconds())}, {says}"
    if age < -TOLERANCE:
        what = f"the newest snapshot is stamped {saying.span(-age.total_seconds())} in the future: its age is not known"
        return Evidence(level=Level.FRESH, proven=False, what=what)
    told = f"the newest complete snapshot is {saying.span(age.total_seconds())} old ({allowed})"
    doubts = [each for each in findings if each.code in DOUBTS]
    if doubts:
        return Evidence(level=Level.FRESH, proven=False, what=f"{told}, but: {doubts[0].what}")
    return Evidence(level=Level.FRESH, proven=age <= limit, what=told)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``whole``: the newest reading of everything that found nothing. ``bad``: the newest problems found since."""

    whole: Reading | None
    bad: Reading | None


def verdict(readings: Iterable[Reading], now: datetime) -> Verdict:
    """What readings of a repository come to, in any order. Those stamped in the future are believed their problems."""
    known = sorted(readings, key=lambda each: (each.committed, each.at), reverse=True)
    good = (each for each in known if each.whole and not each.problems and each.at - now <= TOLERANCE)
    whole = next(good, None)
    bad = next((each for each in known if each.problems and not (whole is not None and whole.after(each))), None)
    return Verdict(whole, bad)


def _intact(standing: Standing, readings: Sequence[Reading]) -> tuple[Evidence, datetime | None]:
    """The newest whole reading decides, unless a later one of any extent found something."""
    window = standing.policy.health.reread or REREAD
    found = verdict(readings, standing.now)
    whole, bad = found.whole, found.bad

    def not_proven(what: str) -> tuple[Evidence, None]:
        return Evidence(level=Level.INTACT, proven=False, what=what), None

    if bad is not None:
        ago = saying.span((standing.now - bad.at).total_seconds())
        return not_proven(f"a check {ago} ago found {bad.problems} problems, none since read everything and found none")
    if whole is None:
        return not_proven("the stored bytes were never all read again: holdfast check --read-data")
    age = standing.now - whole.oldest
    parts = ", in parts, the first of them" if whole.since else ""
    told = f"all stored bytes were last read again{parts} {saying.span(age.total_seconds())} ago"
    if age > window:
        return not_proven(f"{told}, which counts for {saying.span(window.total_seconds())}: holdfast check --read-data")
    covered = [info for info in standing.good if standing.numbers.get(info.id, whole.committed + 1) <= whole.committed]
    if not covered:
        return not_proven(f"{told}, when there was no complete snapshot of it yet")
    newer = standing.good.index(covered[0])
    since = f"; {newer} newer snapshots are not part of it" if newer else ""
    return Evidence(level=Level.INTACT, proven=True, what=f"{told} without a problem{since}"), whole.oldest
