"""The contract every journal keeps. The suite in tests/contracts/journal_contract.py checks each sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from holdfast.model.errors import HoldfastError
from holdfast.model.run import LogLine, Run

SCHEDULER_ALIVE = "scheduler/alive"
"""The fact in which a scheduler notes, at least once a minute, the instant at which it was awake (ISO 8601 UTC)."""


class JournalFailed(HoldfastError):
    """The journal did not do what was asked. No backup is lost with it, nor any act of the audit trail."""

    code = "journal"


class JournalBroken(JournalFailed):
    """What is stored is no journal any more: damaged, or overwritten with something else."""

    code = "journal-broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Runs, newest first. ``before``: a cursor, the ``next`` of the page before. Empty filters let all through.

    ``since`` and ``until`` (exclusive): ISO 8601 instants of when a run was wished for.
    """

    sources: Sequence[str] = ()
    kinds: Sequence[str] = ()
    statuses: Sequence[str] = ()
    since: str | None = None
    until: str | None = None
    limit: int = 50
    before: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """``next`` is None on the last page; a cursor stays valid while runs are added."""

    runs: Sequence[Run] = field(default_factory=list)
    next: str | None = None


class Journal(Protocol):
    """Runs and their logs. Any method may be called from any thread and any process at once.

    What the database does not do is raised as JournalFailed, within seconds: nobody waits long for a journal.
    """

    @property
    def url(self) -> str:
        """Where it is, without a password."""
        ...

    def put(self, run: Run) -> None:
        """Keep the run as it is now; replaces what is there under its id.

        A run that is over stays as it ended, unless it was only taken for interrupted and is heard of again.
        """
        ...

    def write(self, run: str, lines: Sequence[LogLine]) -> None:
        """Add lines to a run's log; a line whose number is there already is not written again."""
        ...

    def get(self, run: str) -> Run | None:
        """One run, by its whole id."""
        ...

    def lines(self, run: str, after: int = 0, limit: int = 1000) -> Sequence[LogLine]:
        """Lines of a run's log with a number above ``after``, in order."""
        ...

    def runs(self, query: RunQuery) -> Page:
        """What the query asks for."""
        ...

    def unfinished(self) -> Sequence[Run]:
        """Runs that are queued or running as far as the journal knows, oldest first."""
        ...

    def tidy(self, *, log_before: str, runs_before: str) -> int:
        """Drop lines written, and runs that were over, before these instants; returns how many rows went.

        The newest run of each kind and source stays, however old it is.
        """
        ...

    def remember(self, key: str, value: str | None) -> None:
        """Keep a small fact of the service (a schedule's last appointment, an alert's state); None drops it."""
        ...

    def swap(self, key: str, before: str | None, after: str | None) -> bool:
        """Change a fact from ``before`` to ``after`` (None: there is none); False, and nothing, when it is not so.

        Of several that try the same at once, one succeeds.
        """
        ...

    def recall(self, prefix: str) -> dict[str, str]:
        """Every fact whose key begins with ``prefix``."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
