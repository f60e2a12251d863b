"""CSV as RFC 4180 has it and PostgreSQL reads it: an empty cell is NULL, a quoted empty one is the empty text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

from holdfast.exchange import csv_blocks
from holdfast.exchange.records import BadFile, Form, Origin, Record, Stretch, singly

LARGEST_ROW = 64 << 20
_PLAIN = {sign: re.compile(rf'[^"{sign}\r\n]*') for sign in ",;\t"}
_QUOTED = re.compile(r'"((?:[^"]|"")*+)"')
_IN_QUOTES = re.compile(r'"(?:[^"]|"")*+"')
_MOST_COLUMNS = 2000
_WORTH_A_LOOK = 1 << 20


class CsvReader:
    """Rows of one table; the first line names the columns (exchange.records.Reader and InStretches).

    Columns are parted by commas, or by what else the first line has where it has no comma: ``;`` or tabs.
    """

    def __init__(self, chunks: Iterator[str], name: str, table: str) -> None:
        self._chunks = chunks
        self._name = name
        self._table = table
        self._sign = ","
        self._line = self._next_line = 1

    def place(self) -> str:
        """See Reader."""
        return f"{self._name}, line {self._line:,}"

    def records(self, origin: Origin) -> Iterator[Record]:
        """See Reader."""
        return singly(self.stretches(origin))

    def stretches(self, origin: Origin) -> Iterator[Record | Stretch]:
        """See InStretches."""
        text = self._first()
        row, at = self._row(text, 0, ended=True)
        names = self._header(row)
        origin.tables[self._table] = names
        line = 1 + text.count("\n", 0, at)
        for block in self._whole_rows(text[at:]):
            yield from self._stretch(names, block, line)
            line += block.count("\n")

    def _first(self) -> str:
        """Enough of the text to hold the first line whole; its quotes tell. The sign between columns is found."""
        text = ""
        for chunk in self._chunks:
            text += chunk
            end = text.find("\n")
            while end >= 0 and text.count('"', 0, end) % 2:
                end = text.find("\n", end + 1)
            if end >= 0:
                break
            if len(text) > LARGEST_ROW:
                raise BadFile(f"one row is larger than {LARGEST_ROW >> 20} MiB", where=self.place())
        first = _IN_QUOTES.sub("", text).partition("\n")[0]
        self._sign = "," if "," in first else next((sign for sign in ";\t" if sign in first), ",")
        return text

    def _whole_rows(self, text: str) -> Iterator[str]:
        """The text in blocks that end with a row; the last may not."""
        looked = 0
        while True:
            end = csv_blocks.last_end(text)
            if not end and len(text) > max(_WORTH_A_LOOK, 2 * looked):
                looked = len(text)
                end = self._rows_end(text)
            if end:
                yield text[:end]
                text, looked = text[end:], 0
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            text += chunk
            if len(text) > LARGEST_ROW:
                raise BadFile(f"one row is larger than {LARGEST_ROW >> 20} MiB", where=self.place())
        if text:
            yield text

    def _rows_end(self, text: str) -> int:
        """Where the last whole row ends. BadFile where a quote stands wrong, which is why it must be looked for so."""
        end = 0
        while True:
            row, after = self._row(text, end, ended=False)
            if row is None:
                return end
            end = after

    def _stretch(self, names: tuple[str, ...], text: str, line: int) -> Iterator[Stretch | Record]:
        self._line = line
        cells = csv_blocks.columns_of(text, len(names), self._sign) if names else None
        made = partial(self._singly, names, text, line)
        if cells is None:
            yield from made()
        else:
            yield Stretch(table=self._table, columns=names, rows=len(cells[0]), cells=cells, singly=made)

    def _singly(self, names: tuple[str, ...], text: str, line: int) -> Iterator[Record]:
        """The rows of whole lines one by one."""
        self._next_line, blank = line, False
        for row in self._rows(text):
            if row == [None] and len(names) > 1:
                blank = True
                continue
            if blank or (row != [None] if not names else len(row) != len(names)):
                raise self._ragged(len(names), row, blank=blank)
            yield Record(self._table, dict(zip(names, row, strict=False)), Form.CELLS)

    def _header(self, row: list[str | None] | None) -> tuple[str, ...]:
        if row is None:
            raise BadFile("the file is empty", where=self.place(), hint="its first line must name the columns")
        names = [name or "" for name in row] if row != [None] else []
        if len(names) > _MOST_COLUMNS:
            raise BadFile(f"the first line names {len(names):,} columns", where=self.place(), hint="is this CSV?")
        if names and None in row:
            raise BadFile(f"column {row.index(None) + 1} has no name", where=self.place())
        if twice := [name for name in names if names.count(name) > 1]:
            raise BadFile(f"two columns are called {twice[0]!r}", where=self.place())
        if any("\0" in name for name in names):
            raise BadFile("this is no text", where=self.place(), hint="is this CSV?")
        return tuple(names)

    def _ragged(self, wanted: int, row: Sequence[str | None], *, blank: bool) -> BadFile:
        if blank:
            return BadFile("an empty line stands between rows", where=self.place())
        many = len(row) > wanted
        return BadFile(
            f"this line has {len(row):,} cells, the first line names {wanted:,} columns", where=self.place(),
            hint="a cell with a comma in it must stand in quotes" if many else "the file may have been written half",
        )  # fmt: skip

    def _rows(self, text: str) -> Iterator[list[str | None]]:
        at = 0
        while True:
            row, after = self._row(text, at, ended=True)
            if row is None:
                return
            self._line = self._next_line
            self._next_line += text.count("\n", at, after)
            yield row
            at = after

    def _row(self, text: str, at: int, *, ended: bool) -> tuple[list[str | None] | None, int]:
        """One row from ``at`` and where the next begins; None when it is not whole yet."""
        if at >= len(text):
            return None, at
        cells: list[str | None] = []
        while True:
            if text.startswith('"', at):
                found = _QUOTED.match(text, at)
                if found is None:
                    return self._unfinished(ended=ended)
                cells.append(found[1].replace('""', '"'))
            else:
                found = _PLAIN[self._sign].match(text, at)
                assert found is not None  # noqa: S101 - it matches nothing too
                cells.append(found[0] or None)
            at = found.end()
            if at + 1 >= len(text) and not ended:
                return None, at  # what follows the quote or the return is not here yet
            if at >= len(text):
                return cells, at
            if text[at] == self._sign:
                at += 1
                if at >= len(text):
                    return [*cells, None], at
                continue
            return cells, self._behind(text, at)

    def _unfinished(self, *, ended: bool) -> tuple[None, int]:
        if ended:
            self._line = self._next_line
            raise BadFile(
                "the file ends inside a quoted cell", where=f"{self.place()} and after",
                hint="it was written half, or a quote is missing",
            )  # fmt: skip
        return None, 0

    def _behind(self, text: str, at: int) -> int:
        for end in ("\r\n", "\n", "\r"):
            if text.startswith(end, at):
                return at + len(end)
        self._line = self._next_line
        sign = "a comma" if self._sign == "," else repr(self._sign)
        raise BadFile(
            f"{text[at]!r} stands where {sign} or the end of the line should", where=self.place(),
            hint='inside quotes, write a quote twice: ""',
        )  # fmt: skip
