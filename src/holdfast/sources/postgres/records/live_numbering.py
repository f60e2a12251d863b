"""Fresh numbers for columns, and sequences that never give a number that is taken."""

from __future__ import annotations

from holdfast.model.records import Value
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.names import literal, quote
from holdfast.sources.postgres.records.live_catalog import LiveTable

_FEW = 1000


class Numbering:
    """Within the session's open transaction; what sequences gave stays given even if it is rolled back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._given: dict[tuple[str, str], int] = {}

    def fresh(self, table: LiveTable, column: str, sequence: str | None, count: int) -> list[Value]:
        """``count`` numbers that no row of the table has."""
        if sequence is None:
            return self._above(table, column, count)
        given = self._draw(sequence, count)
        if self._taken(table, column, given):
            self.advance(table, column, sequence)
            given = self._draw(sequence, count)
        return [str(number) for number in given]

    def advance(self, table: LiveTable, column: str, sequence: str) -> None:
        """Move a sequence past every number in its column; never back."""
        name = literal(sequence)
        (step, last, called) = self._one(
            f"SELECT s.seqincrement, q.last_value, q.is_called FROM pg_sequence s, {sequence} q "
            f"WHERE s.seqrelid = {name}::regclass"
        )
        extreme = "max" if step > 0 else "min"
        (reached,) = self._one(f"SELECT {extreme}({quote(column)})::int8 FROM {table.sql}")
        if reached is None or (reached - last) * step < 0 or (reached == last and called):
            return
        behind = abs(reached - last) // abs(step) + 1
        if behind <= _FEW:  # drawing cannot undo what others draw meanwhile
            self._draw(sequence, behind)
        else:
            self._one(f"SELECT setval({name}::regclass, {reached})")

    def _above(self, table: LiveTable, column: str, count: int) -> list[Value]:
        """For columns that nothing numbers: after the highest there is."""
        (highest,) = self._one(f"SELECT coalesce(max({quote(column)}), 0)::int8 FROM {table.sql}")
        first = max(highest, self._given.get((table.sql, column), 0)) + 1
        self._given[table.sql, column] = first + count - 1
        return [str(number) for number in range(first, first + count)]

    def _draw(self, sequence: str, count: int) -> list[int]:
        drawn = f"SELECT nextval({literal(sequence)}::regclass) FROM generate_series(1, {count})"
        return [row[0] for row in self._connection.execute(drawn.encode(self._connection.info.encoding))]

    def _taken(self, table: LiveTable, column: str, numbers: list[int]) -> bool:
        listed = ", ".join(map(str, numbers))
        (taken,) = self._one(f"SELECT EXISTS (SELECT FROM {table.sql} WHERE {quote(column)} IN ({listed}))")
        return bool(taken)

    def _one(self, query: str) -> tuple[int, ...]:
        row = self._connection.execute(query.encode(self._connection.info.encoding)).fetchone()
        return tuple(row) if row else ()
