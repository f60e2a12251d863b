"""Blocks of CSV taken apart at once: columns of cells, or nothing where rows must be looked at one by one."""

from __future__ import annotations

import re

_EMPTY_TEXT = re.compile(r'(?:\A|[,;\t\n])""(?:[,;\t\r\n]|\Z)')
_CELLS = {
    sign: re.compile(rf'(?:"((?:[^"]++|"")*+)"|([^"{sign}\r\n]*+))({sign}|\r?\n)|(.)', re.DOTALL) for sign in ",;\t"
}
_TRIES = 1000


def last_end(text: str) -> int:
    """Behind the last row that ends in the text; 0 where none can be told from the quotes."""
    end = text.rfind("\n")
    odd = text.count('"', 0, end + 1) % 2
    for _ in range(_TRIES):
        if end < 0 or not odd:
            break
        before = text.rfind("\n", 0, end)
        odd ^= text.count('"', before + 1, end) % 2
        end = before
    return 0 if odd else end + 1


def columns_of(text: str, width: int, sign: str) -> list[list[str]] | None:
    """The cells of whole rows by columns, "" for NULL; None where rows are not all alike or a cell is an empty text."""
    if not text.endswith("\n"):
        text += "\n"
    if '"' in text:
        return _quoted(text, width, sign)
    text = text.replace("\r\n", "\n")
    if "\r" in text or "\0" in text:
        return None
    cells = text.replace("\n", f"{sign}\n{sign}").split(sign)
    rows = text.count("\n")
    if len(cells) != rows * (width + 1) + 1 or cells[width :: width + 1].count("\n") != rows:
        return None
    return [cells[place : -1 : width + 1] for place in range(width)]


def _quoted(text: str, width: int, sign: str) -> list[list[str]] | None:
    if _EMPTY_TEXT.search(text) or "\0" in text:
        return None
    quoted, plain, behind, strange = zip(*_CELLS[sign].findall(text), strict=True)
    ends = behind[width - 1 :: width]
    if any(strange) or behind.count(sign) != len(behind) - len(ends) or sign in ends or len(behind) % width:
        return None
    cells = [inside or bare for inside, bare in zip(quoted, plain, strict=True)]
    if '""' in text:
        cells = [cell.replace('""', '"') if '""' in cell else cell for cell in cells]
    return [cells[place::width] for place in range(width)]
