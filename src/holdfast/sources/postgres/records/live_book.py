"""The living database at one consistent point: rows as COPY writes them, found by the indexes of the server."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any

import psycopg

from holdfast.model.errors import MissingTool, UsageError
from holdfast.model.records import Key, Reference, Row, Table, Value
from holdfast.model.snapshot import Notes
from holdfast.sources.postgres.connection import Connection, connect
from holdfast.sources.postgres.conninfo import Conninfo
from holdfast.sources.postgres.facts import read_facts
from holdfast.sources.postgres.names import literal
from holdfast.sources.postgres.records.live_asking import Asking
from holdfast.sources.postgres.records.live_catalog import LiveCatalog, LiveTable, read_catalog
from holdfast.sources.postgres.records.live_sql import select
from holdfast.sources.postgres.records.live_transaction import PostgresTransaction
from holdfast.sources.postgres.records.paths import path_of
from holdfast.sources.postgres.records.retyping import retyped
from holdfast.sources.postgres.records.snapshot_book import SnapshotBook
from holdfast.sources.postgres.records.standing import History
from holdfast.sources.postgres.records.tables import fingerprint_of
from holdfast.sources.postgres.records.telling import told_row
from holdfast.sources.postgres.records.text import unescaped
from holdfast.sources.postgres.records.tracing import Tracer
from holdfast.sources.postgres.refusals import translating
from holdfast.sources.records import Book, Lines, LiveTransaction, Retyped
from holdfast.sources.tracing import Trace

_BLOCK = 256 << 10
_COUNTED = 8 << 20
_SIZE = (
    b"SELECT pg_catalog.pg_relation_size(c.oid) + COALESCE((SELECT sum(pg_catalog.pg_relation_size(p.relid))"
    b" FROM pg_catalog.pg_partition_tree(c.oid) p), 0) FROM pg_catalog.pg_class c WHERE c.oid = %s"
)
_NOTHING: Mapping[str, str] = MappingProxyType({})
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresLiveBook:
    """sources.records.LiveBook. What is read after a transaction is the state then.

    Row security hides nothing: where it applies to this role, reading is an error.
    """

    def __init__(self, conninfo: Conninfo, environ: Mapping[str, str] = _NOTHING) -> None:
        """``environ``: what children may need from the environment."""
        self._environ = environ
        self._connection: Connection = connect(conninfo)
        try:
            self._conninfo = conninfo.settled(self._connection)
            with translating(self._conninfo, doing="the catalogs could not be read"):
                self._begin()
        except BaseException:
            self._connection.close()
            raise

    def _begin(self) -> None:
        """Hold a new state."""
        self._connection.execute(_BEGIN)
        row = self._connection.execute("SELECT pg_export_snapshot()").fetchone()
        self._snapshot = str(row[0]) if row else ""
        self._catalog: LiveCatalog = read_catalog(self._connection)
        self._asking = Asking(self._connection, self._conninfo)
        self._history: History | None = None

    @property
    def conninfo(self) -> Conninfo:
        """Where it is."""
        return self._conninfo

    @property
    def connection(self) -> Connection:
        """The session that holds the state; for reading only."""
        return self._connection

    @property
    def snapshot(self) -> str:
        """The state's name for other sessions."""
        return self._snapshot

    @property
    def roots(self) -> Mapping[str, str]:
        """The partitioned table at the top of each partition."""
        return self._catalog.roots

    @property
    def labels(self) -> Mapping[str, str]:
        """What the server calls each table."""
        return self._catalog.labels

    def facts(self) -> Notes:
        """What the server says about itself, as snapshots keep it."""
        with translating(self._conninfo, doing="the server's facts could not be read"):
            return read_facts(self._connection).notes()

    @property
    def tables(self) -> Mapping[str, Table]:
        """See Book. A partitioned table is one beside its partitions."""
        return self._catalog.tables

    @property
    def references(self) -> Sequence[Reference]:
        """See Book."""
        return self._catalog.references

    def rows(self, table: Table) -> Iterator[Row]:
        """See Book; over a connection of its own, so that others may be asked meanwhile."""
        living = self._living(table)
        for block in self._read(table, living):
            yield from living.form.rows(block)

    def retyped(self, was: Table, now: Table, rows: Sequence[Row]) -> Retyped:
        """See Retyping."""
        return retyped(self._connection, was, now, rows)

    def lines(self, table: Table) -> Lines | None:
        """See Textual."""
        living = self._living(table)
        form = living.form
        return Lines(meaning=(form.names, form.codec), blocks=self._read(table, living), decoded=form.rows)

    def trace(self, table: Table, snapshot: Book) -> Trace | None:
        """See Tracing: by transaction numbers, where the history since then is provably unbroken."""
        if not isinstance(snapshot, SnapshotBook):
            return None
        with translating(self._conninfo, doing=f"what became of the rows of {table.name} could not be read"):
            if self._history is None:
                self._history = History(self._connection)
            if not self._history.goes_on_from(snapshot.notes):
                return None
            parts = snapshot.parts(table.name)
            standing = self._history.standing(self._living(table).oid, parts)
        if not standing:
            return None
        try:
            tracer = Tracer(self._conninfo, self._snapshot, self._environ, self._history)
        except MissingTool:  # nothing else in looking at rows needs one
            return None
        return tracer.trace(standing, snapshot.content, int(snapshot.notes["xmin"]), table.key)

    def _read(self, table: Table, living: LiveTable) -> Generator[bytes, None, None]:
        """All rows as COPY writes them, in blocks of whole lines."""
        connection = connect(self._conninfo)
        try:
            with translating(self._conninfo, doing=f"the rows of {table.name} could not be read"):
                connection.execute(_BEGIN)
                connection.execute(f"SET TRANSACTION SNAPSHOT {literal(self._snapshot)}".encode())
            yield from self._blocks(connection, table, living)
        finally:
            connection.close()

    def find(self, table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
        """See Book."""
        return self._asking.find(self._living(table), columns, wanted)

    def parse(self, table: Table, column: str, text: str) -> Value:
        """See Book: the server reads it."""
        living = self._living(table)
        known = living.columns.get(column)
        if known is None:
            if path_of(column, living.columns) is None:
                raise UsageError(f"{table.name} has no column {column}", hint="columns: " + ", ".join(living.columns))
            return text
        try:
            with self._connection.transaction():
                data = self._asking.copied(f"COPY (SELECT {literal(text)}::{known.type}) TO STDOUT")
        except psycopg.Error as error:
            raise UsageError(
                f"'{text}' is no value of {table.name}.{column}",
                why=f"the column is of type {known.type}: {error.diag.message_primary or ''}",
            ) from error
        return unescaped(data.decode(living.form.codec)[:-1])

    def plain(self, value: Value) -> Any:
        """See Book: text stays text."""
        return value

    def about(self, table: Table) -> tuple[int, bool]:
        """See Estimating: what the planner expects, for tables of more than some megabytes."""
        living = self._living(table)
        with translating(self._conninfo, doing=f"the size of {table.name} could not be read"):
            codec = living.form.codec
            row = self._connection.execute(_SIZE, [living.oid]).fetchone()
            if row is not None and int(row[0]) <= _COUNTED:
                counted = self._connection.execute(f"SELECT count(*) FROM {living.rows}".encode(codec)).fetchone()
                return (int(counted[0]) if counted else 0), True
            plan = self._connection.execute(f"EXPLAIN (FORMAT JSON) SELECT FROM {living.rows}".encode(codec)).fetchone()
        return (int(plan[0][0]["Plan"]["Plan Rows"]) if plan else 0), False

    def told(self, table: Table, row: Row, *, exact: bool = False) -> dict[str, Any]:
        """See Telling."""
        return told_row(table, row, exact=exact)

    def fingerprint(self, table: Table) -> str:
        """See Book."""
        return fingerprint_of(table)

    @contextmanager
    def transaction(self) -> Iterator[LiveTransaction]:
        """See LiveBook: READ COMMITTED, over a connection of its own."""
        try:
            with PostgresTransaction(self._conninfo, self._catalog) as transaction:
                yield transaction
        finally:
            # what becomes of reading must not hide how the transaction ended
            with suppress(psycopg.Error):
                self._connection.execute("ROLLBACK")
                self._begin()

    def close(self) -> None:
        """See LiveBook."""
        self._connection.close()

    def _living(self, table: Table) -> LiveTable:
        living = self._catalog.living.get(table.name)
        if living is None:
            raise UsageError(f"there is no table {table.name}", where=self._conninfo.url)
        return living

    def _blocks(self, connection: Connection, table: Table, living: LiveTable) -> Iterator[bytes]:
        parts: list[bytes] = []
        size = 0
        doing = f"the rows of {table.name} could not be read"
        asked = select(living).encode(living.form.codec)
        with translating(self._conninfo, doing=doing), connection.cursor() as cursor, cursor.copy(asked) as rows:
            for row in rows:
                parts.append(bytes(row))
                size += len(row)
                if size >= _BLOCK:
                    yield b"".join(parts)
                    parts, size = [], 0
        yield b"".join(parts)
