"""CSV as RFC 4180 has it and PostgreSQL reads it: an empty cell is NULL, a quoted empty one is the empty text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from holdfast.exchange.records import BadFile, Form, Origin, Record

LARGEST_ROW = 64 << 20
_PLAIN = re.compile(r'[^",\r\n]*')
_QUOTED = re.compile(r'"((?:[^"]|"")*+)"')
_MOST_COLUMNS = 2000


class CsvReader:
    """Rows of one table; the first line names the columns (exchange.records.Reader)."""

    def __init__(self, chunks: Iterator[str], name: str, table: str) -> None:
        self._chunks = chunks
        self._name = name
        self._table = table
        self._line = self._next_line = 1

    def place(self) -> str:
        """See Reader."""
        return f"{self._name}, line {self._line:,}"

    def records(self, origin: Origin) -> Iterator[Record]:
        """See Reader."""
        rows = self._rows()
        names = self._header(next(rows, None))
        origin.tables[self._table] = names
        blank = False
        for row in rows:
            if row == [None] and len(names) > 1:
                blank = True
                continue
            if blank or len(row) != len(names):
                raise self._ragged(len(names), row, blank=blank)
            yield Record(self._table, dict(zip(names, row, strict=True)), Form.CELLS)

    def _header(self, row: list[str | None] | None) -> tuple[str, ...]:
        if row is None:
            raise BadFile("the file is empty", where=self.place(), hint="its first line must name the columns")
        names = [name or "" for name in row]
        if len(names) > _MOST_COLUMNS:
            raise BadFile(f"the first line names {len(names):,} columns", where=self.place(), hint="is this CSV?")
        if None in row:
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

    def _rows(self) -> Iterator[list[str | None]]:
        text, at, ended = "", 0, False
        while True:
            row, after = self._row(text, at, ended=ended)
            if row is not None:
                self._line = self._next_line
                self._next_line += text.count("\n", at, after)
                yield row
                at = after
            elif ended:
                return
            else:
                text, at = text[at:], 0
                if len(text) > LARGEST_ROW:
                    raise BadFile(f"one row is larger than {LARGEST_ROW >> 20} MiB", where=self.place())
                wanted = max(1, len(text))  # a row that is not whole is tried again when it is twice as long
                while wanted > 0 and not ended:
                    chunk = next(self._chunks, None)
                    ended = chunk is None
                    text += chunk or ""
                    wanted -= len(chunk or "")

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
                found = _PLAIN.match(text, at)
                assert found is not None  # noqa: S101 - it matches nothing too
                cells.append(found[0] or None)
            at = found.end()
            if at + 1 >= len(text) and not ended:
                return None, at  # what follows the quote or the return is not here yet
            if at >= len(text):
                return cells, at
            if text[at] == ",":
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
        raise BadFile(
            f"{text[at]!r} stands where a comma or the end of the line should", where=self.place(),
            hint='inside quotes, write a quote twice: ""',
        )  # fmt: skip
