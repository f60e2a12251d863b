"""Reads what pg_dump knows about a database: every definition of a custom archive, exactly, with what it needs.

Only the table of contents is read (a ``--schema-only`` archive has nothing else). ``pg_restore -l`` prints the same
list, but not so that names with blanks and newlines could be told apart, nor with statements; so the archive is
read here, and no program is needed to restore.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from holdfast.model.errors import Damaged

_SECTIONS = {1: "", 2: "pre-data", 3: "data", 4: "post-data"}
_OLDEST, _NEWEST = (1, 12), (1, 16)
_LAST = frozenset({"EVENT TRIGGER", "MATERIALIZED VIEW DATA"})
_ACCESS = frozenset({"ACL", "DEFAULT ACL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One entry: what it is (``desc``), where, how it is made and dropped, and the ids it ``needs``.

    ``section`` "pre-data", "data" or "post-data" (comments and grants: that of the entry they follow).
    """

    id: int
    desc: str
    tag: str
    namespace: str
    owner: str
    section: str
    create: str
    drop: str
    tablespace: str
    access_method: str
    relkind: str
    needs: tuple[int, ...]

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes it the same object in another archive."""
        return (self.desc, self.namespace, self.tag)

    @property
    def phase(self) -> str:
        """When it runs: "pre-data", "data", "post-data", "access" (grants) or "last" (event triggers)."""
        if self.desc in _ACCESS:
            return "access"
        about_last = self.desc in {"COMMENT", "SECURITY LABEL"} and self.tag.startswith("EVENT TRIGGER ")
        return "last" if self.desc in _LAST or about_last else self.section


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """All definitions of one database, in an order in which they can be made.

    ``codec`` is the Python name of ``encoding``; statements go to the server in it, bytes unchanged.
    """

    database: str
    server_version: str
    encoding: str
    codec: str
    entries: tuple[Definition, ...]
    _by_id: dict[int, Definition] = field(repr=False)

    def get(self, identifier: int) -> Definition | None:
        """The entry of that id."""
        return self._by_id.get(identifier)

    def phase(self, name: str) -> list[Definition]:
        """The entries of one phase, in order."""
        return [entry for entry in self.entries if entry.phase == name]

    def of(self, *kinds: str) -> Iterator[Definition]:
        """The entries of these kinds, in order."""
        return (entry for entry in self.entries if entry.desc in kinds)

    def ends(self, attach: Definition) -> tuple[Definition, Definition] | None:
        """The partition and its parent; pg_dump names them last, after what their indexes need."""
        found = [self.get(need) for need in attach.needs]
        tables = [end for end in found if end is not None and end.desc in {"TABLE", "FOREIGN TABLE"}][-2:]
        return (tables[0], tables[1]) if len(tables) == len(("child", "parent")) else None

    def attachments(self) -> Iterator[tuple[Definition, Definition, Definition]]:
        """Every partition, its parent, and the entry that joins them."""
        for attach in self.of("TABLE ATTACH"):
            if ends := self.ends(attach):
                yield (*ends, attach)

    def encode(self, statement: str) -> bytes:
        """A statement in the archive's encoding."""
        return statement.encode(self.codec, "surrogateescape")


def read_definitions(archive: Iterable[bytes]) -> Definitions:
    """Parse a custom archive; Damaged when it is not one, or of a version nobody knew when this was written."""
    data = b"".join(archive)
    try:
        return _parse(_Reader(data))
    except (IndexError, ValueError, LookupError) as error:
        raise Damaged(
            "the definitions of this snapshot cannot be read",
            where="definitions",
            why=str(error),
            hint="run 'holdfast check --read-data', or restore from another snapshot",
        ) from error


def entry_ranges(data: bytes) -> tuple[int, list[tuple[int, int, int, int]]]:
    """Where the number of entries stands, and of each entry (id, number of its section, begin, end)."""
    reader = _Reader(data)
    _head(reader)
    start, ranges = reader.at, []
    for _ in range(reader.number()):
        begin = reader.at
        entry = _entry(reader)
        ranges.append((entry.id, entry.section, begin, reader.at))
    return start, ranges


