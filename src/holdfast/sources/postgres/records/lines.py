"""Fields of other programs' files as the lines a snapshot holds: whole columns at once where nothing is unusual."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from holdfast.model.records import Table
from holdfast.sources.postgres.records.columns import singly
from holdfast.sources.postgres.records.text import NULL, escaped

_END = "\n"
_UNUSUAL = re.compile(r"\\(?:[^\\bfnrtvN]|N[^\t\n])|[^\t\n]\\N|\r|\0")
_MUST_ESCAPE = re.compile(r"[\\\b\f\n\r\t\v]")
_WHOLE = {"smallint": 3, "integer": 8, "bigint": 17}
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{0,5}[1-9])?"
_DAY = r"[1-9]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
_FORMS = {
    "boolean": "[tf]",
    "date": _DAY,
    "timestamp without time zone": f"{_DAY} {_TIME}",
    "timestamp with time zone": rf"{_DAY} {_TIME}\+00",
    "time without time zone": _TIME,
    "uuid": "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "numeric": r"-?(?:0|[1-9]\d*+)(?:\.\d++)?",
    **{kind: rf"(?:0|-?[1-9]\d{{0,{digits}}})" for kind, digits in _WHOLE.items()},
}
_CHANGED = re.compile(
    r"(?:timestamp|time|date|numeric|real|double precision|bytea|json|jsonb|character\(|boolean|uuid|"
    r"smallint|integer|bigint)|.*\[\]\Z"
)
_SCALED = re.compile(r"numeric\(\d+,(\d+)\)")


def stored_names(table: Table) -> list[str]:
    """The columns that lines hold, in order."""
    return [column.name for column in table.columns if not column.generated]


def fields_of(text: str, width: int) -> list[list[str]] | None:
    """The columns of lines; None unless each line has ``width`` fields."""
    fields = text.replace("\n", "\t\n\t").split("\t")
    rows = text.count("\n")
    if len(fields) != rows * (width + 1) + 1 or fields[width :: width + 1].count(_END) != rows:
        return None
    return [fields[place : -1 : width + 1] for place in range(width)]


def copied(table: Table, names: Sequence[str | None], text: str) -> str | None:
    """Lines of COPY with these columns as lines of all columns; None where one of them is not as COPY writes it."""
    plain = text.replace("\\\\", "x") if "\\\\" in text else text
    if "\\" in plain and _UNUSUAL.search(plain):
        return None
    columns = fields_of(text, len(names))
    if columns is None or not _are_flags(table, names, columns):
        return None
    return text if list(names) == stored_names(table) else laid(table, names, columns)


def _are_flags(table: Table, names: Sequence[str | None], columns: Sequence[Sequence[str]]) -> bool:
    flags = {column.name for column in table.columns if column.type == "boolean"}
    return all(
        name not in flags or set(cells) <= {"t", "f", NULL} for name, cells in zip(names, columns, strict=True)
    )


def laid(table: Table, names: Sequence[str | None], columns: Sequence[Sequence[str]]) -> str:
    """Columns side by side as lines of all columns; NULL in those that are not named."""
    found = {name: cells for name, cells in zip(names, columns, strict=True) if name is not None}
    empty = [NULL] * len(columns[0])
    rows = zip(*(found.get(name, empty) for name in stored_names(table)), strict=True)
    return "\n".join(map("\t".join, rows)) + "\n"


def column_of(kind: str, cells: Sequence[str], one: Callable[[str], str]) -> Sequence[str]:
    """Cells of CSV as fields of a column of type ``kind``; ``one`` makes a single field of a cell that is unusual."""
    joined = "\0".join(cells) + "\0"
    if not _is_as_stored(kind, joined):
        found: Sequence[str] = singly(cells, lambda cell: NULL if cell == "" else one(cell))
        return found
    if _MUST_ESCAPE.search(joined):
        return [escaped(cell) if cell else NULL for cell in cells]
    return [cell or NULL for cell in cells] if "\0\0" in joined or joined[0] == "\0" else cells


def _is_as_stored(kind: str, joined: str) -> bool:
    scaled = _SCALED.fullmatch(kind)
    if scaled is not None:
        form = rf"-?(?:0|[1-9]\d*+)\.\d{{{scaled[1]}}}" if int(scaled[1]) else r"-?(?:0|[1-9]\d*+)"
    elif kind in _FORMS:
        form = _FORMS[kind]
    else:
        return _CHANGED.match(kind) is None
    return re.fullmatch(rf"(?:(?:{form})?\0)*+", joined, re.ASCII) is not None
