"""Columns of a block of rows as cells of CSV or values of JSON, each made at once where nothing in it is special.

Cells come as COPY wrote them. What is special goes value by value through the very code that makes single rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from holdfast.model import csv_cells
from holdfast.sources.postgres.records.text import NULL

WHOLE = ("smallint", "integer", "bigint")
NUMBERS = ("numeric", "real", "double precision")
_WHOLE_ONES = re.compile(r"(?:(?:0|-?[1-9]\d*+|\\N)\t)*+", re.ASCII)
_NUMBER_ONES = re.compile(r"(?:(?:(?!-0\t)-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][-+]?\d++)?|\\N)\t)*+", re.ASCII)
_TRUTHS = {"t": "true", "f": "false", NULL: "null"}
_SPACED = re.compile(r"\t[^\S\t]|[^\S\t]\t")
_NOT_JSON = re.compile(r"[\x00-\x08\x0a-\x1f]")
_NOT_DOUBLED = re.compile(r"\\(?!N\t)")
_MOST_KEPT = 10_000


def split(text: str, width: int) -> list[list[str]] | None:
    """The columns of whole lines; None where the lines have not ``width`` fields."""
    fields = text.replace("\n", "\t").split("\t")
    if len(fields) != text.count("\n") * width + 1:
        return None
    return [fields[place:-1:width] for place in range(width)]


def csv_column(cells: Sequence[str], one: Callable[[str], str]) -> Sequence[str]:
    """Each as the cell of a line; ``one`` makes a single cell of a value that is special."""
    joined = "\t" + "\t".join(cells) + "\t"
    if "\\" not in joined:
        return cells if _is_plain(joined) else [_csv_cell(cell) for cell in cells]
    if joined.count("\\") == cells.count(NULL) and _is_plain(joined):
        return ["" if cell == NULL else cell for cell in cells]
    return [("" if cell == NULL else one(cell)) if "\\" in cell else _csv_cell(cell) for cell in cells]


def _csv_cell(cell: str) -> str:
    return csv_cells.written(cell)


def _is_plain(joined: str) -> bool:
    """Whether none of the cells must stand in quotes."""
    special = '"' in joined or "," in joined or "\t\t" in joined or "\r" in joined
    return not special and _SPACED.search(joined) is None


def json_column(kind: str, cells: Sequence[str], one: Callable[[str], str]) -> Sequence[str]:
    """Each as JSON; ``one`` makes a single value that is special."""
    if kind in WHOLE:
        return _numbers(_WHOLE_ONES, cells, one)
    if kind == "boolean":
        return [_TRUTHS.get(cell) or one(cell) for cell in cells]
    if kind.startswith(NUMBERS) and not kind.endswith("[]"):
        return _numbers(_NUMBER_ONES, cells, one)
    if kind == "jsonb":
        return _documents(cells, one)
    if kind == "json" or kind.endswith("[]"):
        return singly(cells, one)
    return _texts(cells, one)


def singly(cells: Sequence[str], one: Callable[[str], str]) -> list[str]:
    """Value by value, each only once."""
    known: dict[str, str] = {}
    made = []
    for cell in cells:
        found = known.get(cell)
        if found is None:
            found = one(cell)
            if len(known) < _MOST_KEPT:
                known[cell] = found
        made.append(found)
    return made


def _numbers(form: re.Pattern[str], cells: Sequence[str], one: Callable[[str], str]) -> Sequence[str]:
    joined = "\t".join(cells) + "\t"
    if form.fullmatch(joined) is None:
        return [one(cell) for cell in cells]
    return ["null" if cell == NULL else cell for cell in cells] if "\\" in joined else cells


def _documents(cells: Sequence[str], one: Callable[[str], str]) -> Sequence[str]:
    joined = "\t".join(cells) + "\t"
    special = "null" in joined or '{"$' in joined or _NOT_JSON.search(joined)
    if special or _NOT_DOUBLED.search(joined.replace("\\\\", "")):
        return [one(cell) for cell in cells]
    if "\\" not in joined:
        return cells
    return ["null" if cell == NULL else cell.replace("\\\\", "\\") for cell in cells]


def _texts(cells: Sequence[str], one: Callable[[str], str]) -> Sequence[str]:
    """COPY and JSON escape alike, but for quotes, vertical tabs and what COPY leaves as it is."""
    joined = "\t".join(cells)
    if _NOT_JSON.search(joined) or ("\\" in joined and "\\v" in joined.replace("\\\\", "")):
        return [one(cell) for cell in cells]
    if '"' in joined:
        cells = joined.replace('"', '\\"').split("\t")
    if "\\" in joined:
        return ["null" if cell == NULL else f'"{cell}"' for cell in cells]
    return ('"' + '"\t"'.join(cells) + '"').split("\t")