class _Reader:
    """The archive's primitive values, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        if data[:5] != b"PGDMP":
            raise ValueError("not a pg_dump custom archive")
        self.version = (data[5], data[6])
        if not _OLDEST <= self.version <= _NEWEST:
            raise ValueError(f"archive version {data[5]}.{data[6]} is not known to this version of holdfast")
        self.int_size, self.offset_size = data[8], data[9]
        self.at = 11

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        sign = self.byte()
        end = self.at + self.int_size
        if end > len(self.data):
            raise IndexError("the archive ends in the middle of a number")
        value = int.from_bytes(self.data[self.at : end], "little")
        self.at = end
        return -value if sign else value

    def text(self) -> bytes | None:
        length = self.number()
        if length < 0:
            return None
        end = self.at + length
        if end > len(self.data):
            raise IndexError("the archive ends in the middle of a text")
        value = self.data[self.at : end]
        self.at = end
        return value


@dataclass(slots=True)
class _Raw:
    """An entry before its encoding is known."""

    id: int
    section: int
    relkind: int
    texts: dict[str, bytes]
    needs: tuple[int, ...]


def _parse(reader: _Reader) -> Definitions:
    database, server_version = _head(reader)
    raw = [_entry(reader) for _ in range(reader.number())]
    encoding = _encoding(raw)
    codec = python_codec(encoding)
    entries = tuple(_decoded(raw, codec))
    return Definitions(
        database=database.decode(codec, "surrogateescape"),
        server_version=server_version.decode(codec, "replace"),
        encoding=encoding,
        codec=codec,
        entries=entries,
        _by_id={entry.id: entry for entry in entries},
    )


def _head(reader: _Reader) -> tuple[bytes, bytes]:
    if reader.version >= (1, 15):
        reader.byte()  # compression algorithm; the table of contents is never compressed
    else:
        reader.number()
    for _ in range(7):  # the time of the dump
        reader.number()
    database = reader.text() or b""
    server_version = reader.text() or b""
    reader.text()
    return database, server_version


def _entry(reader: _Reader) -> _Raw:
    identifier = reader.number()
    reader.number()
    reader.text()
    reader.text()
    texts = {"tag": reader.text() or b"", "desc": reader.text() or b""}
    section = reader.number()
    for name in ("create", "drop", "copy", "namespace", "tablespace"):
        texts[name] = reader.text() or b""
    texts["access_method"] = (reader.text() or b"") if reader.version >= (1, 14) else b""
    relkind = reader.number() if reader.version >= (1, 16) else 0
    texts["owner"] = reader.text() or b""
    reader.text()
    needs = []
    while (need := reader.text()) is not None:
        needs.append(int(need))
    reader.at += 1 + reader.offset_size  # where its data would be
    return _Raw(identifier, section, relkind, texts, tuple(needs))


def _encoding(raw: list[_Raw]) -> str:
    for entry in raw:
        if entry.texts["desc"] == b"ENCODING":
            found = re.search(rb"= '([^']+)'", entry.texts["create"])
            if found:
                return found[1].decode("ascii")
    return "UTF8"


def _decoded(raw: list[_Raw], codec: str) -> Iterator[Definition]:
    section = "pre-data"
    for entry in raw:
        section = _SECTIONS.get(entry.section, "") or section
        texts = {name: value.decode(codec, "surrogateescape") for name, value in entry.texts.items()}
        yield Definition(
            id=entry.id,
            desc=texts["desc"],
            tag=texts["tag"],
            namespace=texts["namespace"],
            owner=texts["owner"],
            section=section,
            create=texts["create"],
            drop=texts["drop"],
            tablespace=texts["tablespace"],
            access_method=texts["access_method"],
            relkind=chr(entry.relkind) if entry.relkind else "",
            needs=entry.needs,
        )


def python_codec(encoding: str) -> str:
    """Python's name of a server encoding; any byte of SQL_ASCII is a letter of Latin 1."""
    name = encoding.upper()
    special = {
        "UTF8": "utf-8",
        "SQL_ASCII": "latin-1",
        "UNICODE": "utf-8",
        "KOI8R": "koi8_r",
        "KOI8U": "koi8_u",
        "SHIFT_JIS_2004": "shift_jis_2004",
        "UHC": "cp949",
        "WIN866": "cp866",
        "WIN874": "cp874",
    }
    wanted = special.get(name) or re.sub(r"^WIN", "cp", name)
    try:
        return codecs.lookup(wanted.lower()).name
    except LookupError:
        return "utf-8"
