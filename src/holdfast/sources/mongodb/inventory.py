"""What is in a database: collections, views and time series with every option and index, and who may use it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.documents import batch, documents
from holdfast.sources.mongodb.expiry import Paused, paused, with_expiry
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.values import RAW, look, raw_document, raw_of

_HIDDEN = ("system.", "enxcol_.")
_KINDS = {"collection": kinds.KIND_COLLECTION, "timeseries": kinds.KIND_TIMESERIES, "view": kinds.KIND_VIEW}
_NO_SUCH = 26
_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One collection, view or time series. ``raw``: what listCollections said; ``indexes``: what listIndexes said.

    ``size`` bytes and ``count`` documents are the server's estimates.
    """

    name: str
    kind: str
    raw: bytes
    indexes: tuple[bytes, ...] = ()
    size: int = 0
    count: int = 0
    decoded: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def item(self) -> bytes:
        """The name of its item."""
        return self.name.encode(errors="surrogateescape")

    @property
    def options(self) -> dict[str, Any]:
        """Its options, decoded for looking."""
        found: dict[str, Any] = self.decoded.get("options") or {}
        return found

    @property
    def uuid(self) -> bytes:
        """What tells it from another of the same name."""
        return bytes((self.decoded.get("info") or {}).get("uuid") or b"")

    @property
    def capped(self) -> bool:
        """Documents lie in the order of their insertion, which is part of what it is."""
        return bool(self.options.get("capped"))

    @property
    def collated(self) -> bool:
        """Its strings compare by a language's rules, ``_id`` too."""
        locale = (self.options.get("collation") or {}).get("locale", "simple")
        return bool(locale != "simple")

    @property
    def by_id(self) -> bool:
        """Whether documents can be had in ``_id`` order by key ranges."""
        plain = self.kind == kinds.KIND_COLLECTION and not self.capped and "clusteredIndex" not in self.options
        return plain and self.options.get("autoIndexId", True) is not False

    def definition(self) -> bytes:
        """The document kept in ``$definitions``."""
        indexes = [raw_document(each) for each in self.indexes]
        return bson.encode({"collection": raw_document(self.raw), "indexes": indexes}, codec_options=RAW)

    @property
    def identity(self) -> tuple[str, bytes]:
        """What must stay the same while it is read."""
        return self.name, self.uuid


