"""One transaction on the living database, in which every row written is counted and every failure names its row."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence

from holdfast.model.errors import TargetError
from holdfast.model.records import Key, Row, Table, Value
from holdfast.sources.records import Write
from holdfast.sources.sqlite.names import printable, quoted
from holdfast.sources.sqlite.records.asking import Statement
from holdfast.sources.sqlite.records.book import SqliteBook
from holdfast.sources.sqlite.records.counting import Counting
from holdfast.sources.sqlite.records.schema import Shape
from holdfast.sources.sqlite.records.values import affinity
from holdfast.sources.sqlite.records.writing import named, statement_of

_LARGEST = (1 << 63) - 1
_NAMED = 5
_KEPT = "holdfast_guard_deleted"
_LOOKED_AT = 10_000
_SEQUENCES = "SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'"


class SqliteTransaction:
    """LiveTransaction (sources.records). As a context: commits when it ends well, else rolls back.

    Foreign keys are enforced, also where the application itself leaves them off.
    """

    def __init__(self, book: SqliteBook, connection: sqlite3.Connection, path: bytes) -> None:
        self._book = book
        self._connection = connection
        self._where = printable(path)
        self._counting = Counting(connection, book.schema.shapes)
        self._given: dict[tuple[str, str], int] = {}
        self._virtual: dict[str, list[int]] = {}
        self._signed, self._kept_before = "", 0

    def __enter__(self) -> SqliteTransaction:
        try:
            self._connection.execute("PRAGMA foreign_keys = ON")
            enforced = self._connection.execute("PRAGMA foreign_keys").fetchone()
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise self._failed("The database cannot be written", error) from error
        if enforced != (1,):
            self.__exit__(TargetError)
            raise TargetError("Foreign keys cannot be enforced", where=self._where, why="SQLite was built without them")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")

    def find(
        self, table: Table, columns: tuple[str, ...], wanted: Collection[Key], *, lock: bool = False
    ) -> Iterator[Row]:
        """See sources.records.LiveTransaction; nobody else writes as long as this lasts, so all is locked."""
        del lock
        return self._book.find(table, columns, wanted)

    def write(self, writes: Sequence[Write]) -> int:
        """See sources.records.LiveTransaction."""
        done = 0
        try:
            self._counting.start()
        except sqlite3.Error as error:
            raise self._failed("The database cannot be written", error) from error
        for (table, verb, checked), group in itertools.groupby(writes, lambda w: (w.table, w.verb, bool(w.expect))):
            shape = self._shape(table)
            for part in ([write] for write in group) if checked else (list(group),):
                for write in part:
                    self._expect(write, shape)
                count = self._run(part, shape)
                self._count_virtual(shape, verb, count)
                done += count
        return done

    def defer_constraints(self) -> None:
        """See sources.records.LiveTransaction: all foreign keys but those that restrict."""
        self._connection.execute("PRAGMA defer_foreign_keys = ON")

    def next_id(self, table: Table, column: str, count: int) -> list[Value]:
        """See sources.records.LiveTransaction: numbers after the highest there is or ever was, else UUIDs."""
        shape = self._shape(table.name)
        declared = next((each.type for each in table.columns if each.name == column), "")
        if column != shape.alias and affinity(declared) in ("text", "blob"):
            as_bytes = declared.upper().startswith("BLOB")
            return [made.bytes if as_bytes else str(made) for made in (uuid.uuid4() for _ in range(count))]
        highest = self._highest(table.name, column)
        if column == shape.alias:
            highest = max(highest, self._sequence(table.name))
        first = max(highest, self._given.get((table.name, column), 0)) + 1
        if first + count - 1 > _LARGEST:
            raise TargetError("there are no higher numbers left", where=f"{table.name}.{column}")
        self._given[table.name, column] = first + count - 1
        numbers = range(first, first + count)
        return [float(each) for each in numbers] if affinity(declared) == "real" else list(numbers)

    def advance_sequences(self, table: Table) -> None:
        """See sources.records.LiveTransaction: only AUTOINCREMENT remembers more than the rows tell."""
        shape = self._shape(table.name)
        if not shape.alias or table.sequences.get(shape.alias) != "autoincrement":
            return
        highest = self._highest(table.name, shape.alias)
        if self._sequence(table.name) < highest:
            run = self._connection.execute
            run("DELETE FROM main.sqlite_sequence WHERE name = ?", (table.name,))
            run("INSERT INTO main.sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, highest))

    def affected(self) -> Mapping[str, tuple[int, int, int]]:
        """See sources.records.LiveTransaction. What a REPLACE within the application's triggers removes is not seen."""
        virtual = {name: (each[0], each[1], each[2]) for name, each in self._virtual.items()}
        return {**virtual, **self._counting.told()}

    def settle(self) -> None:
        """See sources.guarding.Signing: nothing is put off here but the check of foreign keys."""

    def signature(self) -> tuple[str, str]:
        """See sources.guarding.Signing: a name of its own, which the guard's rows get in the end."""
        self._signed = f"holdfast-{uuid.uuid4().hex}"
        if _KEPT in self._book.schema.shapes:
            found = self._connection.execute(f"SELECT coalesce(max(id), 0) FROM main.{_KEPT}").fetchone()
            self._kept_before = int(found[0])
        return self._signed, self._signed

    def sign(self) -> None:
        """See sources.guarding.Signing."""
        if _KEPT in self._book.schema.shapes:
            asked = f"UPDATE main.{_KEPT} SET transaction_id = ? WHERE id > ?"
            self._connection.execute(asked, (self._signed, self._kept_before))

    # -- writing

    def _run(self, writes: Sequence[Write], shape: Shape) -> int:
        """Equal statements one after another are run as one; the row that failed is the last that was asked for."""
        done = 0
        current: list[Write] = []

        def values(pairs: Iterator[tuple[Write, Statement]]) -> Iterator[tuple[Value, ...]]:
            for write, statement in pairs:
                current[:] = [write]
                yield statement.values

        statements = ((write, statement_of(write, shape)) for write in writes)
        for sql, group in itertools.groupby(statements, lambda pair: pair[1].sql):
            try:
                done += self._connection.executemany(sql, values(group)).rowcount
            except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
                which = named((current or writes)[0], shape)
                raise self._failed(f"A row could not be written: {which}", error) from error
        return done

    def _expect(self, write: Write, shape: Shape) -> None:
        """TargetError unless the row is as it must be."""
        expected = write.expect
        if expected is None:
            return
        columns = shape.table.key or tuple(expected.values)
        for row in self._book.find(shape.table, columns, [expected.key(columns)]):
            if all(_same(row.values.get(name), value) for name, value in expected.values.items()):
                return
        raise TargetError(
            f"A row changed meanwhile: {named(write, shape)}",
            where=self._where,
            why="somebody wrote to it after it was looked at",
            hint="Nothing was changed; look again, then try again",
            retryable=True,
        )

    def _count_virtual(self, shape: Shape, verb: str, count: int) -> None:
        """Triggers do not see virtual tables."""
        if shape.virtual:
            counts = self._virtual.setdefault(shape.table.name, [0, 0, 0])
            counts[("insert", "update", "delete").index(verb)] += count

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.IntegrityError as error:
            raise self._failed(f"Rows refer to others that do not exist: {self._dangling()}", error) from error
        except sqlite3.Error as error:
            raise self._failed("The transaction could not be committed", error) from error

    def _dangling(self) -> str:
        """Rows that keep the transaction from ending, named; those of tables it wrote to first, the newest first."""
        touched = self._counting.told()
        found = list(itertools.islice(self._connection.execute("PRAGMA foreign_key_check"), _LOOKED_AT))
        found.sort(key=lambda each: (each[0] not in touched, each[0], -(each[1] or 0)))
        rows = [(table, "" if rowid is None else f" row {rowid}", parent) for table, rowid, parent, _ in found[:_NAMED]]
        return "; ".join(f"{table}{row} to {parent}" for table, row, parent in rows)

    def _highest(self, table: str, column: str) -> int:
        asked = f"SELECT max({quoted(column)}) FROM main.{quoted(table)} WHERE typeof({quoted(column)}) = 'integer'"
        return int(self._connection.execute(asked).fetchone()[0] or 0)

    def _sequence(self, table: str) -> int:
        if self._connection.execute(_SEQUENCES).fetchone() is None:
            return 0
        asked = "SELECT max(seq) FROM main.sqlite_sequence WHERE name = ?"
        return int(self._connection.execute(asked, (table,)).fetchone()[0] or 0)

    def _shape(self, table: str) -> Shape:
        shape = self._book.schema.shapes.get(table)
        if shape is None:
            raise TargetError(f"there is no table {table}", where=self._where, hint="it was dropped or renamed since")
        return shape

    def _failed(self, what: str, error: Exception) -> TargetError:
        busy = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
        hint = "Let the program that writes finish its transaction, then try again" if busy else "Nothing was changed"
        return TargetError(what, where=self._where, why=str(error), hint=hint, retryable=busy)


def _same(now: Value, expected: Value) -> bool:
    """The same value of the same type: 1 and 1.0 are two values."""
    return now == expected and type(now) is type(expected)
