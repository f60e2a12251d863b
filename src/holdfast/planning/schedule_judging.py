"""Whether the schedules of a source can do what is asked of it, and are what they are called."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from holdfast.model.health import Finding, Severity
from holdfast.model.policy import SourcePolicy
from holdfast.model.timetable import Schedule
from holdfast.planning.schedule_gaps import usual_gap, widest_gap
from holdfast.planning.schedule_words import span, words_of
from holdfast.planning.timetable import appointments

_CALLED = {
    "hourly": (timedelta(0), timedelta(hours=3)),
    "daily": (timedelta(hours=3), timedelta(days=3)),
    "nightly": (timedelta(hours=3), timedelta(days=3)),
    "weekly": (timedelta(days=3), timedelta(days=16)),
    "monthly": (timedelta(days=16), timedelta(days=70)),
    "yearly": (timedelta(days=150), timedelta(days=500)),
}


def judge(policy: SourcePolicy, now: datetime) -> list[Finding]:
    """What is wrong with the schedules of one source, judged from ``now`` on for a year and a little."""
    return [*_objective(policy, now), *_names(policy, now)]


def _objective(policy: SourcePolicy, now: datetime) -> Iterator[Finding]:
    """D11: the gap between two backups is what is lost at the worst moment."""
    whole = tuple(each for each in policy.schedules if not each.only)
    if policy.rpo is None:
        return
    of_tier = f"tier {policy.tier}" if policy.tier else "its policy"
    if not whole:
        yield Finding(
            code="schedule-none", severity=Severity.WARNING, source=policy.source,
            what=f"{policy.source} may lose {span(policy.rpo)} at most, and nothing backs it up by itself",
            why=of_tier, hint=f'add schedules = [{{ every = "{_hint(policy.rpo)}" }}] to [sources.{policy.source}]',
        )  # fmt: skip
        return
    # A gap that is too wide on one night of the year only, when the clocks go back, is told apart.
    gap, longest = usual_gap(whole, now), widest_gap(whole, now)
    if gap is None or longest is None:
        return
    late = max(each.jitter for each in whole)
    if gap > policy.rpo:
        yield _too_wide(policy, Severity.WARNING, f"{span(gap)} lie between two backups", of_tier, whole)
    elif longest + late > policy.rpo:
        reasons = ["in the night when clocks go back"] * (longest > gap) + ["with the jitter"] * bool(late)
        what = f"up to {span(longest + late)} lie between two backups {' and '.join(reasons)}"
        yield _too_wide(policy, Severity.INFO, what, of_tier, whole)


def _too_wide(
    policy: SourcePolicy, severity: Severity, what: str, of_tier: str, schedules: Sequence[Schedule]
) -> Finding:
    told = ", ".join(words_of(each) for each in schedules)
    rpo = policy.rpo or timedelta(0)
    return Finding(
        code="schedule-rpo", severity=severity, source=policy.source,
        what=f"the schedule of {policy.source} cannot hold its RPO of {span(rpo)}: {what}",
        why=f"{of_tier}; {told}",
        hint=f'back up more often, such as every = "{_hint(rpo)}", or allow a longer rpo',
    )  # fmt: skip


def _names(policy: SourcePolicy, now: datetime) -> Iterator[Finding]:
    for each in policy.schedules:
        said = re.findall("|".join(_CALLED), each.name.lower())
        some = [one.due for one in itertools.islice(appointments(each, now), 40)]
        if not said or len(some) < 2:
            continue
        mean = (some[-1] - some[0]) / (len(some) - 1)
        least, most = _CALLED[said[0]]
        if not least <= mean <= most:
            yield Finding(
                code=f"schedule-name-{each.name}", severity=Severity.WARNING, source=policy.source,
                what=f"the schedule {each.name!r} of {policy.source} is not {said[0]}: it comes {words_of(each)}",
                why=f"cron {each.cron!r}" if each.cron else "",
                hint="correct its cron expression, or its name",
            )  # fmt: skip


def _hint(rpo: timedelta) -> str:
    """An interval well within it."""
    minutes = max(1, int(rpo.total_seconds() // 120))
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
