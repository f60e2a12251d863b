"""What an undo needs to know and is too long for the log: kept in pages that the manifest root names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from holdfast.model.errors import Damaged
from holdfast.repository.manifest import ManifestReader
from holdfast.repository.reader import ChunkReader

_PAGE_BYTES = 256 << 10
T = TypeVar("T", str, bytes)


class UndoPage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """``only``: patterns of what a restore touched. ``created``: names of what it made."""

    only: list[str] = []
    created: list[bytes] = []


def store_undo(put: Callable[[bytes], bytes], only: Iterable[str], created: Iterable[bytes]) -> list[bytes]:
    """Write pages through ``put``, which stores a META chunk; returns their chunk ids."""
    pages = (UndoPage(only=part) for part in _parts(only))
    more = (UndoPage(created=part) for part in _parts(created))
    return [put(msgspec.msgpack.encode(page)) for group in (pages, more) for page in group]


def read_undo(manifest: ManifestReader, reader: ChunkReader) -> UndoPage:
    """Everything ``store_undo`` wrote for this snapshot, in one. Damaged when it cannot be read."""
    whole = UndoPage(only=[], created=[])
    for chunk in manifest.root.undo:
        try:
            page = msgspec.msgpack.decode(reader.read(chunk), type=UndoPage)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise Damaged("what an undo needs to know cannot be read", why=str(error)) from error
        whole.only += page.only
        whole.created += page.created
    return whole


def _parts(names: Iterable[T]) -> Iterator[list[T]]:
    part: list[T] = []
    size = 0
    for name in names:
        part.append(name)
        size += len(name) + 4
        if size >= _PAGE_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
