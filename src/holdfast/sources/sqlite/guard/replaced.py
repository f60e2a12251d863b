"""Rows that REPLACE puts others in place of: no delete trigger sees them, so they are looked for before it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.sources.sqlite.names import quoted
from holdfast.sources.sqlite.records.schema import Shape

Ask = Callable[[str], Iterable[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class _Unique:
    """Columns no two rows share, and how each is compared."""

    columns: tuple[str, ...]
    collations: tuple[str, ...]

    def meets(self) -> str:
        """The condition under which a row stands where the new one goes."""
        pairs = [(quoted(name), quoted(how)) for name, how in zip(self.columns, self.collations, strict=True)]
        return " AND ".join(f"standing.{name} = NEW.{name} COLLATE {how}" for name, how in pairs)


def noting(ask: Ask, shape: Shape, place: str, told: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(event, the statement that notes what stands there); ``told`` are the values to note, of the row ``standing``.

    Too many may be noted: a conflict that is resolved otherwise leaves its row. Indexes over expressions are not
    looked at.
    """
    name = quoted(shape.table.name)
    unique = list(_unique(ask, shape))
    meets = [f"({each.meets()})" for each in unique]
    by_number = [f"standing.{shape.rowid} = NEW.{shape.rowid}"] if shape.rowid else []
    if not meets and not by_number:
        return
    into = f"INSERT INTO {place} SELECT {', '.join(told)} FROM main.{name} AS standing WHERE"
    yield f"INSERT ON main.{name}", f"{into} {' OR '.join([*by_number, *meets])}"
    columns = list(dict.fromkeys(column for each in unique for column in each.columns))
    if columns:
        own = f"standing.{shape.rowid} <> OLD.{shape.rowid}" if shape.rowid else _another(shape.table.key)
        changed = ", ".join(map(quoted, columns))
        yield f"UPDATE OF {changed} ON main.{name}", f"{into} ({' OR '.join(meets)}) AND {own}"


def _another(key: Sequence[str]) -> str:
    return f"NOT ({' AND '.join(f'standing.{quoted(column)} IS OLD.{quoted(column)}' for column in key)})"


def _unique(ask: Ask, shape: Shape) -> Iterator[_Unique]:
    if shape.alias:
        yield _Unique((shape.alias,), ("BINARY",))
    for _, index, is_unique, *_ in sorted(ask(f"PRAGMA main.index_list({quoted(shape.table.name)})")):
        rows = [row for row in sorted(ask(f"PRAGMA main.index_xinfo({quoted(index)})")) if row[5]] if is_unique else []
        if rows and all(row[2] is not None for row in rows):
            yield _Unique(tuple(row[2] for row in rows), tuple(row[4] for row in rows))
