"""Large objects as pg_dump puts them into a custom archive: an entry that makes each, and one block with all bytes.

The pages of an object may lie in any order in the snapshot, and stand in the archive in order: they are laid out in a
temporary file first (in ``TMPDIR``).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from holdfast.model.errors import SourceError
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content
from holdfast.sources.postgres.archive_parts import PRE_DATA, Entry, number
from holdfast.sources.postgres.items import META_KEY
from holdfast.sources.postgres.names import literal, quote
from holdfast.sources.postgres.records import arrays
from holdfast.sources.postgres.records.pieces import whole_lines
from holdfast.sources.postgres.records.text import unescaped

_RIGHTS = {"r": "SELECT", "w": "UPDATE"}
_FRAME = 1 << 20
_SIGN = 1 << 31


@dataclass(frozen=True, slots=True)
class _Object:
    """One large object; ``acl`` as the server writes arrays of grants, None where nobody granted anything."""

    number: int
    owner: str
    acl: str | None
    comment: str | None


class ArchivedLargeObjects:
    """The large objects of one snapshot."""

    def __init__(self, item: Item, content: Content, codec: str) -> None:
        self._item = item
        self._content = content
        self._objects = [
            _Object(int(fields[0] or 0), fields[1] or "", fields[2], fields[3])
            for segment in item.segments if segment.key == META_KEY
            for line in whole_lines(content.blocks(segment))
            for fields in [[unescaped(field) for field in line.decode(codec, "surrogateescape").split("\t")]]
        ]  # fmt: skip

    def entries(self, first: int) -> tuple[list[Entry], Entry | None]:
        """What makes them and says whose they are, ids from ``first``; and the entry of their bytes."""
        made: list[Entry] = []
        for each in self._objects:
            blob = Entry(
                id=first + len(made), tag=str(each.number), namespace="", owner=each.owner, needs=(), desc="BLOB",
                create=f"SELECT pg_catalog.lo_create('{each.number}');\n", section=PRE_DATA,
            )  # fmt: skip
            made.append(blob)
            beside = replace(blob, tag=f"LARGE OBJECT {each.number}", needs=(blob.id,))
            if each.comment is not None:
                text = f"COMMENT ON LARGE OBJECT {each.number} IS {literal(each.comment).strip()};\n"
                made.append(replace(beside, id=first + len(made), desc="COMMENT", create=text))
            if each.acl is not None:
                made.append(replace(beside, id=first + len(made), desc="ACL", create=_grants(each)))
        if not self._objects:
            return made, None
        bytes_of = Entry(id=first + len(made), tag="BLOBS", namespace="", owner="", needs=(), desc="BLOBS", bare=True)
        return made, bytes_of

    def blocks(self) -> Iterator[bytes]:
        """The bytes of all, each object in frames; as they follow the id of their entry."""
        sizes = dict.fromkeys((each.number for each in self._objects), 0)
        for which, at, data in self._pages():
            sizes[which] = max(sizes.get(which, 0), at + len(data))
        begins: dict[int, int] = {}
        whole = 0
        for which, size in sizes.items():
            begins[which], whole = whole, whole + size
        try:
            with tempfile.TemporaryFile(prefix="holdfast-largeobjects-") as file:
                file.truncate(whole)
                for which, at, data in self._pages():
                    os.pwrite(file.fileno(), data, begins[which] + at)
                for which, size in sizes.items():
                    yield number(which - 2 * _SIGN if which >= _SIGN else which)
                    yield from _framed(file, begins[which], size)
        except OSError as error:
            raise SourceError(
                "there is no room to put large objects in order", why=error.strerror or str(error),
                hint=f"{whole:,} bytes are needed; set TMPDIR to a folder on a larger disk",
            ) from error  # fmt: skip
        yield number(0)

    def _pages(self) -> Iterator[tuple[int, int, bytes]]:
        for segment in self._item.segments:
            if segment.key != META_KEY:
                for line in whole_lines(self._content.blocks(segment)):
                    which, at, data = line.split(b"\t")
                    yield int(which), int(at), bytes.fromhex(data.removeprefix(b"\\\\x").decode())


def _framed(file: BinaryIO, begin: int, size: int) -> Iterator[bytes]:
    for at in range(begin, begin + size, _FRAME):
        data = os.pread(file.fileno(), min(_FRAME, begin + size - at), at)
        yield number(len(data)) + data
    yield number(0)


def _grants(each: _Object) -> str:
    """Grants as statements; what the owner may is told where it is not everything."""
    told = [f"REVOKE ALL ON LARGE OBJECT {each.number} FROM {quote(each.owner)};\n"]
    for grant in arrays.parsed(each.acl or "{}") or []:
        grantee, _, rights = _parted(str(grant))
        role = quote(grantee) if grantee else "PUBLIC"
        for with_option in (False, True):
            names = [
                _RIGHTS[letter] for place, letter in enumerate(rights)
                if letter in _RIGHTS and (rights[place + 1 : place + 2] == "*") == with_option
            ]  # fmt: skip
            if names:
                option = " WITH GRANT OPTION" if with_option else ""
                told.append(f"GRANT {','.join(names)} ON LARGE OBJECT {each.number} TO {role}{option};\n")
    return "".join(told)


def _parted(grant: str) -> tuple[str, str, str]:
    """(who, sign, rights) of ``who=rights/by``; names may be quoted."""
    if grant.startswith('"'):
        end = 1
        while grant[end] != '"' or grant[end : end + 2] == '""':
            end += 2 if grant[end] == '"' else 1
        name, rest = grant[1:end].replace('""', '"'), grant[end + 1 :]
    else:
        name, _, rest = grant.partition("=")
        rest = f"={rest}"
    return name, "=", rest[1:].partition("/")[0]
