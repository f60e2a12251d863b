"""Packs: objects that hold many sealed chunks, and can be read without any index.

Layout (docs/format-1.md, "Pack"): a header with the wrapped pack key, and room for wraps that later versions add;
frames; a trailer frame with the sealed table of contents; a footer of 16 bytes that points at the trailer. The nonce of
a frame is its ordinal, the pack key is random and used for nothing else.
"""

from __future__ import annotations

import mmap
import secrets
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.crypto.keys import Keyring, hkdf
from holdfast.model.errors import Damaged
from holdfast.repository.layout import pack_path

MAGIC = b"HFPK"
VERSION = 1
_HEADER = struct.Struct(">4sBBH16s16sIxxxx32s")
_CLEAR_SIZE = _HEADER.size
_WRAP = struct.Struct(">BxH")
_MASTER = 1
"""The kind of wrap that opens with a key derived from the master key."""
_WRAPPED = 48
HEADER_SIZE = _CLEAR_SIZE + _WRAP.size + _WRAPPED
"""Of the packs this version writes. Later ones may be longer: ``read_key``."""
_FRAME = struct.Struct(">2sBBII32s")
FRAME_SIZE = _FRAME.size
_FRAME_MAGIC = b"HF"
TAG = 16
_PAD = 256
_INNER = struct.Struct(">II")
_FOOTER = struct.Struct(">4sIII")
_FOOTER_MAGIC = b"HFTR"
_ENTRY = struct.Struct(">32sBBxxIII")
ENTRY_SIZE = _ENTRY.size

DATA, META, TRAILER = 1, 2, 255
_NO_ID = bytes(32)


@dataclass(frozen=True, slots=True)
class Entry:
    """One chunk of a pack. ``length`` counts the frame with its header; ``base`` is set for deltas."""

    id: bytes
    type: int
    codec: int
    offset: int
    length: int
    size: int
    base: bytes = b""


@dataclass(frozen=True, slots=True)
class Frame:
    """An opened frame: what it is and its still encoded payload."""

    ordinal: int
    type: int
    codec: int
    id: bytes
    size: int
    base: bytes
    payload: memoryview


class PackKey:
    """The opened key of one pack; unseals any of its frames, of which the first begins at ``start``.

    ``header``: the pack's first bytes, its whole header at least (``read_key`` gets it).
    """

    __slots__ = ("_cipher", "_clear", "start")

    def __init__(self, keyring: Keyring, header: bytes | memoryview, where: str) -> None:
        if len(header) < HEADER_SIZE or bytes(header[:4]) != MAGIC:
            raise Damaged("a pack is truncated or is not a pack", where=where)
        _, version, wraps, self.start, repository, session, number, salt = _HEADER.unpack_from(header)
        if version != VERSION:
            raise Damaged("a pack has an unknown version: it was altered, or a newer holdfast wrote it", where=where)
        if repository != keyring.repository:
            raise Damaged("a pack of another repository stands in this place", where=where)
        if where != pack_path(session + number.to_bytes(4, "big")):
            raise Damaged("a pack of another name stands in this place", where=where)
        self._clear = bytes(header[:_CLEAR_SIZE])
        head, wrapped = _master_wrap(bytes(header[_CLEAR_SIZE : self.start]), wraps, where)
        try:
            key = AESGCM(hkdf(keyring.pack_wrap, salt, "holdfast/1/pack")).decrypt(
                bytes(12), wrapped, self._clear + head
            )
        except InvalidTag as error:
            raise Damaged("a pack's header was altered", where=where) from error
        self._cipher = AESGCM(key)

    def open(self, frame: bytes | memoryview, where: str) -> Frame:
        """Unseal the frame at the start of ``frame``; Damaged unless every bit is as it was written."""
        if len(frame) < FRAME_SIZE + TAG:
            raise Damaged("a pack is truncated", where=where)
        magic, kind, codec, ordinal, sealed, chunk = _FRAME.unpack_from(frame)
        if magic != _FRAME_MAGIC or len(frame) < FRAME_SIZE + sealed:
            raise Damaged("a frame is truncated or altered", where=where)
        view = memoryview(frame)
        try:
            inner = self._cipher.decrypt(
                _nonce(ordinal), view[FRAME_SIZE : FRAME_SIZE + sealed], self._clear + bytes(view[:FRAME_SIZE])
            )
        except InvalidTag as error:
            raise Damaged("a chunk was altered", where=where, why=f"chunk {chunk.hex()[:16]}") from error
        size, length = _INNER.unpack_from(inner)
        start = _INNER.size
        base = b""
        if codec == 2:
            base = inner[start : start + 32]
            start += 32
        return Frame(ordinal, kind, codec, chunk, size, base, memoryview(inner)[start : start + length])


