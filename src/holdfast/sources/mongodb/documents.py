"""BSON as bytes: where documents and values begin and end, found without decoding anything."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

_INT32 = struct.Struct("<i")
_INT64 = struct.Struct("<q")
_LEAST = 5
# type byte -> bytes its value takes
_FIXED = {
    0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0,
}  # fmt: skip
_TEXTS = (0x02, 0x0D, 0x0E)
_SIZED = (0x03, 0x04, 0x0F)
OBJECT, TIMESTAMP = 0x03, 0x11


class NotBson(ValueError):
    """These bytes are no BSON document."""


def split(run: bytes) -> Iterator[bytes]:
    """The documents of a run of whole ones. NotBson when it is none."""
    at, end, length_at = 0, len(run), _INT32.unpack_from
    while at < end:
        length = length_at(run, at)[0] if at + _LEAST <= end else 0
        if length < _LEAST or at + length > end:
            raise NotBson(f"no document begins at byte {at}")
        yield run[at : at + length]
        at += length


def documents(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The documents of blocks of any size."""
    rest = b""
    for block in blocks:
        run = rest + block if rest else block
        end = whole(run)
        yield from split(run[:end])
        rest = run[end:]
    if rest:
        raise NotBson("the last document is not whole")


def runs(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks that hold whole documents only."""
    rest = b""
    for block in blocks:
        run = rest + block if rest else block
        end = whole(run)
        if end:
            yield run[:end] if end < len(run) else run
        rest = run[end:]
    if rest:
        raise NotBson("the last document is not whole")


def whole(run: bytes) -> int:
    """How many bytes of ``run``, which begins with a document, are whole documents."""
    at, end, length_at = 0, len(run), _INT32.unpack_from
    while at + 4 <= end:
        (length,) = length_at(run, at)
        if length < _LEAST:
            raise NotBson(f"no document begins at byte {at}")
        if at + length > end:
            break
        at += length
    return at


def elements(document: bytes) -> Iterator[tuple[int, bytes, int, int]]:
    """(type, name, start, end) of each value at the top of a document, duplicates too."""
    at, last = 4, len(document) - 1
    while at < last:
        kind = document[at]
        zero = document.find(b"\0", at + 1)
        if zero < 0:
            raise NotBson("a field's name does not end")
        start = zero + 1
        end = start + _size(kind, document, start)
        if end > last:
            raise NotBson("a value is longer than its document")
        yield kind, document[at + 1 : zero], start, end
        at = end


def field(document: bytes, name: bytes) -> tuple[int, bytes] | None:
    """(type, raw value) of the first field of that name; None when there is none."""
    for kind, found, start, end in elements(document):
        if found == name:
            return kind, document[start:end]
    return None


def only(document: bytes, name: bytes) -> bytes:
    """A document with that one field of ``document``; an empty one when it has none."""
    found = field(document, name)
    return made([(found[0], name, found[1])]) if found is not None else made([])


def made(fields: Iterable[tuple[int, bytes, bytes]]) -> bytes:
    """A document out of (type, name, raw value)."""
    body = b"".join(bytes((kind,)) + name + b"\0" + value for kind, name, value in fields)
    return _INT32.pack(len(body) + _LEAST) + body + b"\0"


def array_of_documents(array: bytes) -> list[bytes]:
    """The documents in a raw array of documents. NotBson when it holds anything else."""
    found: list[bytes] = []
    at, last, length_at = 4, len(array) - 1, _INT32.unpack_from
    while at < last:
        start = array.find(b"\0", at + 1) + 1
        at = start + length_at(array, start)[0] if array[at] == OBJECT and start and start + _LEAST <= last else 0
        if not start < at <= last:
            raise NotBson("an answer is no array of documents")
        found.append(array[start:at])
    return found


def batch(reply: bytes) -> tuple[int, list[bytes]]:
    """(cursor id, documents) of a raw answer to find, aggregate or getMore."""
    cursor = field(reply, b"cursor")
    if cursor is None:
        raise NotBson("the answer has no cursor")
    number, found = 0, b""
    for kind, name, start, end in elements(cursor[1]):
        if name == b"id":
            number = int((_INT64 if kind == 0x12 else _INT32).unpack_from(cursor[1], start)[0])
        elif name in (b"firstBatch", b"nextBatch"):
            found = cursor[1][start:end]
    return number, array_of_documents(found) if found else []


def _size(kind: int, document: bytes, at: int) -> int:
    fixed = _FIXED.get(kind)
    if fixed is not None:
        return fixed
    if kind == 0x0B:
        middle = document.find(b"\0", at)
        last = document.find(b"\0", middle + 1) if middle >= 0 else -1
        if last < 0:
            raise NotBson("a regular expression does not end")
        return last + 1 - at
    if at + 4 > len(document):
        raise NotBson("a value does not end")
    (length,) = _INT32.unpack_from(document, at)
    if length < 0:
        raise NotBson("a value has no possible length")
    if kind in _TEXTS:
        return 4 + int(length)
    if kind in _SIZED:
        return int(length)
    if kind == 0x05:
        return 5 + int(length)
    if kind == 0x0C:
        return 4 + int(length) + 12
    raise NotBson(f"a value of unknown type {kind}")
