"""What every book of MongoDB can do, wherever its documents come from."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Collection as AbstractCollection
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import bson

from holdfast.model.errors import AmbiguousValue
from holdfast.model.records import Key, Reference, Row, Table, Value
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb import values
from holdfast.sources.mongodb.inventory import Collection
from holdfast.sources.mongodb.records import typing_in
from holdfast.sources.mongodb.records.paths import values_at
from holdfast.sources.mongodb.records.telling import told_row

_LOOKED_AT = 200


class MongoBook(abc.ABC):
    """Book (sources.records). ``definitions``: what the collections are, by name."""

    def __init__(self, definitions: Mapping[str, Collection], counts: Mapping[str, int | None]) -> None:
        self.definitions = definitions
        self._tables = {name: _table(name, definitions.get(name), count) for name, count in counts.items()}

    @property
    def tables(self) -> Mapping[str, Table]:
        """See sources.records.Book."""
        return self._tables

    @property
    def references(self) -> Sequence[Reference]:
        """None: a MongoDB database knows of no references."""
        return ()

    @abc.abstractmethod
    def rows(self, table: Table) -> Iterator[Row]:
        """See sources.records.Book."""

    @abc.abstractmethod
    def find(self, table: Table, columns: tuple[str, ...], wanted: AbstractCollection[Key]) -> Iterator[Row]:
        """See sources.records.Book."""

    def parse(self, table: Table, column: str, text: str) -> Value:
        """See sources.records.Book: by the values that are there; extended JSON says any type.

        AmbiguousValue when several are there that are typed alike.
        """
        seen = [value for row in islice(self.rows(table), _LOOKED_AT) for value in values_at(row.values, column)]
        readings = typing_in.readings(text, None if (column,) == table.key else seen)
        if len(readings) > 1:
            apart = {values.identity(each): each for each in reversed(readings)}
            there = [
                each for each in reversed(apart.values())
                if next(self.find(table, (column,), [(each,)]), None) is not None
            ]  # fmt: skip
            if len(there) == 1:
                return values.hashable(there[0])  # type: ignore[no-any-return]
            if there:
                raise AmbiguousValue(
                    f"{text!r} is ambiguous: {' and '.join(map(typing_in.told, there))}",
                    where=f"{table.name} {column}",
                    hint="quote it: " + " or ".join(f"'{typing_in.quoted(each)}'" for each in there),
                    values=tuple(map(values.hashable, there)),
                )
        found: Value = values.hashable(typing_in.parse(text, column, seen))
        return found

    def plain(self, value: Value) -> Any:
        """See sources.records.Book."""
        return values.plain(value)

    def told(self, table: Table, row: Row, *, exact: bool = False) -> dict[str, Any]:
        """See sources.records.Telling."""
        del table
        return told_row(row, exact=exact)

    def fingerprint(self, table: Table) -> str:
        """See sources.records.Book: documents have no columns, so key, collation, validator and unique indexes."""
        definition = self.definitions.get(table.name)
        options = definition.options if definition is not None else {}
        told = {name: options.get(name) for name in ("collation", "validator", "timeseries", "clusteredIndex")}
        raw = bson.encode({**told, "key": list(table.key), "unique": [list(each) for each in table.unique]})
        return hashlib.blake2b(raw, digest_size=16).hexdigest()


def row_of(raw: bytes) -> Row:
    """A document as a row."""
    return Row(values.look(raw), raw)


def raw_of_row(row: Row) -> bytes:
    """What is written for a row: its own bytes, or its values where it has none."""
    return row.raw or bson.encode(row.values, codec_options=values.LOOKING)


def _table(name: str, definition: Collection | None, count: int | None) -> Table:
    key = () if definition is not None and definition.kind == kinds.KIND_TIMESERIES else ("_id",)
    return Table(name=name, key=key, unique=tuple(_unique(definition)), rows=count)


def _unique(definition: Collection | None) -> Iterator[tuple[str, ...]]:
    for raw in definition.indexes if definition is not None else ():
        spec = values.look(raw)
        if spec.get("unique") and "partialFilterExpression" not in spec and list(spec["key"]) != ["_id"]:
            yield tuple(spec["key"])