def read_key(keyring: Keyring, get: Callable[[int], bytes], where: str) -> PackKey:
    """The key of the pack of which ``get(length)`` gives the first bytes."""
    header = get(HEADER_SIZE)
    length = int.from_bytes(header[6:8], "big")
    return PackKey(keyring, header if length <= len(header) else get(length), where)


def _master_wrap(wraps: bytes, count: int, where: str) -> tuple[bytes, bytes]:
    """(head, body) of the first wrap that the master key opens; wraps for others are passed over."""
    at = 0
    for _ in range(count):
        if at + _WRAP.size > len(wraps):
            break
        kind, size = _WRAP.unpack_from(wraps, at)
        body = at + _WRAP.size
        if kind == _MASTER and size == _WRAPPED and body + size <= len(wraps):
            return wraps[at:body], wraps[body : body + size]
        at = body + size
    what = "a pack's key is wrapped for nobody this version knows: it was altered, or a newer holdfast wrote it"
    raise Damaged(what, where=where)


class PackBuilder:
    """One pack being filled, in one reused buffer. Not safe for several threads at once.

    The buffer is pages of its own, of which only those used take memory: a file system can then take it as it lies,
    without copying it into its cache first.
    """

    def __init__(self, keyring: Keyring, capacity: int) -> None:
        self._keyring = keyring
        self._buffer = _pages(capacity)
        self._entries: list[Entry] = []
        self._end = 0

    def begin(self, session: str, number: int) -> None:
        """Start the pack ``number`` of ``session``."""
        salt, key = secrets.token_bytes(32), secrets.token_bytes(32)
        clear = _HEADER.pack(
            MAGIC, VERSION, 1, HEADER_SIZE, self._keyring.repository, bytes.fromhex(session), number, salt
        )
        head = _WRAP.pack(_MASTER, _WRAPPED)
        wrapped = AESGCM(hkdf(self._keyring.pack_wrap, salt, "holdfast/1/pack")).encrypt(bytes(12), key, clear + head)
        self._buffer[:HEADER_SIZE] = clear + head + wrapped
        self.number = number
        self._clear = clear
        self._cipher = AESGCM(key)
        self._entries = []
        self._end = HEADER_SIZE

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._end

    @property
    def count(self) -> int:
        """Chunks so far."""
        return len(self._entries)

    def add(self, entry: Entry, payload: bytes | memoryview | bytearray) -> None:
        """Seal one chunk into the pack; offset and length of ``entry`` are set here."""
        offset = self._end
        self._seal(entry.type, entry.codec, entry.id, entry.size, entry.base, payload)
        self._entries.append(
            Entry(entry.id, entry.type, entry.codec, offset, self._end - offset, entry.size, entry.base)
        )

    def finish(self) -> tuple[memoryview, list[Entry]]:
        """The whole pack's bytes (valid until the next ``begin``) and its entries."""
        trailer = self._end
        count = len(self._entries)
        table = b"".join(
            _ENTRY.pack(e.id, e.type, e.codec, e.offset, e.length, e.size) + e.base for e in self._entries
        )
        self._seal(TRAILER, 0, _NO_ID, len(table), b"", table)
        footer = _FOOTER.pack(_FOOTER_MAGIC, VERSION, trailer, count)
        self._room(len(footer))
        self._buffer[self._end : self._end + len(footer)] = footer
        self._end += len(footer)
        return memoryview(self._buffer)[: self._end], self._entries

    def _seal(
        self, kind: int, codec: int, chunk: bytes, size: int, base: bytes, payload: bytes | memoryview | bytearray
    ) -> None:
        inner = b"".join((_INNER.pack(size, len(payload)), base, payload))
        inner += bytes(-len(inner) % _PAD)
        sealed = len(inner) + TAG
        ordinal = len(self._entries)
        header = _FRAME.pack(_FRAME_MAGIC, kind, codec, ordinal, sealed, chunk)
        self._room(FRAME_SIZE + sealed)
        start = self._end
        self._buffer[start : start + FRAME_SIZE] = header
        body = memoryview(self._buffer)[start + FRAME_SIZE : start + FRAME_SIZE + sealed]
        self._cipher.encrypt_into(_nonce(ordinal), inner, self._clear + header, body)
        body.release()
        self._end = start + FRAME_SIZE + sealed

    def _room(self, need: int) -> None:
        if self._end + need > len(self._buffer):
            larger = _pages(max(2 * len(self._buffer), self._end + need))
            larger[: self._end] = self._buffer[: self._end]
            self._buffer = larger


