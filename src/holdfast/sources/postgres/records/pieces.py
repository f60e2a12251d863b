"""Rows that were too large for one line, put together again from their pieces (the form is told in items.py)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from holdfast.sources.postgres.records.text import Form, escaped, unescaped


def lines_of(blocks: Iterable[bytes], form: Form, hexadecimal: Sequence[str]) -> Iterator[bytes]:
    """Each row as the line COPY would have written, newline included. One row at a time is held."""
    number = ""
    columns: dict[int, list[tuple[int, str]]] = {}
    for line in whole_lines(blocks):
        row, column, part, piece = line.decode(form.codec, "surrogateescape").split("\t")
        if row != number:
            if number:
                yield _line(columns, form, hexadecimal)
            number, columns = row, {}
        if column != "0":
            columns.setdefault(int(column), []).append((int(part), cast("str", unescaped(piece))))
    if number:
        yield _line(columns, form, hexadecimal)


def _line(columns: dict[int, list[tuple[int, str]]], form: Form, hexadecimal: Sequence[str]) -> bytes:
    fields = []
    for place, name in enumerate(form.names, start=1):
        pieces = columns.get(place)
        text = None if pieces is None else "".join(piece for _, piece in sorted(pieces))
        fields.append(escaped(f"\\x{text}" if text is not None and name in hexadecimal else text))
    return form.encoded("\t".join(fields) + "\n")


def whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their ends, whatever pieces they come in."""
    rest: list[bytes] = []
    for block in blocks:
        first, newline, more = block.partition(b"\n")
        rest.append(first)
        if not newline:
            continue
        yield b"".join(rest)
        *whole, last = more.split(b"\n")
        yield from whole
        rest = [last]
