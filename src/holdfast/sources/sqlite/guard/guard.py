"""The guard of one SQLite database: put up, asked, emptied into shipments, taken down."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from holdfast.model.errors import SourceError, TargetError, UsageError
from holdfast.sources.guarding import SHIPMENT_BYTES, GuardState, Waiting, Watched
from holdfast.sources.sqlite.guard import sql
from holdfast.sources.sqlite.names import printable, quoted, uri
from holdfast.sources.sqlite.records.schema import Schema, Shape, read_schema

BLIND = (
    "rows that REPLACE puts others in place of, unless that connection has PRAGMA recursive_triggers = ON",
    "rows of virtual tables (FTS, R-tree): they take no triggers",
    "connections that switched triggers off (SQLITE_DBCONFIG_ENABLE_TRIGGER), and DROP TABLE",
    "a database file that is replaced, or changed by anything but SQLite",
    "updates: what a row was before is in the snapshots only",
)
_TRANSACTIONS = 300
_CLAIM = f"""
UPDATE main.{sql.TABLE} SET shipment = ? WHERE id IN (
  SELECT id FROM (
    SELECT id, dense_rank() OVER (ORDER BY transaction_id) AS place,
      sum(size) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - size AS before FROM (
      SELECT id, transaction_id, {{size}} AS size FROM main.{sql.TABLE} WHERE shipment IS NULL ORDER BY id LIMIT ?))
  WHERE place <= {_TRANSACTIONS} AND before < {SHIPMENT_BYTES})
