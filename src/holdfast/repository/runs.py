"""Sorted runs of fixed-size rows in memory-mapped files: a million look-ups a second, memory the kernel owns.

A run file is a header, a fan-out table over the first bits of the key with about one row to an entry, and the rows: a
look-up touches the table once and the row once. It is a cache: it carries a checksum, and whoever finds it broken
throws it away.
"""

from __future__ import annotations

import mmap
import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from blake3 import blake3

_MAGIC = b"HFRUN2\x00\x00"
_HEADER = struct.Struct(">8sIIQ32s")
_BUCKETS = 256
_LEAST_BITS, _MOST_BITS = 8, 24
_first_bits = struct.Struct(">I").unpack_from


class Run:
    """One run. ``width`` bytes a row, the first bytes of a row are its key. Safe from any thread."""

    def __init__(self, data: bytes | mmap.mmap, width: int, bits: int, count: int, path: Path | None) -> None:
        self._data = data
        self._width = width
        self._shift = 32 - bits
        self._start = _start(bits)
        self._fan = memoryview(data)[_HEADER.size : self._start].cast("I") if count else memoryview(b"")
        self.count = count
        self.path = path

    def find(self, key: bytes) -> Iterator[bytes]:
        """Every row that starts with ``key`` (at least four bytes), in order."""
        return iter(self.all(key))

    def all(self, key: bytes) -> Sequence[bytes]:
        """Every row that starts with ``key``, at once."""
        if not self.count:
            return ()
        bucket = _first_bits(key)[0] >> self._shift
        fan = self._fan
        ordinal, last = fan[bucket], fan[bucket + 1]
        if ordinal == last:
            return ()
        data, width = self._data, self._width
        place, end = self._start + ordinal * width, self._start + last * width
        found: list[bytes] = []
        while place < end:
            row = data[place : place + width]
            if row.startswith(key):
                found.append(row)
            elif row > key:
                break
            place += width
        return found

    def has(self, key: bytes) -> bool:
        """Whether some row starts with ``key``."""
        return bool(self.all(key))

    def position(self, row_key: bytes) -> int:
        """The ordinal of the first row that starts with ``row_key``, or -1."""
        if not self.count:
            return -1
        bucket = _first_bits(row_key)[0] >> self._shift
        for ordinal in range(self._fan[bucket], self._fan[bucket + 1]):
            place = self._start + ordinal * self._width
            if self._data[place : place + len(row_key)] == row_key:
                return ordinal
        return -1

    def bucket(self, number: int) -> bytes:
        """The rows whose first byte is ``number``, joined."""
        if not self.count:
            return b""
        low = (number << 24) >> self._shift
        high = ((number + 1) << 24) >> self._shift
        start, stop = self._fan[low], self._fan[high]
        return self._data[self._start + start * self._width : self._start + stop * self._width]

    def release(self, number: int) -> None:
        """Let the kernel take back the memory of that 256th; it is read again from the file when needed."""
        if not self.count or not isinstance(self._data, mmap.mmap):
            return
        low, high = (number << 24) >> self._shift, ((number + 1) << 24) >> self._shift
        start = (self._start + self._fan[low] * self._width) // mmap.PAGESIZE * mmap.PAGESIZE
        stop = (self._start + self._fan[high] * self._width) // mmap.PAGESIZE * mmap.PAGESIZE
        if stop > start:
            self._data.madvise(mmap.MADV_DONTNEED, start, stop - start)

    def rows(self) -> Iterator[bytes]:
        """All rows in order."""
        for number in range(_BUCKETS):
            data = self.bucket(number)
            for at in range(0, len(data), self._width):
                yield data[at : at + self._width]

    def close(self) -> None:
        """Let go of the file."""
        self._fan.release()
        if isinstance(self._data, mmap.mmap):
            self._data.close()


def merge(sources: Sequence[Run], width: int, path: Path) -> Run:
    """Write the union of ``sources`` to ``path`` and open it. Memory stays flat: one 256th at a time."""
    total = sum(run.count for run in sources)
    bits = _bits(total)
    temporary = path.with_name(path.name + f".{os.getpid()}.tmp")
    digest = blake3()
    with temporary.open("wb") as file:
        file.write(bytes(_start(bits)))
        fan = array("I", [0])
        for number in range(_BUCKETS):
            rows = _union([run.bucket(number) for run in sources], width)
            data = b"".join(rows)
            digest.update(data)
            file.write(data)
            _extend_fan(fan, data, width, bits, number)
            for run in sources:
                run.release(number)
        table = memoryview(fan).cast("B")
        file.seek(_HEADER.size)
        file.write(table)
        digest.update(table)
        file.seek(0)
        file.write(_HEADER.pack(_MAGIC, width, bits, fan[-1], digest.digest()))
    os.replace(temporary, path)
    return load(path, width, verify=False)


def build(rows: Sequence[bytes], width: int) -> Run:
    """A run in memory, from rows in any order."""
    ordered = sorted(set(rows))
    bits = _bits(len(ordered))
    fan = array("I", [0])
    groups: list[list[bytes]] = [[] for _ in range(_BUCKETS)]
    for row in ordered:
        groups[row[0]].append(row)
    for number, group in enumerate(groups):
        _extend_fan(fan, b"".join(group), width, bits, number)
    return Run(b"".join((bytes(_HEADER.size), fan, *ordered)), width, bits, len(ordered), None)


def load(path: Path, width: int, *, verify: bool = True) -> Run:
    """Open a run file; ValueError when it is not whole."""
    size = path.stat().st_size
    if size < _HEADER.size:
        raise ValueError("truncated")
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    magic, stored_width, bits, count, checksum = _HEADER.unpack_from(data)
    start = _start(bits) if bits <= _MOST_BITS else size + 1
    if magic != _MAGIC or stored_width != width or size != start + count * width:
        data.close()
        raise ValueError("not a run file")
    if verify:
        digest = blake3()
        with memoryview(data) as view:
            digest.update(view[start:])
            digest.update(view[_HEADER.size : start])
        data.madvise(mmap.MADV_DONTNEED)
        if digest.digest() != checksum:
            data.close()
            raise ValueError("checksum differs")
    return Run(data, width, bits, count, path)


def _union(parts: list[bytes], width: int) -> list[bytes]:
    filled = [part for part in parts if part]
    if len(filled) == 1:
        data = filled[0]
        return [data[at : at + width] for at in range(0, len(data), width)]
    rows: set[bytes] = set()
    for data in filled:
        rows.update(data[at : at + width] for at in range(0, len(data), width))
    return sorted(rows)


def _bits(rows: int) -> int:
    """How many first bits the table is over: about one row to an entry, and never more than 64 MiB."""
    return max(_LEAST_BITS, min(_MOST_BITS, rows.bit_length()))


def _start(bits: int) -> int:
    """Where the rows begin."""
    return _HEADER.size + 4 * ((1 << bits) + 1)


def _extend_fan(fan: array[int], rows: bytes, width: int, bits: int, number: int) -> None:
    """Append the fan-out of one 256th: for each prefix of ``bits`` bits the count of rows up to and with it."""
    tally = [0] * (1 << (bits - 8))
    shift = 32 - bits
    low = number << (bits - 8)
    for (first,) in struct.iter_unpack(f">I{width - 4}x", rows):
        tally[(first >> shift) - low] += 1
    tally[0] += fan[-1]
    fan.extend(accumulate(tally))
