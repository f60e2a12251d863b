"""Rows kept aside on disk until a whole file was found good: only then is anything made of them."""

from __future__ import annotations

import contextlib
import marshal
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, overload

from holdfast.model.errors import SourceError
from holdfast.model.records import Row

_LENGTH = struct.Struct("<I")
_LEAST_ROOM = 64 << 20
_LOOK = 16 << 20


class Spool:
    """Rows by table, in a temporary folder that is gone when the context ends."""

    def __init__(self, from_raw: Callable[[bytes], Row]) -> None:
        self._from_raw = from_raw
        self._folder = Path(tempfile.mkdtemp(prefix="holdfast-import-"))
        self._tables: dict[str, SpooledRows] = {}
        self._files: dict[str, BinaryIO] = {}
        self._written = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            with contextlib.suppress(OSError):
                file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def table(self, name: str) -> SpooledRows:
        """The rows put under ``name`` so far."""
        if name not in self._tables:
            path = self._folder / str(len(self._tables))
            self._tables[name] = SpooledRows(path, self._from_raw)
            self._files[name] = path.open("wb")
        return self._tables[name]

    def put(self, name: str, row: Row) -> None:
        """Keep a row. SourceError when the disk is full."""
        rows = self.table(name)
        self._write(name, marshal.dumps(row.raw or dict(row.values)))
        rows.held += 1

    def put_lines(self, name: str, lines: str, count: int, rows_of: Callable[[str], Iterator[Row]]) -> None:
        """Keep ``count`` rows in lines that ``rows_of`` takes apart. SourceError when the disk is full."""
        rows = self.table(name)
        rows.rows_of = rows_of
        self._write(name, marshal.dumps((count, lines.encode("utf-8", "surrogatepass"))))
        rows.held += count

    def finished(self) -> dict[str, Sequence[Row]]:
        """All rows, on disk."""
        try:
            for file in self._files.values():
                file.close()
        except OSError as error:
            raise self._full(str(error)) from error
        return dict(self._tables)

    def _write(self, name: str, record: bytes) -> None:
        self._written += len(record)
        if self._written > _LOOK:
            self._written = 0
            self._check_room()
        try:
            self._files[name].write(_LENGTH.pack(len(record)))
            self._files[name].write(record)
        except OSError as error:
            raise self._full(str(error)) from error

    def _check_room(self) -> None:
        if shutil.disk_usage(self._folder).free < _LEAST_ROOM:
            raise self._full("the disk is nearly full")

    def _full(self, why: str) -> SourceError:
        return SourceError(
            "there is no room to put the rows aside", where=os.fspath(self._folder), why=why,
            hint="free some space, or set TMPDIR to a folder on a larger disk",
        )  # fmt: skip


class SpooledRows(Sequence[Row]):
    """Rows of one table; read from the start each time they are iterated."""

    def __init__(self, path: Path, from_raw: Callable[[bytes], Row]) -> None:
        self._path = path
        self._from_raw = from_raw
        self.held = 0
        self.rows_of: Callable[[str], Iterator[Row]] = lambda _: iter(())

    def __len__(self) -> int:
        return self.held

    def __iter__(self) -> Iterator[Row]:
        for each in self.stretches():
            if isinstance(each, Row):
                yield each
            else:
                yield from self.rows_of(each[1])

    def stretches(self) -> Iterator[tuple[int, str] | Row]:
        """See sources.exchanging.Lined."""
        with self._path.open("rb") as file:
            while head := file.read(_LENGTH.size):
                found = marshal.loads(file.read(_LENGTH.unpack(head)[0]))  # noqa: S302 - written by this very process
                if isinstance(found, tuple):
                    yield found[0], found[1].decode("utf-8", "surrogatepass")
                else:
                    yield self._from_raw(found) if isinstance(found, bytes) else Row(found)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return list(self)[index]
        place = index + self.held if index < 0 else index
        for number, row in enumerate(self):
            if number == place:
                return row
        raise IndexError(index)
