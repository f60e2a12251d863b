"""Fresh numbers for columns, and sequences that never give a number that is taken."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from holdfast.model.errors import TargetError
from holdfast.model.records import Row, Value
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.names import literal, quote
from holdfast.sources.postgres.records.live_catalog import LiveTable

_FEW = 1000
_ROUNDS = 24
_LARGEST = 100_000
_WHOLE = re.compile(r"-?\d+")


class Numbering:
    """Within the session's open transaction; what sequences gave stays given even if it is rolled back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._given: dict[tuple[str, str], int] = {}
        self._written: dict[tuple[str, str], tuple[int, int]] = {}

    def fresh(self, table: LiveTable, column: str, sequence: str | None, count: int) -> list[Value]:
        """``count`` numbers that no row of the table has."""
        if sequence is None:
            return self._above(table, column, count)
        given: list[int] = []
        asked = count
        for _ in range(_ROUNDS):
            drawn = self._draw(sequence, asked)
            taken = self._taken(table, column, drawn)
            given += [number for number in drawn if number not in taken]
            if len(given) >= count:
                return [str(number) for number in given[:count]]
            asked = min(2 * asked, _LARGEST)  # rows that no sequence numbered lie in the way
        raise TargetError(
            f"the sequence {sequence} gives only numbers that are taken", where=f"{table.sql}.{column}",
            hint="move it with setval past those",
        )  # fmt: skip

    def wrote(self, table: LiveTable, columns: Collection[str], rows: Iterable[Row]) -> None:
        """Remember what was written to numbered columns: past that, and nothing else, sequences are moved."""
        numbered = [column for column in table.structure.sequences if column in columns]
        for row in rows if numbered else ():
            for column in numbered:
                value = str(row.values.get(column))
                if _WHOLE.fullmatch(value):
                    low, high = self._written.get((table.sql, column), (int(value), int(value)))
                    self._written[table.sql, column] = (min(low, int(value)), max(high, int(value)))

    def advance(self, table: LiveTable, column: str, sequence: str) -> None:
        """Move a sequence past every number that was written here; never back, and never to its very end."""
        if (table.sql, column) not in self._written:
            return
        name = literal(sequence)
        (step, last, called, lowest, highest) = self._one(
            f"SELECT s.seqincrement, q.last_value, q.is_called, s.seqmin, s.seqmax FROM pg_sequence s, {sequence} q "
            f"WHERE s.seqrelid = {name}::regclass"
        )
        reached = self._written[table.sql, column][1 if step > 0 else 0]
        if (reached - last) * step < 0 or (reached == last and called) or not lowest < reached < highest:
            return
        far = abs(reached - last)
        behind = -(-far // abs(step)) if called else far // abs(step) + 1
        if behind <= _FEW:  # drawing cannot undo what others draw meanwhile
            self._draw(sequence, behind)
        else:
            further = "greatest" if step > 0 else "least"
            self._one(f"SELECT setval({name}::regclass, {further}({reached}, q.last_value)) FROM {sequence} q")

    def _above(self, table: LiveTable, column: str, count: int) -> list[Value]:
        """For columns that nothing numbers: after the highest there is."""
        (highest,) = self._one(f"SELECT coalesce(max({quote(column)}), 0)::int8 FROM {table.sql}")
        first = max(highest, self._given.get((table.sql, column), 0)) + 1
        self._given[table.sql, column] = first + count - 1
        return [str(number) for number in range(first, first + count)]

    def _draw(self, sequence: str, count: int) -> list[int]:
        drawn = f"SELECT nextval({literal(sequence)}::regclass) FROM generate_series(1, {count})"
        return [row[0] for row in self._connection.execute(drawn.encode(self._connection.info.encoding))]

    def _taken(self, table: LiveTable, column: str, numbers: list[int]) -> set[int]:
        listed = ", ".join(map(str, numbers))
        asked = f"SELECT {quote(column)}::int8 FROM {table.sql} WHERE {quote(column)} IN ({listed})"
        return {row[0] for row in self._connection.execute(asked.encode(self._connection.info.encoding))}

    def _one(self, query: str) -> tuple[int, ...]:
        row = self._connection.execute(query.encode(self._connection.info.encoding)).fetchone()
        return tuple(row) if row else ()
