"""What runs by itself: every schedule with what became of its last appointment, kept as facts in the journal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from holdfast.journal.base import Journal, JournalFailed
from holdfast.model.snapshot import SnapshotInfo
from holdfast.model.timetable import Schedule
from holdfast.planning.names import is_good
from holdfast.planning.schedule_words import words_of
from holdfast.planning.timetable import believed, next_begin
from holdfast.service.work import Order
from holdfast.system import clock

_SCHEDULE, _PAUSE = "schedule/", "pause/"
APPOINTMENT = "appointment"
"""The key of SnapshotInfo.more under which a snapshot tells which appointment it kept."""

State = Literal["over", "running", "again", "elsewhere"]


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the appointment ``due``: "running" as ``run``, "again" at ``again_at`` because it failed,
    "elsewhere" (another daemon does it; looked after at ``again_at``), or "over". ``missed``: earlier ones that
    nobody kept. ``known`` False: taken from what the repository shows, after the journal was lost."""

    due: str
    state: State = "over"
    run: str = ""
    attempt: int = 1
    again_at: str | None = None
    missed: int = 0
    known: bool = True

    @property
    def instant(self) -> datetime:
        """``due`` as an instant."""
        return datetime.fromisoformat(self.due)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One attempt at one appointment."""

    schedule: Schedule
    due: datetime
    attempt: int
    run: str
    retry_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A schedule and the order that keeps one of its appointments. ``backup``: it is one of its source."""

    schedule: Schedule
    order: Callable[[Slot], Order]
    backup: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one schedule stands. ``next_at``: when something is to be done next, None while it is paused."""

    schedule: Schedule
    words: str
    state: str
    paused: bool
    next_at: datetime | None
    last_due: datetime | None
    again_at: datetime | None
    missed: int


class Agenda:
    """The jobs of one configuration. Any method may be called from any thread.

    While the journal fails it goes by what it has seen itself: nothing is done twice, and nothing left out, for that.
    """

    def __init__(self, journal: Journal, jobs: Sequence[Job]) -> None:
        self._journal, self.jobs = journal, tuple(jobs)
        self._seen: dict[str, str] = {}
        self._seen_paused: Mapping[str, str] = {}

    def kept(self, schedule: Schedule) -> Keeping | None:
        """What became of its last appointment; None when nobody knows."""
        key = _SCHEDULE + schedule.key
        try:
            text = self._journal.recall(key).get(key)
        except JournalFailed:
            text = self._seen.get(key)
        with contextlib.suppress(msgspec.DecodeError, ValueError):
            if text and (kept := msgspec.json.decode(text, type=Keeping)).instant.tzinfo is not None:
                self._seen[key] = text
                return kept
        return None

    def keep(self, schedule: Schedule, keeping: Keeping) -> None:
        """Remember it."""
        key, text = _SCHEDULE + schedule.key, msgspec.json.encode(keeping).decode()
        self._seen[key] = text
        with contextlib.suppress(JournalFailed):
            self._journal.remember(key, text)

    def standing(self, now: datetime) -> list[Standing]:
        """Every schedule."""
        paused = self.paused()
        return [self._standing(job.schedule, paused, now) for job in self.jobs]

    def pause(self, source: str, who: str = "") -> None:
        """Keep no appointment of a source ("": of any) until ``resume``; what is late then is done once."""
        self._journal.remember(_PAUSE + source, f"{clock.stamp()} {who}".strip())

    def resume(self, source: str) -> None:
        """Take a pause back."""
        self._journal.remember(_PAUSE + source, None)

    def paused(self) -> Mapping[str, str]:
        """Source -> since when, and by whom; "" stands for all of them."""
        with contextlib.suppress(JournalFailed):
            self._seen_paused = {name[len(_PAUSE) :]: told for name, told in self._journal.recall(_PAUSE).items()}
        return self._seen_paused

    def recall_from(self, snapshots: Iterable[SnapshotInfo]) -> None:
        """Where the journal knows nothing of a schedule, take from the repository what was kept."""
        now, infos = clock.now(), list(snapshots)
        for job in self.jobs:
            if self.kept(job.schedule) is None and (due := _shown(job.schedule, infos, now)):
                self.keep(job.schedule, Keeping(due=due, known=False))

    def _standing(self, schedule: Schedule, paused: Mapping[str, str], now: datetime) -> Standing:
        kept = self.kept(schedule)
        resting = "" in paused or schedule.source in paused
        again = datetime.fromisoformat(kept.again_at) if kept and kept.again_at else None
        upcoming = next_begin(schedule, kept.instant if kept else None, now)
        if kept and kept.state == "again" and again:
            upcoming = min(upcoming, max(again, now))
        return Standing(
            schedule=schedule, words=words_of(schedule), paused=resting, next_at=None if resting else upcoming,
            state="waiting" if kept is None or kept.state == "over" else kept.state,
            last_due=kept.instant if kept else None, again_at=again, missed=kept.missed if kept else 0,
        )  # fmt: skip


def _shown(schedule: Schedule, infos: Sequence[SnapshotInfo], now: datetime) -> str | None:
    """The newest appointment that a snapshot says it kept; else the time of the source's newest good snapshot.

    What has not come yet was told by a clock that was wrong.
    """
    mine = [info for info in infos if info.source == schedule.source]
    told = [(info.more or {}).get(APPOINTMENT) for info in mine]
    dues = [str(each["due"]) for each in told if isinstance(each, dict) and each.get("schedule") == schedule.key]
    dues = [due for due in dues if believed(datetime.fromisoformat(due), now)]
    if dues or schedule.only:
        return max(dues, default=None)
    made = (info.created_at for info in mine if is_good(info))
    return max((at for at in made if believed(datetime.fromisoformat(at), now)), default=None)
