"""What every book of SQLite can do, whoever runs its statements."""

from __future__ import annotations

import abc
import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from holdfast.model.errors import SourceError
from holdfast.model.records import Key, Reference, Row, Table, Value
from holdfast.sources.records import Judged, Typed
from holdfast.sources.sqlite.records import values
from holdfast.sources.sqlite.records.asking import Statement, conditions, select
from holdfast.sources.sqlite.records.following import compared_otherwise, following
from holdfast.sources.sqlite.records.judging import judged
from holdfast.sources.sqlite.records.schema import Schema, Shape, Unreadable, fingerprint


class SqliteBook(abc.ABC):
    """Book (sources.records) over one connection."""

    def __init__(self, schema: Schema, encoding: str) -> None:
        self.schema = schema
        self.encoding = encoding
        self._tables = {name: shape.table for name, shape in schema.shapes.items()}

    @abc.abstractmethod
    def run(self, statement: Statement) -> Iterator[tuple[Any, ...]]:
        """Rows of a statement. Unreadable, or the error this book's people understand."""

    @property
    def tables(self) -> Mapping[str, Table]:
        """See sources.records.Book."""
        return self._tables

    @property
    def references(self) -> Sequence[Reference]:
        """See sources.records.Book."""
        return self.schema.references

    def shape(self, table: Table) -> Shape:
        """What is known of a table; KeyError for one of another database."""
        return self.schema.shapes[table.name]

    def rows(self, table: Table) -> Iterator[Row]:
        """See sources.records.Book: in the order of the table itself."""
        shape = self.shape(table)
        names = shape.names
        try:
            for each in self._lossless(shape, names, Statement(""), whole=True):
                yield Row(dict(zip(names, each[1:], strict=True)))
        except Unreadable as error:
            raise _needs_application(table, error) from error

    def find(self, table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
        """See sources.records.Book: SQLite's own indexes where there are some, else one scan."""
        shape = self.shape(table)
        found = self._find(shape, columns, wanted, plain=False)
        try:
            first = next(found, None)
        except Unreadable:
            found = self._find(shape, columns, wanted, plain=True)
            try:
                first = next(found, None)
            except Unreadable as error:
                raise _needs_application(table, error) from error
        if first is not None:
            yield first
            yield from found

    def parse(self, table: Table, column: str, text: str) -> Value:
        """See sources.records.Book."""
        return values.parse(self.shape(table), column, text)

    def plain(self, value: Value) -> Any:
        """See sources.records.Book."""
        return values.plain(value)

    def told(self, table: Table, row: Row, *, exact: bool = False) -> dict[str, Any]:
        """See sources.records.Telling: values have their own types here, and are always exact."""
        del table, exact
        return {name: values.told(value) for name, value in row.values.items()}

    def judged(self, table: Table, name: str, typed: Typed, *, ordered: bool) -> Judged | None:
        """See sources.records.Judging."""
        return judged(self.shape(table), name, typed, ordered=ordered)

    def elements(self, table: Table, name: str) -> None:
        """See sources.records.Judging: arrays are JSON here."""
        del table, name

    def fingerprint(self, table: Table) -> str:
        """See sources.records.Book."""
        return fingerprint(self.shape(table))

    def _find(self, shape: Shape, columns: tuple[str, ...], wanted: Collection[Key], *, plain: bool) -> Iterator[Row]:
        names = shape.names
        earlier: set[Any] = set()
        statements = list(conditions(shape, columns, wanted, plain=plain))
        if not plain:
            statements += self._as_named(shape, columns, wanted)
        for statement in statements:
            found_now: set[Any] = set()
            for identity, *found in self._lossless(shape, names, statement):
                if len(statements) > 1:
                    each = identity if shape.rowid else tuple(found)  # equal rows are found by the same statement
                    if each in earlier:
                        continue
                    found_now.add(each)
                yield Row(dict(zip(names, found, strict=True)))
            earlier |= found_now

    def _as_named(self, shape: Shape, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Statement]:
        """By a reference, whose values SQLite compares as those of the columns it leads to compare."""
        for reference in self._otherwise.get((shape.table.name, columns), ()):
            for statement in conditions(self.schema.shapes[reference.to], reference.to_columns, wanted, plain=False):
                yield following(shape, reference, statement)

    @functools.cached_property
    def _otherwise(self) -> Mapping[tuple[str, tuple[str, ...]], Sequence[Reference]]:
        return compared_otherwise(self.schema, lambda sql: self.run(Statement(sql)))

    def _lossless(
        self, shape: Shape, names: tuple[str, ...], where: Statement, *, whole: bool = False
    ) -> Iterator[tuple[Any, ...]]:
        """(rowid, values …); rows whose text is not valid are read once more, with its bytes kept."""
        first = f"t.{shape.rowid}" if shape.rowid and not whole else "NULL"
        done = 0
        try:
            for row in self.run(Statement(select(shape, names, where.sql, first=first, whole=whole), where.values)):
                yield row
                done += 1
        except UnicodeDecodeError:
            for number, row in enumerate(self._in_bytes(shape, names, where, first=first, whole=whole)):
                if number >= done:
                    yield row

    def _in_bytes(
        self, shape: Shape, names: tuple[str, ...], where: Statement, *, first: str, whole: bool
    ) -> Iterator[tuple[Any, ...]]:
        count = len(names)
        kinds = [f"typeof(t.{_q(name)})" for name in names]
        texts = [f"CASE typeof(t.{_q(n)}) WHEN 'text' THEN CAST(t.{_q(n)} AS BLOB) ELSE t.{_q(n)} END" for n in names]
        sql = select(shape, (), where.sql, first=", ".join([first, *kinds, *texts]), whole=whole)
        for identity, *both in self.run(Statement(sql, where.values)):
            told = zip(both[:count], both[count:], strict=True)
            yield (identity, *(self._text(value) if kind == "text" else value for kind, value in told))

    def _text(self, raw: bytes) -> str:
        if self.encoding == "UTF-8":
            return raw.decode("utf-8", "surrogateescape")
        try:
            return raw.decode(self.encoding.lower(), "surrogatepass")
        except UnicodeDecodeError:
            return raw.decode(self.encoding.lower(), "replace")


def _needs_application(table: Table, error: Unreadable) -> SourceError:
    return SourceError(
        f"table {table.name} cannot be looked at here",
        where=table.name,
        why=error.why,
        hint="it needs code that only the application has",
    )


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