def _pages(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def iterate(key: PackKey, pack: bytes | memoryview, where: str) -> Iterator[tuple[Entry, Frame]]:
    """Every chunk of a whole pack in order, each unsealed; Damaged when frames, trailer and footer do not agree."""
    view = memoryview(pack)
    offset, ordinal = key.start, 0
    while True:
        frame = key.open(view[offset:], where)
        length = _frame_length(view[offset:])
        if frame.ordinal != ordinal:
            raise Damaged("a pack's frames are out of order", where=where)
        if frame.type == TRAILER:
            break
        yield Entry(frame.id, frame.type, frame.codec, offset, length, frame.size, frame.base), frame
        offset += length
        ordinal += 1
    tail = bytes(view[offset + length :])
    if tail != _FOOTER.pack(_FOOTER_MAGIC, VERSION, offset, ordinal):
        raise Damaged("a pack's footer was altered", where=where)


def footer(tail: bytes, where: str) -> int:
    """Offset of the trailer frame, read from the last FOOTER_SIZE bytes of a pack."""
    if len(tail) != _FOOTER.size:
        raise Damaged("a pack is truncated", where=where)
    magic, _, trailer, _ = _FOOTER.unpack(tail)
    if magic != _FOOTER_MAGIC:
        raise Damaged("a pack is truncated or its footer was altered", where=where)
    return int(trailer)


FOOTER_SIZE = _FOOTER.size


def contents(key: PackKey, trailer: bytes | memoryview, where: str) -> list[Entry]:
    """The table of contents, from the trailer frame."""
    frame = key.open(trailer, where)
    if frame.type != TRAILER:
        raise Damaged("a pack's trailer is not where its footer says", where=where)
    entries = []
    position, table = 0, frame.payload
    while position < len(table):
        chunk, kind, codec, offset, length, size = _ENTRY.unpack_from(table, position)
        position += ENTRY_SIZE
        base = b""
        if codec == 2:
            base = bytes(table[position : position + 32])
            position += 32
        entries.append(Entry(chunk, kind, codec, offset, length, size, base))
    return entries


def salvage(key: PackKey, pack: bytes, where: str) -> Iterator[Entry]:
    """Every frame of a damaged pack that can still be unsealed, found by the magic bytes frames begin with."""
    view = memoryview(pack)
    offset = key.start
    while 0 <= offset < len(pack):
        try:
            frame = key.open(view[offset:], where)
        except Damaged:
            offset = pack.find(_FRAME_MAGIC, offset + 1)
            continue
        length = _frame_length(view[offset:])
        if frame.type != TRAILER:
            yield Entry(frame.id, frame.type, frame.codec, offset, length, frame.size, frame.base)
        offset += length


def _frame_length(frame: memoryview) -> int:
    return FRAME_SIZE + int(_FRAME.unpack_from(frame)[4])


def _nonce(ordinal: int) -> bytes:
    return ordinal.to_bytes(12, "big")
