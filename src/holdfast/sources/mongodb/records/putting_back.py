"""Puts documents back as they were before a run that failed, unless they have become somebody else's meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Any

import bson
from bson import Binary, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import DocumentTooLarge
from pymongo.write_concern import WriteConcern

from holdfast.model.errors import TargetError
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.inventory import listed
from holdfast.sources.mongodb.loading import Loaded, insert, nonzero
from holdfast.sources.mongodb.merging import sorted_fields
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.swapping import by_ids, key_of, swap
from holdfast.sources.mongodb.values import RAW, look, plain, raw_document, raw_of

_AT_ONCE = 200


@dataclass(slots=True)
class Noted:
    """What a run was about to do to one document. ``was`` b"": nothing. ``marks``: of what it wrote, where it is whole.

    ``key`` is the document's ``{_id}``.
    """

    collection: str
    verb: str
    key: bytes
    was: bytes
    marks: tuple[bytes, ...] | None

    @classmethod
    def of(cls, entry: RawBSONDocument) -> Noted:
        """Out of an entry of the journal."""
        marks = entry["marks"]
        return cls(
            collection=str(entry["collection"]), verb=str(entry["verb"]), key=raw_of(entry["key"]),
            was=b"".join(map(bytes, entry["was"])), marks=None if marks is None else tuple(map(bytes, marks)),
        )  # fmt: skip

    def is_ours(self, living: bytes) -> bool:
        """Whether this still is what the run wrote; of a few changed fields that is not known."""
        return self.marks is None or _mark(living) in self.marks


def marks_of(document: bytes) -> list[Binary]:
    """What tells a document that was written from one that somebody changed; the server may move fields."""
    return [Binary(mark) for mark in sorted({_mark(document), _mark(nonzero(document)[0])})]


def put_back(base: Base, noted: Sequence[Noted]) -> TargetError | None:
    """In this order; the error names what the server refuses, which is kept in the journal first."""
    refused: list[Noted] = []
    for (name, verb), group in groupby(noted, key=lambda each: (each.collection, each.verb)):
        some = list(group)
        for at in range(0, len(some), _AT_ONCE):
            refused += _put_back(base, name, verb, some[at : at + _AT_ONCE])
    if not refused:
        return None
    reasons = [_keep(base, each) for each in refused]
    shown = ", ".join(f"{each.collection} _id {plain(look(each.key)['_id'])}" for each in refused[:5])
    return TargetError(
        f"{len(refused)} documents could not be put back as they were", where=f"{base.name}: {shown}",
        why=reasons[0],
        hint=f"others use what they need; they are kept in the collection {kinds.JOURNAL} (field was) and put back as "
        "soon as that is possible",
    )  # fmt: skip


def try_again(base: Base) -> None:
    """Put back what was refused once, where nothing stands in its place now."""
    for raw in listed(base, {"find": kinds.JOURNAL, "filter": {"kept": True}}):
        entry = RawBSONDocument(raw, RAW)
        noted = Noted.of(entry)
        if by_ids(base, noted.collection, [noted.key]) or not _insert(base, noted):
            base[kinds.JOURNAL].delete_one({"_id": entry["_id"]})


def _put_back(base: Base, name: str, verb: str, some: list[Noted]) -> list[Noted]:
    """Those that were refused."""
    living = {key_of(raw): raw for raw in by_ids(base, name, [each.key for each in some])}
    if verb == "delete":
        gone = [each for each in some if each.was and key_of(each.key) not in living]
        return [each for each in gone if _insert(base, each)]
    pairs = [
        (there, each.was) for each in some
        if (there := living.get(key_of(each.key))) is not None and there != each.was and each.is_ours(there)
        and (verb == "update" or not each.was)
    ]  # fmt: skip
    loaded = Loaded()
    swap(base, name, pairs, loaded)
    if not loaded.problems:
        return []
    wanted = {key_of(there): was for there, was in pairs}
    now = {key_of(raw): raw for raw in by_ids(base, name, [there for there, _ in pairs])}
    left = {key for key, was in wanted.items() if now.get(key, b"") not in (was, nonzero(was)[0] if was else b"")}
    return [each for each in some if key_of(each.key) in left]


def _insert(base: Base, noted: Noted) -> str:
    """Why the server refuses it, "" when it is there."""
    loaded = Loaded()
    insert(base, noted.collection, [noted.was], loaded)
    if loaded.duplicates:
        return "another document has one of its unique values"
    return loaded.problems[0] if loaded.problems else ""


def _keep(base: Base, noted: Noted) -> str:
    """Keep what stood there before; why it could not be put back."""
    reason = "another document has one of its unique values, or the server refuses it"
    entry: dict[str, Any] = {
        "_id": {"kept": ObjectId()}, "kept": True, "owner": None, "collection": noted.collection, "verb": noted.verb,
        "key": raw_document(noted.key), "was": [Binary(noted.was)], "marks": None, "why": reason,
    }  # fmt: skip
    journal = base.get_collection(kinds.JOURNAL, write_concern=WriteConcern(w=1, j=True))
    try:
        journal.insert_one(raw_document(bson.encode(entry)))
    except DocumentTooLarge as error:
        raise TargetError(
            "a document could not be put back as it was, nor kept", where=f"{base.name} {noted.collection}",
            why=str(error), hint=f"its journal is left in {kinds.JOURNAL}",
        ) from error  # fmt: skip
    return reason


def _mark(document: bytes) -> bytes:
    return blake2b(sorted_fields(document), digest_size=16).digest()
