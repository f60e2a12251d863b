"""How long documents live, in definitions: read, and put back in where a restore has made expiry stand still."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import bson

from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.documents import OBJECT, elements, field, made
from holdfast.sources.mongodb.owner import is_dead
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.values import look, raw_of

_FIELD = b"expireAfterSeconds"
_OPTIONS = b"options"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """One expiry that stands still. ``index`` "": that of the collection itself; ``was``: {expireAfterSeconds}."""

    collection: str
    index: str
    was: bytes
    owner: Mapping[str, Any]
    since: datetime

    @property
    def seconds(self) -> Any:
        """What it was."""
        return look(self.was)["expireAfterSeconds"]

    @property
    def left_over(self) -> bool:
        """Whether whoever paused it is no more."""
        return is_dead(self.owner, self.since)

    @property
    def command(self) -> dict[str, Any]:
        """What gives it back."""
        if not self.index:
            return {"collMod": self.collection, "expireAfterSeconds": self.seconds}
        return {"collMod": self.collection, "index": {"name": self.index, "expireAfterSeconds": self.seconds}}


def paused(base: Base) -> list[Paused]:
    """Every expiry that a restore, running or killed, has written down before it made it stand still."""
    return [_of(look(raw_of(each)), raw_of(each)) for each in base[kinds.RESTORING].find({"was": {"$exists": True}})]


def with_expiry(collection: bytes, indexes: tuple[bytes, ...], was: list[Paused]) -> tuple[bytes, tuple[bytes, ...]]:
    """What listCollections and listIndexes gave, as it is when nothing stands still."""
    for each in was:
        if each.index:
            indexes = tuple(_put(raw, each.was) if look(raw).get("name") == each.index else raw for raw in indexes)
        else:
            options = field(collection, _OPTIONS)
            patched = _put(options[1] if options else made([]), each.was)
            collection = made(_without(collection, _OPTIONS, (OBJECT, _OPTIONS, patched)))
    return collection, indexes


def _of(entry: dict[str, Any], raw: bytes) -> Paused:
    was = field(raw, b"was")
    name = entry["_id"]
    return Paused(
        collection=name["collection"], index=name["index"], was=was[1] if was else bson.encode({}),
        owner=entry["owner"], since=entry.get("since") or datetime(1970, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def _put(document: bytes, was: bytes) -> bytes:
    found = field(was, _FIELD)
    return made(_without(document, _FIELD, (found[0], _FIELD, found[1]))) if found else document


def _without(document: bytes, name: bytes, new: tuple[int, bytes, bytes]) -> Iterator[tuple[int, bytes, bytes]]:
    """Its fields, ``new`` in the place of the one of that name or at the end."""
    there = False
    for kind, found, start, end in elements(document):
        there = there or found == name
        yield new if found == name else (kind, found, document[start:end])
    if not there:
        yield new
