"""The watch with a journal that is away, full or shared: each is told once, and nothing that people said is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.journal_contract import run_of

from holdfast.journal.base import JournalFailed
from holdfast.journal.sqlite import SqliteJournal
from holdfast.model.alert import Alert, Message
from holdfast.model.health import Finding, Severity
from holdfast.model.report import Level, RepositoryReport, SystemReport
from holdfast.model.run import RunStatus
from holdfast.notices.channel import NotDelivered
from holdfast.planning.noticing import Notice
from holdfast.service.alert_book import AlertBook
from holdfast.service.watch import Watch
from holdfast.wiring.channels import Outlets

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SPACE = Finding(code="space", severity=Severity.CRITICAL, source="", what="little room")
AGE = Finding(code="age", severity=Severity.CRITICAL, source="shop", what="27 h old")


class Box:
    """A channel that keeps what it is given; ``during`` happens while it sends."""

    name = "box"

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.during: Callable[[], None] = lambda: None

    def send(self, message: Message) -> None:
        self.during()
        self.messages.append(message)


class Troubled:
    """A journal of which some methods fail."""

    def __init__(self, behind: SqliteJournal) -> None:
        self.behind = behind
        self.failing: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name in self.failing:
            return self._fail
        return getattr(self.behind, name)

    def _fail(self, *_arguments: object, **_more: object) -> Any:
        raise JournalFailed("the journal does not answer", why="the disk is full")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(file: Path) -> Iterator[Troubled]:
    behind = SqliteJournal(file)
    yield Troubled(behind)
    behind.close()


def _report(*findings: Finding) -> SystemReport:
    store = RepositoryReport(
        url="./b", id="1", bytes_stored=1, bytes_free=None, full_at=None, cost=None, currency="USD", checked_at=None
    )
    return SystemReport(
        as_of=NOON.isoformat(), headline="shop: 27 h would be lost.", level=Level.UNPROTECTED, sources=[],
        repository=store, findings=list(findings), scheduler_at=None, warnings=[],
    )  # fmt: skip


def _watch(journal: Any, findings: list[Finding], **boxes: Box) -> Watch:
    return Watch(journal, Outlets(channels=boxes), lambda _now: _report(*findings))


def _rounds(watch: Watch, first: int, last: int) -> None:
    for minute in range(first, last):
        watch.round(NOON + timedelta(minutes=minute))


FULL = ("remember", "swap", "put", "write")


@pytest.mark.parametrize("failing", [FULL, (*FULL, "recall", "runs")], ids=["full", "away"])
def test_a_journal_that_is_full_or_away_silences_nobody_and_repeats_nothing(
    journal: Troubled, failing: tuple[str, ...]
) -> None:
    """Every channel is told once of what begins and of what ends, and when the journal is back nothing is told anew."""
    findings, one, two = [SPACE], Box(), Box()
    watch = _watch(journal, findings, one=one, two=two)
    journal.failing = failing
    _rounds(watch, 0, 10)
    findings.append(AGE)
    _rounds(watch, 10, 20)
    journal.failing = ()
    _rounds(watch, 20, 25)
    assert [each.title.split()[0] for each in one.messages] == ["CRITICAL", "CRITICAL"] and len(two.messages) == 2
    _rounds(_watch(journal, findings, one=one, two=two), 25, 30)
    assert len(one.messages) == 2, "also a process that begins anew knows"
    findings.clear()
    journal.failing = failing
    _rounds(watch, 30, 50)
    assert [each.kind for each in one.messages] == ["alert", "alert", "recovery"]


def test_what_was_told_is_kept_before_the_next_channel_is_told(journal: Troubled) -> None:
    """A process that dies in the middle of a round repeats nothing to those it reached."""
    one, two = Box(), Box()

    def dies() -> None:
        raise KeyboardInterrupt

    two.during = dies
    with pytest.raises(KeyboardInterrupt):
        _rounds(_watch(journal, [SPACE], one=one, two=two), 0, 1)
    two.during = lambda: None
    _rounds(_watch(journal, [SPACE], one=one, two=two), 3, 5)
    assert (len(one.messages), len(two.messages)) == (1, 1)


def test_what_a_person_says_while_something_is_sent_is_heard(journal: Troubled, file: Path) -> None:
    """A mute and a take-over from another process outlive the round."""
    findings, box = [SPACE], Box()
    watch = _watch(journal, findings, box=box)
    _rounds(watch, 0, 1)
    findings.append(AGE)

    def person() -> None:
        other = SqliteJournal(file)
        AlertBook(other).say(SPACE.key, muted_until="2026-11-22T12:00:00.000Z", acknowledged_by="ada")
        other.close()

    box.during = person
    _rounds(watch, 1, 3)
    kept = watch.book.alerts()[SPACE.key]
    assert (kept.muted_until, kept.acknowledged_by) == ("2026-11-22T12:00:00.000Z", "ada")
    assert AlertBook(journal.behind).say("no-such-key", acknowledged_by="ada") is None


def test_two_daemons_with_one_journal_tell_once(journal: Troubled, file: Path) -> None:
    """Also when the second looks while the first is sending; who dies while it tells is followed by the other."""
    findings, box = [SPACE], Box()
    second = SqliteJournal(file)
    other = _watch(second, findings, box=box)
    first = _watch(journal, findings, box=box)
    looks = iter([lambda: other.round(NOON + timedelta(seconds=5))])
    box.during = lambda: (next(looks, lambda: None)(), None)[1]
    _rounds(first, 0, 1)
    _rounds(other, 1, 3)
    _rounds(first, 1, 3)
    assert len(box.messages) == 1
    findings.clear()
    for minute in range(3, 20):
        _rounds(first, minute, minute + 1)
        _rounds(other, minute, minute + 1)
    assert [each.kind for each in box.messages] == ["alert", "recovery"]
    findings.append(AGE)
    with first.book.telling("box", NOON + timedelta(minutes=30)):  # it hangs, or is gone
        _rounds(other, 30, 35)
        assert len(box.messages) == 2
        _rounds(other, 35, 36)
    assert len(box.messages) == 3
    second.close()


def test_the_letter_counts_every_backup_of_the_week_and_nothing_else(journal: Troubled) -> None:
    """However many there are, and however many other runs."""
    box = Box()
    for number in range(600):
        journal.put(run_of(number, created_at=f"2026-11-{15 + number % 6}T10:00:00.000Z"))
        journal.put(run_of(1000 + number, kind="forget", created_at="2026-11-21T10:00:00.000Z"))
    for number in range(2000, 2072):
        journal.put(run_of(number, status=RunStatus.FAILED, created_at="2026-11-15T12:00:00.000Z"))
    assert _watch(journal, [], box=box).digest(_report(), NOON, ["box"]) == ["box"]
    assert "600 succeeded, 72 did not" in box.messages[0].text


def test_a_channel_that_fails_while_the_journal_is_full_rests_all_the_same(journal: Troubled) -> None:
    """A mail server is not asked every second."""
    box = Box()
    asked = []

    def refuse() -> None:
        asked.append(1)
        raise NotDelivered("box", "it is away")

    box.during = refuse
    journal.failing = FULL
    _rounds(_watch(journal, [SPACE], box=box), 0, 8)
    assert len(asked) == 4, "after 1, 2 and 4 minutes"


def test_what_another_process_told_meanwhile_is_not_forgotten(journal: Troubled, file: Path) -> None:
    """A round that began before writes its own look down, and nothing over what was told since."""
    second = SqliteJournal(file)
    one, other = AlertBook(journal.behind), AlertBook(second)
    alert = Alert(finding=SPACE, since=NOON.isoformat(), seen_at=NOON.isoformat())
    one.keep([], [alert])
    before = one.alerts()
    other.told("ops", [Notice(other.alerts()[SPACE.key], "critical")])
    one.keep([], before.values())
    assert one.alerts()[SPACE.key].told == {"ops": "critical"}
    second.close()