def from_definition(raw: bytes) -> Collection:
    """The collection a document of ``$definitions`` tells of."""
    document = RawBSONDocument(raw, RAW)
    return _of(raw_of(document["collection"]), [raw_of(each) for each in document["indexes"]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which collections are meant: patterns of names, empty = all; ``exclude`` takes away."""

    collections: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def takes(self, name: str) -> bool:
        """Whether a collection of that name is part of it."""
        if name in kinds.OWN or name.startswith(_HIDDEN):
            return name == "system.js" and not self.collections and not self.only
        return (
            (not self.collections or matches(self.collections, name))
            and (not self.only or matches(self.only, name))
            and not matches(self.exclude, name)
        )


def matches(patterns: Iterable[str], name: str) -> bool:
    """Whether one of the patterns means this name."""
    return any(pattern == name or fnmatchcase(name, pattern) for pattern in patterns)


def read_collections(base: Base, choice: Choice, *, sizes: bool = True) -> list[Collection]:
    """Everything chosen, sorted by name. PyMongoError as the driver raises it."""
    entries = [_of(raw, []) for raw in listed(base, {"listCollections": 1})]
    still = paused(base) if any(entry.name == kinds.RESTORING for entry in entries) else []
    chosen = [entry for entry in entries if choice.takes(entry.name)]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="look") as pool:
        found = list(pool.map(lambda entry: _complete(base, entry, still, sizes=sizes), chosen))
    return sorted(found, key=lambda each: each.item)


def identities(base: Base, choice: Choice) -> set[tuple[str, bytes]]:
    """Name and uuid of everything chosen, as it is now."""
    entries = (_of(raw, []) for raw in listed(base, {"listCollections": 1}))
    return {entry.identity for entry in entries if choice.takes(entry.name)}


def listed(base: Base, command: dict[str, Any], session: ClientSession | None = None) -> Iterator[bytes]:
    """Every document that a command with a cursor gives, raw."""
    reply = base.command(command, codec_options=RAW, session=session)
    number, found = batch(raw_of(reply))
    yield from found
    namespace = reply["cursor"]["ns"].partition(".")[2]
    while number:
        more = {"getMore": bson.Int64(number), "collection": namespace}
        reply = base.command(more, codec_options=RAW, session=session)
        number, found = batch(raw_of(reply))
        yield from found


def read_access(base: Base) -> tuple[dict[str, list[bytes]], list[str]]:
    """(documents of roles and users, what could not be read)."""
    found: dict[str, list[bytes]] = {}
    missing = []
    for what, command in (
        (kinds.ROLES, {"rolesInfo": 1, "showPrivileges": True}),
        (kinds.USERS, {"usersInfo": 1, "showCredentials": True}),
        (kinds.USERS, {"usersInfo": 1}),
    ):
        if what in found:
            continue
        try:
            found[what] = [raw_of(each) for each in base.command(command, codec_options=RAW)[what]]
        except OperationFailure as error:
            if "showCredentials" not in command:
                missing.append(f"{what} of the database: not readable (code {error.code})")
    return found, missing


def views_in_order(views: Sequence[Collection]) -> list[Collection]:
    """Views, each after those it is made of (``viewOn`` and ``$lookup``, ``$unionWith`` … in its pipeline)."""
    waiting = {view.name: view for view in views}
    ordered: list[Collection] = []

    def visit(name: str) -> None:
        view = waiting.pop(name, None)
        if view is not None:
            for other in _mentioned(view.options):
                visit(other)
            ordered.append(view)

    for name in sorted(waiting):
        visit(name)
    return ordered


def _mentioned(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name in ("viewOn", "from", "coll", "$unionWith") and isinstance(each, str):
                yield each
            yield from _mentioned(each)
    elif isinstance(value, list):
        for each in value:
            yield from _mentioned(each)


def _of(raw: bytes, indexes: list[bytes]) -> Collection:
    decoded = look(raw)
    kind = _KINDS.get(decoded.get("type", "collection"), kinds.KIND_COLLECTION)
    if "timeseries" in (decoded.get("options") or {}):
        kind = kinds.KIND_TIMESERIES
    return Collection(name=decoded["name"], kind=kind, raw=raw, indexes=tuple(indexes), decoded=decoded)


def _complete(base: Base, entry: Collection, still: list[Paused], *, sizes: bool) -> Collection:
    indexes: list[bytes] = []
    size = count = 0
    if entry.kind != kinds.KIND_VIEW:
        try:
            indexes = list(listed(base, {"listIndexes": entry.name}))
        except OperationFailure as error:
            if error.code != _NO_SUCH:
                raise
    if sizes and entry.kind != kinds.KIND_VIEW:
        size, count = _estimated(base, entry.name)
    mine = [each for each in still if each.collection == entry.name]
    raw, specs = with_expiry(entry.raw, tuple(indexes), mine)
    return Collection(
        name=entry.name, kind=entry.kind, raw=raw, indexes=specs, size=size, count=count, decoded=look(raw)
    )


def _estimated(base: Base, name: str) -> tuple[int, int]:
    try:
        stats = base.command({"collStats": name}, codec_options=RAW)
    except OperationFailure:
        return 0, 0
    return int(stats.get("size", 0) or 0), int(stats.get("count", 0) or 0)


def definitions_of(blocks: Iterable[bytes]) -> list[Collection]:
    """The collections that the content of ``$definitions`` tells of."""
    return [from_definition(raw) for raw in documents(blocks)]
