"""Puts documents in the place of living ones, or takes these away, while they still are what they were compared as.

Each write names the whole document it is meant for, so what somebody else wrote a moment before is not lost. A
replacement is found by ``_id`` alone and compares in itself: a filter that compares makes some servers read everything.
"""

from __future__ import annotations

from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError

from holdfast.sources.mongodb.documents import elements, only
from holdfast.sources.mongodb.inventory import listed
from holdfast.sources.mongodb.loading import DUPLICATE, Loaded, give_back_zero_timestamps, insert, nonzero
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.values import RAW, identity, look, raw_document

_AT_ONCE = 500
_AT_ONCE_BYTES = 16 << 20
_LARGE = 6 << 20  # twice as much still fits into one write

Pair = tuple[bytes, bytes]
"""A living document, and what shall stand in its place; empty: nothing."""
Write = ReplaceOne[RawBSONDocument] | DeleteOne | UpdateOne


def swap(base: Base, name: str, pairs: list[Pair], loaded: Loaded) -> int:
    """Write every pair; how many were left because somebody else had changed them. PyMongoError."""
    left, some, size = 0, [], 0
    for pair in pairs:
        some.append(pair)
        size += len(pair[0]) + len(pair[1])
        if len(some) == _AT_ONCE or size > _AT_ONCE_BYTES:
            left += _swap(base, name, some, loaded)
            some, size = [], 0
    return left + (_swap(base, name, some, loaded) if some else 0)


def exchange(base: Base, name: str, loaded: Loaded) -> int:
    """Try once more what clashed with a unique value of a document that has changed, or gone, since.

    Documents that want each other's values: all of them go, then all come; who is refused even so is put back as it
    was. How many were left because somebody else had changed them; ``loaded`` counts what stays refused.
    """
    pairs, documents = loaded.clashing, loaded.refused
    if not pairs and not documents:
        return 0
    once = Loaded(again=True)
    left = swap(base, name, pairs, once)
    clashing, once.clashing = once.clashing, []
    left += swap(base, name, [(living, b"") for living, _ in clashing], once)
    wanted = {key_of(document): document for document in [*documents, *(document for _, document in clashing)]}
    once.refused = []
    insert(base, name, list(wanted.values()), once)
    still = set(map(key_of, once.refused))
    insert(base, name, [living for living, document in clashing if key_of(document) in still], Loaded())
    loaded.add(once.inserted, len(still) - len(documents), once.problems)
    loaded.clashing, loaded.refused = [], []
    return left


def by_ids(base: Base, name: str, documents: list[bytes]) -> list[bytes]:
    """The living documents with the ``_id`` of these."""
    keys = [RawBSONDocument(each, RAW)["_id"] for each in documents]
    return list(listed(base, {"find": name, "filter": {"_id": {"$in": keys}}}))


def key_of(document: bytes) -> bytes:
    """The same bytes for ``_id`` values the server calls equal."""
    return identity(look(only(document, b"_id")).get("_id"))


def _swap(base: Base, name: str, pairs: list[Pair], loaded: Loaded) -> int:
    changed = [nonzero(document) if document else (document, []) for _, document in pairs]
    sent = [(living, altered) for (living, _), (altered, _) in zip(pairs, changed, strict=True)]
    done, failed = _send(base, name, sent, loaded, guarded=True)
    loaded.clashing += [pairs[at] for at, code in failed.items() if loaded.again and code == DUPLICATE]
    left = 0
    if done + len(failed) < len(sent):
        rest = [pair for at, pair in enumerate(sent) if at not in failed]
        left = _look_again(base, name, rest, loaded)
    if again := [document for living, document in pairs if _has_another_key(living, document)]:
        insert(base, name, again, loaded)
    held_back = [
        each for (living, document), each in zip(pairs, changed, strict=True)
        if each[1] and not _has_another_key(living, document)
    ]  # fmt: skip
    give_back_zero_timestamps(base, name, held_back)
    return left


def _look_again(base: Base, name: str, pairs: list[Pair], loaded: Loaded) -> int:
    """Some did not fit: changed by others, which is counted, or of a form that equals nothing, not even itself."""
    now = {key_of(document): document for document in by_ids(base, name, [living for living, _ in pairs])}
    left, odd = 0, []
    for living, document in pairs:
        there = now.get(key_of(living), b"")
        if there == living:
            odd.append((living, document))
        elif there != document and not (not there and _has_another_key(living, document)):
            left += 1
    if odd:
        once = Loaded()
        _send(base, name, odd, once, guarded=False)
        loaded.add(0, 0, once.problems)
    return left


def _send(base: Base, name: str, pairs: list[Pair], loaded: Loaded, *, guarded: bool) -> tuple[int, dict[int, int]]:
    """(writes that met their document, the server's code by place for those that it refused)."""
    requests = [_request(living, document, guarded=guarded) for living, document in pairs]
    try:
        result = base[name].bulk_write(requests, ordered=False, bypass_document_validation=True)
    except BulkWriteError as error:
        failures = error.details.get("writeErrors", [])
        told = [each for each in failures if not loaded.again or each.get("code") != DUPLICATE]
        loaded.add(0, 0, [str(each.get("errmsg", "refused")) for each in told])
        changed = "nModified" if guarded else "nMatched"
        met = int(error.details.get(changed, 0)) + int(error.details.get("nRemoved", 0))
        return met, {int(each["index"]): int(each.get("code", 0)) for each in failures}
    return (result.modified_count if guarded else result.matched_count) + result.deleted_count, {}


def _request(living: bytes, document: bytes, *, guarded: bool) -> Write:
    which: dict[str, Any] = {"_id": RawBSONDocument(living, RAW)["_id"]}
    same = {"$eq": ["$$ROOT", {"$literal": raw_document(living)}]} if guarded and len(living) <= _LARGE else None
    if not document or _has_another_key(living, document):
        return DeleteOne({**which, "$expr": same} if same else which)
    if same:
        wanted = {"$cond": [same, {"$literal": raw_document(document)}, "$$ROOT"]}
        return UpdateOne(which, [{"$replaceWith": wanted}])
    if any(field.startswith(b"$") for _, field, _, _ in elements(document)):  # refused as a replacement
        return UpdateOne(which, [{"$replaceWith": {"$literal": raw_document(document)}}])
    return ReplaceOne(which, raw_document(document))


def _has_another_key(living: bytes, document: bytes) -> bool:
    """An ``_id`` of another type, or written otherwise: the server changes none, the old one has to go first."""
    return bool(document) and only(living, b"_id") != only(document, b"_id")
