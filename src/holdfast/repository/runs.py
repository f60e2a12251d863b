"""Sorted runs of fixed-size rows in memory-mapped files: millions of look-ups a second, memory the kernel owns.

A run file is a header, a fan-out table over the first bits of the key, and the rows. It is a cache: it carries a
checksum, and whoever finds it broken throws it away.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from blake3 import blake3

_MAGIC = b"HFRUN1\x00\x00"
_HEADER = struct.Struct(">8sIIQ32s")
_BUCKETS = 256


class Run:
    """One run. ``width`` bytes a row, the first bytes of a row are its key. Safe from any thread."""

    def __init__(self, data: bytes | mmap.mmap, width: int, bits: int, count: int, path: Path | None) -> None:
        self._data = data
        self._find = data.find
        self._width = width
        self._shift = 32 - bits
        self._start = _HEADER.size + 8 * ((1 << bits) + 1)
        self._fan = memoryview(data)[_HEADER.size : self._start].cast("Q") if count else memoryview(b"")
        self.count = count
        self.path = path

    def find(self, key: bytes) -> Iterator[bytes]:
        """Every row that starts with ``key`` (at least four bytes)."""
        if not self.count:
            return
        width, start = self._width, self._start
        bucket = int.from_bytes(key[:4], "big") >> self._shift
        position = start + self._fan[bucket] * width
        end = start + self._fan[bucket + 1] * width
        while (found := self._find(key, position, end)) >= 0:
            if (found - start) % width:
                position = found + 1
                continue
            yield self._data[found : found + width]
            position = found + width

    def all(self, key: bytes) -> list[bytes]:
        """Every row that starts with ``key``, at once: quicker than ``find`` for the usual none or one."""
        if not self.count:
            return []
        width, start, fan = self._width, self._start, self._fan
        bucket = int.from_bytes(key[:4], "big") >> self._shift
        position, end = start + fan[bucket] * width, start + fan[bucket + 1] * width
        found = self._find(key, position, end)
        if found < 0:
            return []
        if (found - start) % width == 0 and self._find(key, found + width, end) < 0:
            return [self._data[found : found + width]]
        return list(self.find(key))

    def has(self, key: bytes) -> bool:
        """Whether some row starts with ``key``."""
        return next(self.find(key), None) is not None

    def position(self, row_key: bytes) -> int:
        """The ordinal of the first row that starts with ``row_key``, or -1."""
        if not self.count:
            return -1
        bucket = int.from_bytes(row_key[:4], "big") >> self._shift
        position = self._start + self._fan[bucket] * self._width
        end = self._start + self._fan[bucket + 1] * self._width
        while (found := self._find(row_key, position, end)) >= 0:
            ordinal, odd = divmod(found - self._start, self._width)
            if not odd:
                return ordinal
            position = found + 1
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
    bits = max(8, min(22, (total // 8).bit_length()))
    counts: list[int] = []
    temporary = path.with_name(path.name + f".{os.getpid()}.tmp")
    digest = blake3()
    with temporary.open("wb") as file:
        file.write(bytes(_HEADER.size + 8 * ((1 << bits) + 1)))
        fan = [0]
        for number in range(_BUCKETS):
            rows = _union([run.bucket(number) for run in sources], width)
            data = b"".join(rows)
            digest.update(data)
            file.write(data)
            counts.append(len(rows))
            _extend_fan(fan, rows, bits, number)
            for run in sources:
                run.release(number)
        table = struct.pack(f"={len(fan)}Q", *fan)
        file.seek(_HEADER.size)
        file.write(table)
        digest.update(table)
        file.seek(0)
        file.write(_HEADER.pack(_MAGIC, width, bits, sum(counts), digest.digest()))
    os.replace(temporary, path)
    return load(path, width, verify=False)


def build(rows: Sequence[bytes], width: int) -> Run:
    """A run in memory, from rows in any order."""
    ordered = sorted(set(rows))
    bits = max(8, min(16, (len(ordered) // 8).bit_length()))
    fan = [0]
    groups: list[list[bytes]] = [[] for _ in range(_BUCKETS)]
    for row in ordered:
        groups[row[0]].append(row)
    for number, group in enumerate(groups):
        _extend_fan(fan, group, bits, number)
    table = struct.pack(f"={len(fan)}Q", *fan)
    return Run(bytes(_HEADER.size) + table + b"".join(ordered), width, bits, len(ordered), None)


def load(path: Path, width: int, *, verify: bool = True) -> Run:
    """Open a run file; ValueError when it is not whole."""
    size = path.stat().st_size
    if size < _HEADER.size:
        raise ValueError("truncated")
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    magic, stored_width, bits, count, checksum = _HEADER.unpack_from(data)
    start = _HEADER.size + 8 * ((1 << bits) + 1) if bits <= 22 else size + 1
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


def _extend_fan(fan: list[int], rows: Sequence[bytes], bits: int, number: int) -> None:
    """Append the fan-out of one 256th: for each prefix of ``bits`` bits the count of rows up to and with it."""
    per_bucket = 1 << (bits - 8)
    tally = [0] * per_bucket
    shift = 32 - bits
    low = number << (bits - 8)
    for row in rows:
        tally[(int.from_bytes(row[:4], "big") >> shift) - low] += 1
    running = fan[-1]
    for amount in tally:
        running += amount
        fan.append(running)
