"""Cells of CSV as RFC 4180 has them and PostgreSQL reads them: an empty cell is NULL, a quoted one the empty text."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MUST_QUOTE = re.compile(r'[",\r\n]|\A\Z|\A\\\.\Z|\A\s|\s\Z')
END = "\r\n"


def line(cells: Iterable[str | None]) -> str:
    """One row, with its end."""
    return ",".join(["" if cell is None else written(cell) for cell in cells]) + END


def written(cell: str) -> str:
    """The text of a value, in quotes where it must be."""
    return quoted(cell) if _MUST_QUOTE.search(cell) else cell


def quoted(cell: str) -> str:
    """The same, in quotes in any case."""
    return '"' + cell.replace('"', '""') + '"'


def header(names: Iterable[str]) -> str:
    """The first line; a name with a sign that other writers part columns by stands in quotes."""
    return ",".join([quoted(name) if ";" in name or "\t" in name else written(name) for name in names]) + END
