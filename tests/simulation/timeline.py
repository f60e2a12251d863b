"""What happened, as a page a person can read: a paragraph a day, with the routine in one line."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime

from tests.simulation.world import ZONE, Month

from holdfast.journal.base import RunQuery
from holdfast.model.run import Run, RunStatus

Line = tuple[datetime, int, str]
"""When, what comes first within a minute (what people did, runs, messages), and the words."""

_PASSING = [
    (re.compile(r"(the last run failed) [\w ]+? ago"), r"\1 [n] ago"),
    (re.compile(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}\b"), "[id]"),
    (re.compile(r"\d+(\.\d+)? ([KMG]iB|[KMG]?B)\b"), "[size]"),
    (re.compile(r"process \d+"), "process [n]"),
    (re.compile(r"/[\w./-]*/(repository|notes\.db|media)"), r"…/\1"),
]


_HEAD = """\
Five weeks of a small application: "shop" (PostgreSQL, every night at 02:30), "notes" (SQLite, every six hours) and
"media" (files, on Sundays). Times are Vienna's. *** is what people or chance did, "told" what holdfast told people.
A day's first line tells what there is as it begins, and counts what went as it should; [id], [size] and [n] stand for
what differs each time.

"""


def timeline(lived: Month) -> str:
    """All of it."""
    runs = runs_of(lived)
    tries = Counter(_appointment(run) for run in runs)
    lines: dict[date, list[Line]] = defaultdict(list)
    for run in runs:
        if text := _remarkable(run, tries[_appointment(run)]):
            at = _moment(run)
            lines[at.date()].append((at, 1, text))
    for each in lived.messages:
        at = each.at.astimezone(ZONE)
        lines[at.date()].append((at, 2, f"    told: {each.title}"))
    for moment, text in lived.said:
        at = moment.astimezone(ZONE)
        lines[at.date()].append((at, 0, f"*** {text}"))
    routine = _routine(runs)
    for day, (alive, forgotten) in lived.kept.items():
        routine[day] = f"{alive} kept, {forgotten} can be brought back; {routine.get(day, 'nothing was done')}"
    return _HEAD + "\n".join(_days(lines, routine)) + "\n"


def _days(lines: dict[date, list[Line]], routine: dict[date, str]) -> Iterator[str]:
    for day in sorted(lines.keys() | routine.keys()):
        yield f"{day:%a %Y-%m-%d}  {routine.get(day, 'nothing was done')}"
        for at, _, text in sorted(lines[day]):
            yield f"  {at:%H:%M}  {_lasting(text)}"


def _lasting(text: str) -> str:
    for pattern, instead in _PASSING:
        text = pattern.sub(instead, text)
    return text


def runs_of(lived: Month) -> list[Run]:
    """Every run of the journal, oldest first."""
    found: list[Run] = []
    before = None
    while True:
        page = lived.service.journal.runs(RunQuery(limit=500, before=before))
        found += page.runs
        if page.next is None:
            return found[::-1]
        before = page.next


def _moment(run: Run) -> datetime:
    return datetime.fromisoformat(run.created_at).astimezone(ZONE)


def _routine(runs: list[Run]) -> dict[date, str]:
    """ "backups: notes 4, shop 1; forgotten: 3; space freed"."""
    days: dict[date, list[Run]] = defaultdict(list)
    for run in runs:
        days[_moment(run).date()].append(run)
    return {day: "; ".join(_of_day(found)) for day, found in days.items()}


def _of_day(runs: list[Run]) -> Iterator[str]:
    done = Counter(run.sources[0] for run in runs if run.kind == "backup" and run.status is RunStatus.SUCCEEDED)
    yield "backups: " + (", ".join(f"{name} {count}" for name, count in sorted(done.items())) or "none")
    dropped = sum(len(_result(run).get("forgotten", ())) for run in runs if run.kind == "forget")
    if dropped:
        yield f"forgotten: {dropped}"
    if any(run.kind == "check" and run.status is RunStatus.SUCCEEDED for run in runs):
        yield "checked"


def _appointment(run: Run) -> tuple[str, ...]:
    """What the attempts at one appointment have in common."""
    return (run.kind, *run.sources, run.schedule, run.due_at or run.id)


def _remarkable(run: Run, tries: int) -> str:
    """What is not routine; failed attempts at one appointment are one line, at the time of the first."""
    what = f"{run.kind} {run.sources[0]}" if run.sources else run.kind
    if run.status is RunStatus.SUCCEEDED:
        again = f" (attempt {run.attempt})" if run.attempt > 1 else ""
        late = f", due {_due(run)}" if run.due_at and _due(run) != f"{_moment(run):%a %H:%M}" else ""
        warned = "".join(f"; {each}" for each in run.warnings)
        return f"{what} succeeded{again}{late}{warned}" if again or late or warned else ""
    if run.status is RunStatus.FAILED and run.attempt > 1:
        return ""
    why = run.error.what if run.error else "; ".join(run.warnings)
    often = f", as did {tries - 1} more attempts" if run.status is RunStatus.FAILED and tries > 1 else ""
    return f"{what} {run.status.value}{often}: {why}"


def _due(run: Run) -> str:
    return f"{datetime.fromisoformat(run.due_at or '').astimezone(ZONE):%a %H:%M}"


def _result(run: Run) -> dict[str, object]:
    found: dict[str, object] = run.more.get("result") or {}
    return found
