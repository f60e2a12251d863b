"""The contract for guards: triggers that keep what anybody deletes, in a table beside the application's own.

What a guard keeps moves into the repository in *shipments*. Rows are first claimed for one (``claim``), then stored in
a snapshot that names it, and only then removed (``settle``): killed anywhere, nothing is lost and nothing doubled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from holdfast.model.records import Key, Row, Table
from holdfast.sources.records import Book

SHIPMENT_BYTES = 32 << 20
"""What a shipment may weigh: it is held in memory while it is compared with what was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doer:
    """Who deleted, as far as the database knows: SQLite knows nobody."""

    user: str = ""
    role: str = ""
    application: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One row that was deleted. ``transaction`` and ``began`` together name the transaction; times are ISO 8601 UTC.

    ``salt`` tells rows with the same number apart. ``operation``: "delete", "truncate", or "move" to another partition,
    where the row seems to be still. ``part``: the partition it was in.
    """

    number: int
    table: str
    row: Row
    operation: str
    transaction: str
    began: str
    at: str
    by: Doer
    part: str = ""
    salt: str = ""
    shipment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One table under guard, or that should be (``guarded`` False). ``gaps``: what its triggers do not see, or no
    longer do; empty when they stand."""

    table: str
    gaps: tuple[str, ...] = ()
    guarded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Rows that wait to be shipped; ``oldest``: when the first was deleted."""

    rows: int
    oldest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardState:
    """``blind``: ways to delete that no trigger sees, whatever is installed."""

    installed: bool
    watched: tuple[Watched, ...]
    waiting: Waiting
    blind: tuple[str, ...]


class Guard(Protocol):
    """The guard of one database. Safe from one thread."""

    def plan(self, tables: Sequence[str], entity: str = "") -> list[str]:
        """The statements that put ``tables`` under guard, also where some of them are already. UsageError.

        ``entity``: for which it is done; remembered beside what is kept.
        """
        ...

    def rights(self) -> list[str]:
        """What whoever installs must be allowed to."""
        ...

    def install(self, tables: Sequence[str], entity: str = "") -> list[str]:
        """Carry the plan out, in one transaction; the statements. TargetError names the right that is missing."""
        ...

    def remove(
        self, tables: Sequence[str] | None = None, *, keep: Sequence[str] = (), entity: str = ""
    ) -> list[str]:
        """Take the triggers of ``tables`` (None: all, and the guard itself) away; the statements.

        Those that tables of ``keep`` need stay, and ``entity`` is forgotten. Tables that are gone are passed over.
        TargetError while rows wait to be shipped that would be lost with the guard itself.
        """
        ...

    def entities(self) -> Mapping[str, tuple[str, ...]] | None:
        """Entities that were put under guard, with their tables at that moment; None when that is not known."""
        ...

    def lacking(self, tables: Sequence[str]) -> list[Watched]:
        """Those of ``tables``, and of what belongs to them (partitions, tables that inherit), that are not under guard
        as ``install`` would leave them, with what is missing. ``tables`` may be gone."""
        ...

    def state(self) -> GuardState:
        """What is under guard, what waits, and what it cannot see."""
        ...

    def gather(self) -> None:
        """Bring into the guard's table what was deleted until now; triggers have it there already."""
        ...

    def claim(self, limit: int) -> str | None:
        """Claim the oldest rows that nobody claimed yet, ``limit`` of them at most, for a new shipment.

        It ends with the row that reaches ``SHIPMENT_BYTES``. None when there are none. Committed when this returns.
        """
        ...

    def claimed(self) -> list[str]:
        """Shipments that rows are claimed for: those of a run that ended half-way, or is still at work."""
        ...

    def settle(self, shipment: str) -> int:
        """Remove the rows of a shipment, which is stored by now; how many."""
        ...


@runtime_checkable
class Guarding(Protocol):
    """Power of a Source whose deletes can be watched."""

    @property
    def guard_table(self) -> str:
        """The table the guard keeps rows in, as books name it. Its columns ``shipment`` and ``transaction_id`` may be
        asked for."""
        ...

    def guard(self) -> AbstractContextManager[Guard]:
        """The guard of the database itself, over a connection of its own. SourceError."""
        ...

    def kept(self, rows: Iterable[Row]) -> Iterator[Kept]:
        """What rows of the guard's table say, out of any book."""
        ...


class Joined(Book, Protocol):
    """A transaction that somebody else began, and will end, as a book.

    What was found in it, nobody else changes until it ends.
    """

    def affected(self) -> AbstractContextManager[Mapping[str, tuple[int, int, int]]]:
        """Rows inserted, updated, deleted by table since this began, cascades and triggers included, and at least: what
        was rolled back to a savepoint may be among them. Nothing after it was rolled back as a whole.

        What deferred triggers do only at the commit has been done as long as the context lasts, so ``find`` sees it;
        afterwards it waits for the commit as before. TargetError when nobody can tell: it was committed, or rolled
        back and another one begun, or would be refused at the commit.
        """
        ...

    def gone(self, table: Table) -> Iterator[Key]:
        """Rows this transaction deleted, or gave another key, and that are not there now: by key, else by all columns.

        Within ``affected``. Rows that only this transaction ever saw may be left out.
        """
        ...

    def idle(self) -> bool:
        """Whether the connection is known to be in no transaction any more."""
        ...


@runtime_checkable
class Signing(Protocol):
    """Power of a LiveTransaction: what the guard keeps of its deletes can be told apart from everything else."""

    def settle(self) -> None:
        """Have done now what the database would do only at the commit. TargetError when it refuses."""
        ...

    def signature(self) -> tuple[str, str]:
        """``Kept.transaction`` and ``Kept.began`` of all it deletes from now on, once it is signed; "": not known."""
        ...

    def sign(self) -> None:
        """After the last delete."""
        ...


@runtime_checkable
class Joining(Protocol):
    """Power of a Source: to look from within a transaction of the application's own connection."""

    def join(self, connection: Any) -> AbstractContextManager[Joined]:
        """Until the context ends. UsageError for a connection that is not of this kind, leads to another database,
        or commits each statement by itself."""
        ...
