"""What has to be true of the month, asked of journal, repository and inbox, whatever the page says that people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise

from tests.simulation.timeline import runs_of
from tests.simulation.world import ZONE, Month

from holdfast.model.run import Run, RunStatus
from holdfast.planning.keeping import kind_of


def _local(text: str | None) -> datetime:
    return datetime.fromisoformat(text or "").astimezone(ZONE)


def _done(lived: Month, source: str) -> list[Run]:
    return [run for run in runs_of(lived) if run.kind == "backup" and run.sources == [source] and run.snapshots]


def every_appointment_is_kept_once(lived: Month, first: date, last: date) -> None:
    """The shop's night of every day, the store away or the process killed; of no source is one kept twice."""
    nights = {_local(run.due_at).date() for run in _done(lived, "shop")}
    assert nights == {first + timedelta(days=number) for number in range((last - first).days + 1)}
    kept = Counter((run.schedule, run.due_at) for run in runs_of(lived) if run.snapshots and run.due_at)
    assert set(kept.values()) == {1}
    assert all(run.status.over for run in runs_of(lived))


def the_night_of_the_outage_is_made_up_for(lived: Month, back: datetime) -> None:
    """Within the hour after the store is back, not the next night; each attempt names the one before."""
    (run,) = [each for each in _done(lived, "shop") if _local(each.due_at).date() == back.date()]
    assert back < _local(run.ended_at) < back + timedelta(hours=1)
    tried = {each.id: each for each in runs_of(lived) if each.due_at == run.due_at and each.schedule == run.schedule}
    assert sorted(each.attempt for each in tried.values()) == list(range(1, run.attempt + 1))
    assert all(each.attempt == 1 or tried[each.retry_of or ""].attempt == each.attempt - 1 for each in tried.values())
    begun = sorted(_local(each.created_at) for each in tried.values())
    assert max(later - earlier for earlier, later in pairwise(begun)) <= timedelta(hours=1, minutes=1)


def the_rules_are_followed(lived: Month) -> None:
    """daily 7, weekly 4, monthly 12 of the shop, worked out here by hand; what was pinned is there."""
    nights = sorted(_local(run.created_at) for run in _done(lived, "shop"))
    days = {moment.date(): moment for moment in nights}
    wanted = set(sorted(days)[-7:])
    weeks = {day - timedelta(days=day.weekday()): day for day in sorted(days)}
    wanted |= {weeks[week] for week in sorted(weeks)[-4:]}
    wanted |= set({(day.year, day.month): day for day in sorted(days)}.values())
    wanted.add(min(days))  # until monthly has its twelve
    with lived.service.reading() as app:
        whole = [each for each in app.repository.snapshots() if kind_of(each.info) == "whole"]
    assert {_local(each.info.created_at).date() for each in whole if each.info.source == "shop"} == wanted
    assert [each.info.source for each in whole if each.pinned] == ["notes"]


def nothing_went_while_rules_were_held(lived: Month, begin: datetime, end: datetime) -> None:
    """From the change to the consent no snapshot of the notes was forgotten, and every attempt says why."""
    held = [run for run in runs_of(lived) if run.kind == "forget" and run.sources == ["notes"]
            and begin < _local(run.created_at) < end]  # fmt: skip
    assert len(held) == 4
    assert all(run.status is RunStatus.INCOMPLETE and "is held" in run.warnings[0] for run in held)
    assert all(not (run.more["result"] or {}).get("forgotten") for run in held)


def nothing_was_freed_while_something_looked_wrong(lived: Month, begin: datetime, end: datetime) -> None:
    """The prune of that night was left out, the others were done."""
    prunes = [run for run in runs_of(lived) if run.kind == "prune" and run.status is not RunStatus.FAILED]
    skipped = [run for run in prunes if run.status is RunStatus.SKIPPED]
    assert len(skipped) == 1
    assert begin < _local(skipped[0].created_at) < end
    assert len(prunes) >= 34


def people_were_told_once(lived: Month) -> None:
    """What is worst is told once and taken back once; a letter came every Monday; at the end nothing is open."""
    titles = [each.title for each in lived.messages]
    for words in ("holdfast cannot look", "encrypted or rewritten?", "retention of notes is held"):
        told = [title.split()[0] for title in titles if words in title]
        assert told == [told[0], "RECOVERED"], words
    assert [each.at.astimezone(ZONE).weekday() for each in lived.messages if each.kind == "digest"] == [0] * 6
    assert list(_open(lived)) == []


def _open(lived: Month) -> Iterator[str]:
    for alert in lived.rounds.watch.book.alerts().values():
        if alert.cleared_at is None and alert.finding.severity.value != "info":
            yield alert.finding.what
