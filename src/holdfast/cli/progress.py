"""How far a run is: bars with rate and time left on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.model.events import Advanced, Event, PhaseEnded, PhaseStarted, Reporter, Warned

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextlib.contextmanager
def shown(face: Face) -> Iterator[Reporter]:
    """The reporter that fits where stderr goes and how much is wanted. Safe from any thread.

    When a record is kept of the call, it hears of everything too.
    """
    with _shown(face) as report:
        yield face.record.hearing(report) if face.record is not None else report


@contextlib.contextmanager
def _shown(face: Face) -> Iterator[Reporter]:
    if not face.quiet and sys.stderr.isatty():
        from rich.console import Console

        console = Console(file=sys.stderr, no_color=not face.colours(sys.stderr))
        with _bars(console) as progress:
            yield _Bars(face, progress).report
    else:
        yield _Lines(face).report


class _Lines:
    """A line when a phase begins and one when it ends."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], _Phase] = {}

    def report(self, event: Event) -> None:
        with self._lock:
            match event:
                case Warned(source=source, text=text):
                    self._face.warning(text, source)
                case PhaseStarted(source=source, phase=phase):
                    self._running[source, phase] = _Phase(event.unit)
                    self._say(f"{source}: {phase}")
                case Advanced(source=source, phase=phase, amount=amount):
                    if running := self._running.get((source, phase)):
                        running.done += amount
                case PhaseEnded(source=source, phase=phase):
                    if running := self._running.pop((source, phase), None):
                        self._say(f"{source}: {phase}: {running.summary()}")

    def _say(self, text: str) -> None:
        if self._face.verbosity > 0:
            self._face.note(text)


class _Phase:
    """What has been done of one phase, and since when."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.done = 0
        self.begun = time.monotonic()

    def summary(self) -> str:
        took = time.monotonic() - self.begun
        rate = self.done / took if took > 0 else 0
        if self.unit == "bytes":
            return f"{words.size(self.done)} in {words.seconds(took)} ({words.size(round(rate))}/s)"
        return f"{words.count(self.done)} {self.unit} in {words.seconds(took)}"


class _Bars:
    """One bar for each phase that runs."""

    def __init__(self, face: Face, progress: Progress) -> None:
        self._face = face
        self._progress = progress
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._units: dict[TaskID, str] = {}
        self._lock = threading.Lock()

    def report(self, event: Event) -> None:
        with self._lock:
            match event:
                case Warned(source=source, text=text):
                    if told := self._face.unsaid(text, source):
                        plain = words.printable(self._face.redactor.clean(told))
                        self._progress.console.print(plain, style="yellow", markup=False)
                case PhaseStarted(source=source, phase=phase, total=total, unit=unit):
                    self._tasks[source, phase] = self._progress.add_task(
                        words.printable(f"{source}: {phase}"), total=total, unit=unit, amount="", rate=""
                    )
                case Advanced(source=source, phase=phase, amount=amount):
                    if (task := self._tasks.get((source, phase))) is not None:
                        self._advance(task, amount)
                case PhaseEnded(source=source, phase=phase):
                    if (task := self._tasks.pop((source, phase), None)) is not None:
                        self._progress.remove_task(task)

    def _advance(self, task: TaskID, amount: int) -> None:
        self._progress.advance(task, amount)
        now = self._progress.tasks[self._progress.task_ids.index(task)]
        speed = now.speed or 0
        if now.fields["unit"] == "bytes":
            self._progress.update(task, amount=words.size(int(now.completed)), rate=f"{words.size(int(speed))}/s")
        else:
            self._progress.update(task, amount=f"{int(now.completed):,}", rate=f"{speed:,.0f}/s")


def _bars(console: object) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    if not isinstance(console, Console):
        raise TypeError(console)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[amount]}", markup=False),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=console,
        transient=True,
    )