"""


class SqliteGuard:
    """See sources.guarding.Guard."""

    def __init__(self, connection: sqlite3.Connection, path: bytes) -> None:
        self._connection = connection
        self._where = printable(path)

    def plan(self, tables: Sequence[str], entity: str = "") -> list[str]:
        """See Guard."""
        schema = self._schema()
        shapes = [self._shape(schema, name) for name in tables]
        there = schema.shapes.get(sql.TABLE)
        width = max((len(shape.written) for shape in shapes), default=0)
        statements = sql.creation(width, len(there.table.columns) if there else 0)
        old = {each.table: each for each in self._standing()}
        for shape in shapes:
            if (known := old.get(shape.table.name)) is not None:
                if known.sql == sql.trigger(shape):
                    continue
                statements.append(_drop(known))
            statements.append(sql.trigger(shape))
        return [*statements, *(sql.remembered(entity, tables) if entity else ())]

    def rights(self) -> list[str]:
        """See Guard."""
        return ["to write the database file"]

    def install(self, tables: Sequence[str], entity: str = "") -> list[str]:
        """See Guard."""
        with self._writing("The guard could not be put up"):
            statements = self.plan(tables, entity)
            self._run(statements)
        return statements

    def remove(
        self, tables: Sequence[str] | None = None, *, keep: Sequence[str] = (), entity: str = ""
    ) -> list[str]:
        """See Guard."""
        with self._writing("The guard could not be taken down"):
            gone = None if tables is None else set(tables) - set(keep)
            statements = [_drop(each) for each in self._standing() if gone is None or each.table in gone]
            if self._remembers() and (entity or tables is None):
                statements.append(sql.forgotten(entity) if tables is not None else f"DROP TABLE main.{sql.ENTITIES}")
            if tables is None and self._installed():
                if waiting := self._waiting().rows:
                    raise TargetError(
                        f"{waiting:,} deleted rows wait to be shipped", where=self._where,
                        why="they would be lost with the guard", hint="holdfast guard ship, then remove again",
                    )  # fmt: skip
                statements.append(f"DROP TABLE main.{sql.TABLE}")
            self._run(statements)
        return statements

    def state(self) -> GuardState:
        """See Guard."""
        schema = self._schema()
        installed = sql.TABLE in schema.shapes
        return GuardState(
            installed=installed, blind=BLIND, waiting=self._waiting() if installed else Waiting(rows=0),
            watched=tuple(Watched(table=each.table, gaps=_gaps(each, schema)) for each in self._standing()),
        )  # fmt: skip

    def entities(self) -> Mapping[str, tuple[str, ...]] | None:
        """See Guard."""
        if not self._remembers():
            return None
        rows = self._asked(f"SELECT name, tables FROM main.{sql.ENTITIES} ORDER BY name")
        return {name: tuple(json.loads(tables)) for name, tables in rows}

    def lacking(self, tables: Sequence[str]) -> list[Watched]:
        """See Guard."""
        there, shapes = {each.table for each in self._standing()}, self._schema().shapes
        return [
            Watched(
                table=name, guarded=False,
                gaps=("not guarded: deletes from it are not kept" if name in shapes else "the table is gone",),
            )
            for name in tables if name not in there
        ]  # fmt: skip

    def gather(self) -> None:
        """See Guard: the triggers did."""

    def claim(self, limit: int) -> str | None:
        """See Guard."""
        shipment = uuid.uuid4().hex
        with self._writing("The guard's table cannot be used"):
            claim = _CLAIM.format(size=sql.size(self._width()))
            return shipment if self._asked(claim, shipment, limit).rowcount else None

    def claimed(self) -> list[str]:
        """See Guard."""
        rows = self._asked(f"SELECT DISTINCT shipment FROM main.{sql.TABLE} WHERE shipment IS NOT NULL ORDER BY 1")
        return [row[0] for row in rows]

    def settle(self, shipment: str) -> int:
        """See Guard."""
        with self._writing("The guard's table cannot be used"):
            return self._asked(f"DELETE FROM main.{sql.TABLE} WHERE shipment = ?", shipment).rowcount

    def _schema(self) -> Schema:
        def ask(statement: str) -> Iterable[tuple[Any, ...]]:
            return self._connection.execute(statement).fetchall()

        return read_schema(ask)

    def _shape(self, schema: Schema, name: str) -> Shape:
        shape = schema.shapes.get(name)
        if shape is None or name in (sql.TABLE, sql.ENTITIES):
            raise UsageError(f"there is no table {name} to guard", where=self._where)
        if shape.virtual:
            raise UsageError(f"{name} is a virtual table: it takes no triggers", where=self._where)
        return shape

    def _standing(self) -> list[sql.Standing]:
        return [sql.Standing(*row) for row in self._connection.execute(sql.standing())]

    def _installed(self) -> bool:
        return sql.TABLE in self._schema().shapes

    def _remembers(self) -> bool:
        return sql.ENTITIES in self._schema().shapes

    def _width(self) -> int:
        return len(self._asked(f"PRAGMA main.table_info({sql.TABLE})").fetchall())

    def _waiting(self) -> Waiting:
        row = self._asked(f"SELECT count(*), min(at) FROM main.{sql.TABLE}").fetchone()
        return Waiting(rows=row[0], oldest=row[1])

    def _run(self, statements: Iterable[str]) -> None:
        for statement in statements:
            self._connection.execute(statement)

    def _asked(self, statement: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                raise TargetError(
                    "there is no guard in this database", where=self._where, hint="holdfast guard install ENTITY"
                ) from error
            raise

    @contextlib.contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """One transaction."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            busy = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
            hint = "Let the program that writes finish its transaction, then try again" if busy else ""
            raise TargetError(what, where=self._where, why=str(error), hint=hint, retryable=busy) from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


@contextlib.contextmanager
def opened(path: bytes, wait: float) -> Iterator[SqliteGuard]:
    """The guard of the database at ``path``. SourceError when it cannot be opened."""
    if not os.path.isfile(path):
        raise SourceError(
            "The database file does not exist", where=printable(path), hint="Correct the path of this source"
        )
    try:
        connection = sqlite3.connect(uri(path, "rw"), uri=True, timeout=wait, isolation_level=None)
    except sqlite3.Error as error:
        raise SourceError("The database cannot be opened", where=printable(path), why=str(error)) from error
    with contextlib.closing(connection):
        yield SqliteGuard(connection, path)


def _gaps(each: sql.Standing, schema: Schema) -> tuple[str, ...]:
    shape = schema.shapes.get(each.table)
    if shape is None:
        return ("the table cannot be looked at here",)
    gaps = []
    if each.sql != sql.trigger(shape):
        gaps.append("its columns or its name changed since: guard install again")
    if " REPLACE" in shape.sql.upper().replace("\n", " ") and "CONFLICT" in shape.sql.upper():
        gaps.append("a constraint of it says ON CONFLICT REPLACE: what that replaces is not seen")
    return tuple(gaps)


def _drop(each: sql.Standing) -> str:
    return f"DROP TRIGGER main.{quoted(each.name)}"
