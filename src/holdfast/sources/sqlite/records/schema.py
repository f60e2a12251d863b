"""What tables a database has, their columns, keys and references, as SQLite itself tells it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.model.errors import SourceError
from holdfast.model.records import Column, Reference, Table
from holdfast.sources.sqlite.names import quoted

Ask = Callable[[str], Iterable[tuple[Any, ...]]]
"""Runs one statement of ours and gives its rows; raises ``Unreadable`` for what this database cannot answer."""

_ROWID_NAMES = ("rowid", "_rowid_", "oid")
_AUTOINCREMENT = re.compile(r"\bautoincrement\b", re.IGNORECASE)
_ACTIONS = {"NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"}


class Unreadable(SourceError):
    """SQLite lacks a module, function or collation that only the application has; ``why`` is its word for it."""

    def __init__(self, why: str) -> None:
        hint = "only the application has what this needs"
        super().__init__("the database cannot be looked at here", why=why, hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A table and what only SQLite's own statements need of it.

    ``rowid``: a name for the row's number that no column hides, or "" where there is none. ``alias``: the column that
    is that number. ``computed``: whether what the database computes can be read here, without the application's code.
    """

    table: Table
    rowid: str = ""
    alias: str = ""
    virtual: bool = False
    strict: bool = False
    sql: str = ""
    computed: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """All columns that can be read."""
        return tuple(column.name for column in self.table.columns if self.computed or not column.generated)

    @property
    def written(self) -> tuple[str, ...]:
        """All columns that can be written."""
        return tuple(column.name for column in self.table.columns if not column.generated)


@dataclass(slots=True, kw_only=True)
class Schema:
    """``unreadable``: table -> why its rows cannot be had."""

    shapes: dict[str, Shape] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)


def read_schema(ask: Ask, counts: Mapping[str, int | None] | None = None) -> Schema:
    """Tables of the main database, without SQLite's own and those that virtual tables keep for themselves."""
    schema = Schema()
    sql = {name: text or "" for name, text in ask("SELECT name, sql FROM main.sqlite_schema WHERE type = 'table'")}
    for _, name, kind, _, without_rowid, strict in sorted(ask("PRAGMA main.table_list")):
        if kind not in ("table", "virtual") or name.lower().startswith("sqlite_"):
            continue
        try:
            schema.shapes[name] = _shape(
                ask, name, sql.get(name, ""), virtual=kind == "virtual", rowid=not without_rowid, strict=bool(strict),
                rows=(counts or {}).get(name),
            )  # fmt: skip
        except Unreadable as error:
            schema.unreadable[name] = error.why
    folded = {name.lower(): shape for name, shape in schema.shapes.items()}
    for name, shape in schema.shapes.items():
        if not shape.virtual:
            schema.references += _references(ask, name, folded)
    return schema


def fingerprint(shape: Shape) -> str:
    """Equal for tables whose rows are read and written alike."""
    told = [(each.name, each.type.upper(), each.nullable, each.generated) for each in shape.table.columns]
    return hashlib.sha256(repr((told, shape.table.key, shape.strict, bool(shape.rowid))).encode()).hexdigest()


def _shape(ask: Ask, name: str, sql: str, *, virtual: bool, rowid: bool, strict: bool, rows: int | None) -> Shape:
    told = list(ask(f"PRAGMA main.table_xinfo({quoted(name)})"))
    primary = tuple(each[1] for each in sorted((row for row in told if row[5]), key=lambda row: row[5]))
    unique, own_index = _unique(ask, name)
    alias = primary[0] if rowid and not virtual and len(primary) == 1 and not own_index else ""
    hidden = {each[1].lower() for each in told}
    columns = tuple(
        Column(
            name=each[1],
            type=each[2] or "",
            nullable=not each[3] and each[1] != alias and not (each[5] and not rowid),
            generated=each[6] in (2, 3),
            default=each[4] or "",
        )
        for each in told
        if each[6] != 1
    )
    required = {column.name for column in columns if not column.nullable}
    key = primary or next((each for each in unique if required.issuperset(each)), ())
    numbered = "autoincrement" if _AUTOINCREMENT.search(sql) else "rowid"
    table = Table(
        name=name,
        columns=columns,
        key=key,
        unique=tuple(each for each in unique if each != key),
        rows=rows,
        sequences={alias: numbered} if alias else {},
    )
    free = next((each for each in _ROWID_NAMES if each not in hidden), "") if rowid else ""
    return Shape(
        table=table, rowid=free or (quoted(alias) if alias else ""), alias=alias, virtual=virtual, strict=strict,
        sql=sql, computed=_computes(ask, table),
    )  # fmt: skip


def _computes(ask: Ask, table: Table) -> bool:
    """Whether all columns can be read; Unreadable when not even those can that are stored."""
    place = f"FROM main.{quoted(table.name)} LIMIT 0"
    try:
        list(ask(f"SELECT * {place}"))
    except Unreadable:
        stored = [quoted(column.name) for column in table.columns if not column.generated]
        if len(stored) == len(table.columns):
            raise
        list(ask(f"SELECT {', '.join(stored)} {place}"))
        return False
    return True


def _unique(ask: Ask, name: str) -> tuple[list[tuple[str, ...]], bool]:
    """(unique keys, whether the primary key has an index of its own)."""
    unique: list[tuple[str, ...]] = []
    own = False
    for _, index, is_unique, origin, partial in sorted(ask(f"PRAGMA main.index_list({quoted(name)})")):
        own = own or origin == "pk"
        columns = [row[2] for row in sorted(ask(f"PRAGMA main.index_info({quoted(index)})"))]
        if is_unique and not partial and None not in columns and tuple(columns) not in unique:
            unique.append(tuple(columns))
    return unique, own


def _references(ask: Ask, name: str, folded: Mapping[str, Shape]) -> list[Reference]:
    shape = folded[name.lower()]
    nullable = {column.name: column.nullable for column in shape.table.columns}
    pairs: dict[int, list[tuple[Any, ...]]] = {}
    for row in sorted(ask(f"PRAGMA main.foreign_key_list({quoted(name)})"), key=lambda row: (row[0], row[1])):
        pairs.setdefault(row[0], []).append(row)
    found = []
    for rows in pairs.values():
        parent = folded.get(rows[0][2].lower())
        if parent is None:
            continue
        columns = tuple(_spelled(row[3], shape.names) for row in rows)
        to_columns = tuple(_spelled(row[4], parent.names) for row in rows if row[4]) or parent.table.key
        if len(to_columns) != len(columns):
            continue
        action = rows[0][6].upper()
        found.append(
            Reference(
                name=f"{name}({', '.join(columns)})",
                table=name,
                columns=columns,
                to=parent.table.name,
                to_columns=to_columns,
                on_delete=action.lower() if action in _ACTIONS else "no action",
                deferrable=action != "RESTRICT",
                nullable=all(nullable.get(column, True) for column in columns),
            )
        )
    return found


def _spelled(name: str, names: Sequence[str]) -> str:
    """The column's own spelling: references may be written in other letters."""
    return next((each for each in names if each.lower() == name.lower()), name)
