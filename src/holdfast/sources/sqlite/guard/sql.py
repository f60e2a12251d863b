"""The guard as SQL: one table whose columns take any value as it is, and a trigger on each table under guard."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.model.records import Row
from holdfast.sources.guarding import Doer, Kept
from holdfast.sources.sqlite.names import quoted
from holdfast.sources.sqlite.records.schema import Shape

TABLE = "holdfast_guard_deleted"
ENTITIES = "holdfast_guard_entities"
PREFIX = "holdfast_guard_on_"

_FIXED = ("id", "transaction_id", "at", "table_name", "columns", "shipment")
_GROUP = 100
_INDEX = "holdfast_guard_shipment"
_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
# SQLite does not number its transactions: rows that follow each other this closely count as deleted together
_PAUSE = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-0.25 seconds')"
_TOGETHER = (
    f"coalesce((SELECT transaction_id FROM {TABLE} WHERE id = (SELECT max(id) FROM {TABLE})"
    f" AND at >= {_PAUSE}), {_NOW})"
)


def creation(width: int, there: int) -> list[str]:
    """The table with room for ``width`` values; it has ``there`` columns now, 0 when it is not there."""
    wanted = [f"v{number}" for number in range(1, width + 1)]
    if there:
        missing = wanted[max(0, there - len(_FIXED)) :]
        return [f"ALTER TABLE main.{TABLE} ADD COLUMN {name}" for name in missing]
    columns = ", ".join(
        ["id INTEGER PRIMARY KEY", "transaction_id TEXT NOT NULL", "at TEXT NOT NULL",
         "table_name TEXT NOT NULL", "columns TEXT NOT NULL", "shipment TEXT", *wanted]
    )  # fmt: skip
    return [
        f"CREATE TABLE main.{TABLE} ({columns})",
        f"CREATE INDEX main.{_INDEX} ON {TABLE} (shipment) WHERE shipment IS NOT NULL",
    ]


def trigger(shape: Shape) -> str:
    """The trigger of one table, as SQLite keeps its text."""
    names, table = shape.written, shape.table.name
    values = ", ".join(["transaction_id", "at", "table_name", "columns", *(f"v{n + 1}" for n in range(len(names)))])
    old = ", ".join(
        [_TOGETHER, _NOW, _literal(table), _literal(_json(names)), *(f"OLD.{quoted(name)}" for name in names)]
    )
    return (
        f"CREATE TRIGGER {quoted(PREFIX + table)} AFTER DELETE ON {quoted(table)}"
        f" BEGIN INSERT INTO {TABLE} ({values}) VALUES ({old}); END"
    )


def size(there: int) -> str:
    """What a row of the table weighs, which has ``there`` columns; in groups, as SQLite nests no deeper than 1,000."""
    lengths = [f"coalesce(length(v{number}), 0)" for number in range(1, there - len(_FIXED) + 1)]
    groups = [" + ".join(lengths[at : at + _GROUP]) for at in range(0, len(lengths), _GROUP)]
    return " + ".join(f"({group})" for group in groups) or "0"


def kept(rows: Iterable[Row]) -> Iterator[Kept]:
    """See sources.guarding.Guarding. SQLite knows neither who deleted nor the transaction: a time stands for that."""
    for row in rows:
        values = row.values
        names = json.loads(str(values["columns"]))
        together = str(values["transaction_id"])
        yield Kept(
            number=int(str(values["id"])), table=str(values["table_name"]), operation="delete",
            row=Row({name: values.get(f"v{number}") for number, name in enumerate(names, 1)}),
            transaction=together, began=together, at=str(values["at"]), by=Doer(),
            shipment=str(values["shipment"] or ""),
        )  # fmt: skip


def remembered(entity: str, tables: Iterable[str]) -> list[str]:
    """The statements that note for what the tables are under guard."""
    return [
        f"CREATE TABLE IF NOT EXISTS main.{ENTITIES} (name TEXT PRIMARY KEY, tables TEXT NOT NULL)",
        f"INSERT OR REPLACE INTO main.{ENTITIES} VALUES ({_literal(entity)}, {_literal(_json(tables))})",
    ]


def forgotten(entity: str) -> str:
    """The statement that notes that an entity is under guard no more."""
    return f"DELETE FROM main.{ENTITIES} WHERE name = {_literal(entity)}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A trigger of the guard that is there: its ``name``, the ``table`` it stands on, its text."""

    name: str
    table: str
    sql: str


def standing() -> str:
    """Asks for the triggers that are there."""
    return (
        "SELECT name, tbl_name, sql FROM main.sqlite_schema WHERE type = 'trigger'"
        f" AND substr(name, 1, {len(PREFIX)}) = '{PREFIX}' ORDER BY tbl_name"
    )


def _json(names: Iterable[str]) -> str:
    return json.dumps(list(names), ensure_ascii=True)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
