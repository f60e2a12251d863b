"""One transaction on the living database: rows written in bulk, every failure with the row it is about."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

import psycopg

from holdfast.model.errors import TargetError
from holdfast.model.records import Key, Row, Table, Value
from holdfast.sources.postgres.connection import Connection, connect
from holdfast.sources.postgres.conninfo import Conninfo
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.records.live_asking import Asking
from holdfast.sources.postgres.records.live_catalog import LiveCatalog, LiveTable
from holdfast.sources.postgres.records.live_counting import Counting
from holdfast.sources.postgres.records.live_numbering import Numbering
from holdfast.sources.postgres.records.live_writing import Batch, batches, named, recognised, statement
from holdfast.sources.postgres.refusals import scrubbed
from holdfast.sources.postgres.target_place import reason
from holdfast.sources.records import Write

_LINE = re.compile(r"COPY .*, line (\d+)", re.DOTALL)
# the application's own triggers may name its tables without schema; what is read must not depend on that
_THEIR_PATH = "SET LOCAL search_path TO DEFAULT"
_OUR_PATH = "SET LOCAL search_path TO ''"
_SIGNATURE = "SELECT txid_current()::text, transaction_timestamp()::text"
_HINTS = {
    "23505": "a row with that key is there already: skip it, overwrite it, or choose another key",
    "23503": "write the row it refers to first, or together with it with constraints deferred",
    "23502": "the column may not be NULL",
    "42501": "as a superuser: GRANT INSERT, UPDATE, DELETE ON the table TO the role",
    "25006": "the server is a standby or read only; use the address of the primary",
    "40P01": "another transaction waited for this one; try again",
    "55P03": "another session holds a lock; try again when it is done",
}
_SAY_HOW = (
    'say how in holdfast.toml: [entities.NAME.unique] "table.column" = "suffix" for a text, or leave the table out:'
    ' [entities.NAME.side_effects] "table" = "exclude"'
)


class PostgresTransaction:
    """LiveTransaction (sources.records). As a context: commits when it ends well, else rolls back."""

    def __init__(self, conninfo: Conninfo, catalog: LiveCatalog) -> None:
        self._conninfo = conninfo
        self._catalog = catalog
        self._connection: Connection = connect(conninfo, error=TargetError)
        self._asking = Asking(self._connection, conninfo)
        self._counting = Counting(self._connection, catalog)
        self._numbering = Numbering(self._connection)

    def __enter__(self) -> Self:
        try:
            self._connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            self._counting.check()
        except psycopg.Error as error:
            self._connection.close()
            raise self._failed("no transaction could be begun", error) from error
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._connection.execute(_THEIR_PATH)
                self._connection.execute("COMMIT")
        except psycopg.Error as error:
            raise self._failed("the transaction could not be committed", error) from error
        finally:
            self._connection.close()

    def find(
        self, table: Table, columns: tuple[str, ...], wanted: Collection[Key], *, lock: bool = False
    ) -> Iterator[Row]:
        """See LiveTransaction."""
        return self._asking.find(self._living(table.name), columns, wanted, lock=lock)

    def write(self, writes: Sequence[Write]) -> int:
        """See LiveTransaction."""
        done = 0
        for name, group in itertools.groupby(writes, lambda write: write.table):
            for batch in batches(list(group), self._living(name)):
                self._expect(batch)
                done += self._run(batch)
                self._numbering.wrote(batch.table, batch.columns, (write.row for write in batch.writes))
        return done

    def defer_constraints(self) -> None:
        """See LiveTransaction."""
        self._connection.execute("SET CONSTRAINTS ALL DEFERRED")

    def next_id(self, table: Table, column: str, count: int) -> list[Value]:
        """See LiveTransaction."""
        living = self._living(table.name)
        known = living.columns.get(column)
        if known is None:
            raise TargetError(f"{table.name} has no column {column}", where=self._conninfo.url)
        sequence = living.structure.sequences.get(column)
        if sequence is None and known.base.rpartition(".")[2] in ("uuid", "text", "character varying", "citext"):
            return [str(uuid.uuid4()) for _ in range(count)]
        if sequence is None and known.base == "bytea":
            return [f"\\x{uuid.uuid4().hex}" for _ in range(count)]
        try:
            return self._numbering.fresh(living, column, sequence, count)
        except psycopg.Error as error:
            failed = self._failed(f"no fresh id for {table.name}.{column} can be made, of type {known.type}", error)
            failed.hint = _SAY_HOW
            raise failed from error

    def advance_sequences(self, table: Table) -> None:
        """See LiveTransaction."""
        living = self._living(table.name)
        try:
            for column, sequence in living.structure.sequences.items():
                self._numbering.advance(living, column, sequence)
        except psycopg.Error as error:
            raise self._failed(f"the sequences of {table.name} could not be moved", error) from error

    def affected(self) -> Mapping[str, tuple[int, int, int]]:
        """See LiveTransaction. Rows of partitions count for the partitioned table."""
        return self._counting.told()

    def settle(self) -> None:
        """See sources.guarding.Signing: deferred constraints and triggers."""
        try:
            self._connection.execute(_THEIR_PATH)
            self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            self._connection.execute(_OUR_PATH)
        except psycopg.Error as error:
            raise self._failed("the transaction could not be committed", error) from error

    def signature(self) -> tuple[str, str]:
        """See sources.guarding.Signing."""
        row = self._connection.execute(_SIGNATURE).fetchone()
        assert row is not None  # noqa: S101 - one row always
        began = datetime.fromisoformat(row[1]).astimezone(UTC)
        return row[0], began.isoformat().replace("+00:00", "Z")

    def sign(self) -> None:
        """See sources.guarding.Signing: the guard's triggers note the transaction themselves."""

    def _run(self, batch: Batch) -> int:
        try:
            with self._connection.cursor() as cursor:
                self._connection.execute(_THEIR_PATH)
                if batch.verb == "insert":
                    self._insert(cursor, batch)
                else:
                    cursor.execute(statement(batch).encode(batch.table.form.codec))
                self._connection.execute(_OUR_PATH)
                return cursor.rowcount
        except psycopg.Error as error:
            raise self._refused(batch, error) from error
        except UnicodeEncodeError as error:
            raise TargetError("a text has letters that the database's encoding has not", where=batch.name) from error

    def _insert(self, cursor: psycopg.Cursor[Any], batch: Batch) -> None:
        """COPY takes identities that are always generated too, and tells the line it stumbled over."""
        form = batch.table.form.only(batch.columns)
        names = f" ({', '.join(map(quote, batch.columns))})" if batch.columns else ""
        data = form.lines([write.row for write in batch.writes])
        if not batch.columns and batch.table.form.names:
            for _ in batch.writes:
                cursor.execute(f"INSERT INTO {batch.table.sql} DEFAULT VALUES".encode(form.codec))
            return
        with cursor.copy(f"COPY {batch.table.sql}{names} FROM STDIN".encode(form.codec)) as rows:
            rows.write(data)

    def _expect(self, batch: Batch) -> None:
        """TargetError, naming the row, unless each is as it must be."""
        if batch.writes[0].expect is None:
            return
        columns = batch.identity
        now: dict[Key, Row] = {}
        for row in self._asking.find(batch.table, columns, batch.keys(), lock=True):
            now[row.key(columns)] = row
        for write in batch.writes:
            expected = write.expect
            row = now.get(recognised(write, batch.table).key(columns), Row({}))
            if expected is None or any(
                name not in row.values or row.values[name] != value
                for name, value in expected.values.items()
                if name in batch.table.form.names
            ):
                raise TargetError(
                    f"a row changed meanwhile: {named(write, batch.table)}", where=self._conninfo.url,
                    why="it is not there any more" if not row.values else "somebody wrote to it after it was looked at",
                    hint="nothing was changed; look again, then try again", retryable=True,
                )

    def _living(self, name: str) -> LiveTable:
        found = self._catalog.living.get(name)
        if found is None:
            raise TargetError(
                f"there is no table {name}", where=self._conninfo.url, hint="it was dropped or renamed since"
            )
        return found

    def _refused(self, batch: Batch, error: psycopg.Error) -> TargetError:
        """With the row, as far as the server tells which."""
        line = _LINE.search(error.diag.context or "")
        number = int(line[1]) - 1 if line else (0 if len(batch.writes) == 1 else -1)
        row = named(batch.writes[number], batch.table) if 0 <= number < len(batch.writes) else batch.name
        return self._failed(f"a row could not be written: {row}", error)

    def _failed(self, what: str, error: psycopg.Error) -> TargetError:
        about = [error.diag.table_name, error.diag.constraint_name]
        told = " ".join(filter(None, about))
        where = f"{self._conninfo.url} {told}".strip()
        state = error.sqlstate or ""
        return TargetError(
            what, where=where, why=scrubbed(reason(error), self._conninfo),
            hint=_HINTS.get(state, "nothing was changed"), retryable=state[:2] in ("08", "40", "55", "57"),
        )

