"""The rows of an entity's own snapshot: all of them belong to it, however their references are spelled."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from holdfast.entities.closure import Rows
from holdfast.entities.paths import keys_at
from holdfast.entities.sameish import alike
from holdfast.model.records import Key, Reference, Row, Table, Value


class SpelledAlike:
    """Rows of a small book, found by values that a database could call the same: it is not there to be asked."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @property
    def tables(self) -> Mapping[str, Table]:
        """See sources.records.Book."""
        return self._rows.tables

    @property
    def references(self) -> Sequence[Reference]:
        """See sources.records.Book."""
        return self._rows.references

    def rows(self, table: Table) -> Iterator[Row]:
        """See sources.records.Book."""
        return self._rows.rows(table)

    def find(self, table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
        """By reading all of them."""
        keys = {alike(key) for key in wanted}
        return (row for row in self._rows.rows(table) if any(alike(key) in keys for key in keys_at(row, columns)))

    def parse(self, table: Table, column: str, text: str) -> Value:
        """See sources.records.Book."""
        return self._rows.parse(table, column, text)
