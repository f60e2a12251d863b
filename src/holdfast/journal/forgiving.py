"""A journal that never stands in the way: what it cannot do is told once, and nothing fails for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from holdfast.journal.base import Journal, Page, RunQuery
from holdfast.model.errors import HoldfastError
from holdfast.model.run import LogLine, Run

T = TypeVar("T")


class Forgiving:
    """See Journal. ``behind`` None: there is none, everything is forgotten at once. ``warn`` hears of the first fault.

    After a fault nothing more is asked of it: a run must not wait again and again for what does not answer.
    """

    def __init__(self, behind: Journal | None, warn: Callable[[str], None]) -> None:
        self._behind, self._warn = behind, warn

    @property
    def url(self) -> str:
        """See Journal; "" when there is none."""
        return self._behind.url if self._behind else ""

    def put(self, run: Run) -> None:
        """See Journal."""
        self._ask(lambda journal: journal.put(run), None)

    def write(self, run: str, lines: Sequence[LogLine]) -> None:
        """See Journal."""
        self._ask(lambda journal: journal.write(run, lines), None)

    def get(self, run: str) -> Run | None:
        """See Journal."""
        return self._ask(lambda journal: journal.get(run), None)

    def lines(self, run: str, after: int = 0, limit: int = 1000) -> Sequence[LogLine]:
        """See Journal."""
        return self._ask(lambda journal: journal.lines(run, after, limit), [])

    def runs(self, query: RunQuery) -> Page:
        """See Journal."""
        return self._ask(lambda journal: journal.runs(query), Page())

    def unfinished(self) -> Sequence[Run]:
        """See Journal."""
        return self._ask(lambda journal: journal.unfinished(), [])

    def tidy(self, *, log_before: str, runs_before: str) -> int:
        """See Journal."""
        return self._ask(lambda journal: journal.tidy(log_before=log_before, runs_before=runs_before), 0)

    def remember(self, key: str, value: str | None) -> None:
        """See Journal."""
        self._ask(lambda journal: journal.remember(key, value), None)

    def swap(self, key: str, before: str | None, after: str | None) -> bool:
        """See Journal; without one nobody else is there to try the same."""
        return self._ask(lambda journal: journal.swap(key, before, after), otherwise=True)

    def recall(self, prefix: str) -> dict[str, str]:
        """See Journal."""
        return self._ask(lambda journal: journal.recall(prefix), {})

    def close(self) -> None:
        """See Journal."""
        self._ask(lambda journal: journal.close(), None)

    def _ask(self, question: Callable[[Journal], T], otherwise: T) -> T:
        if self._behind is None:
            return otherwise
        try:
            return question(self._behind)
        except HoldfastError as error:
            self._behind = None
            self._warn(f"this run is not in the journal: {error.what}: {error.why}" if error.why else error.what)
            return otherwise
