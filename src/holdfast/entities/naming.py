"""Tables and columns as people write them, found in a book."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from holdfast.model.errors import UsageError
from holdfast.model.records import Table


def table_named(tables: Mapping[str, Table], name: str, *, where: str = "") -> Table:
    """The table of that name, also without its schema or in other letters. UsageError tells the nearest."""
    found = _find(tables, name)
    if len(found) == 1:
        return tables[found[0]]
    if found:
        raise UsageError(f"{name} means more than one table", where=where, why=", ".join(found), hint="name its schema")
    raise UsageError(f"there is no table {name!r} in this source", where=where, hint=nearest(name, tables))


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest names."""
    names = sorted(known)
    folded = {each.lower(): each for each in names}
    bare = {each.lower().rpartition(".")[2]: each for each in names}
    near = difflib.get_close_matches(name.lower(), [*folded, *bare], n=3, cutoff=0.5)
    if near:
        told = dict.fromkeys(folded.get(each) or bare[each] for each in near)
        return f"did you mean {' or '.join(told)}?"
    return f"known: {', '.join(names[:12])}{' …' if len(names) > 12 else ''}" if names else "there is none at all"


def split_column(tables: Mapping[str, Table], text: str, *, where: str = "") -> tuple[Table, str]:
    """(table, column or path) of ``table.column``; column "" for a table alone. UsageError when there is none such."""
    parts = text.split(".")
    for length in range(len(parts), 0, -1):
        found = _find(tables, ".".join(parts[:length]))
        if len(found) == 1:
            table, column = tables[found[0]], ".".join(parts[length:])
            require_column(table, column, where=where)
            return table, column
        if len(found) > 1:
            raise UsageError(f"{text} means more than one table", where=where, why=", ".join(found))
    return table_named(tables, parts[0], where=where), ""


def is_known(tables: Mapping[str, Table], text: str) -> bool:
    """Whether ``table.column`` begins with a table there is."""
    parts = text.split(".")
    return any(_find(tables, ".".join(parts[:length])) for length in range(len(parts), 0, -1))


def require_column(table: Table, column: str, *, where: str = "") -> None:
    """UsageError when the table has no such column, or none that the path could begin in; documents have any."""
    if not column or not table.columns:
        return
    names = {each.name for each in table.columns}
    if column in names or any(column.startswith((f"{name}.", f"{name}[]")) for name in names):
        return
    raise UsageError(f"{table.name} has no column {column!r}", where=where, hint=nearest(column, names))


def _find(tables: Mapping[str, Table], name: str) -> list[str]:
    if name in tables:
        return [tables[name].name]
    folded = name.lower()
    exact = [each for each in tables if each.rpartition(".")[2] == name]
    return exact or [each for each in tables if folded in (each.lower(), each.lower().rpartition(".")[2])]
