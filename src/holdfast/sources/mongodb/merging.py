"""Brings the documents of a living collection and of a snapshot together: compared by ``_id``, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, ReplaceOne
from pymongo.errors import BulkWriteError

from holdfast.model.snapshot import Item
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.documents import only
from holdfast.sources.mongodb.inventory import listed
from holdfast.sources.mongodb.loading import Loaded, give_back_zero_timestamps, insert, nonzero
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.saved import Saved, batched
from holdfast.sources.mongodb.values import RAW, identity, look, raw_document

_AT_ONCE = 1000


@dataclass(slots=True, kw_only=True)
class Mode:
    """``write`` False only counts. ``overwrite`` what differs, ``exact`` also delete what the snapshot has not."""

    write: bool
    overwrite: bool = False
    exact: bool = False


@dataclass(slots=True)
class Merged:
    """Documents by what happened, or would happen, to them."""

    create: int = 0
    change: int = 0
    delete: int = 0
    unchanged: int = 0
    differing: int = 0
    loaded: Loaded = field(default_factory=Loaded)

    def counts(self) -> dict[str, int]:
        """For a plan's step."""
        return {"create": self.create, "change": self.change, "delete": self.delete, "unchanged": self.unchanged}


def merge(base: Base, saved: Saved, item: Item, mode: Mode) -> Merged:
    """Compare, and write what ``mode`` says. PyMongoError."""
    merged = Merged()
    if item.kind == kinds.KIND_TIMESERIES:
        _merge_measurements(base, saved, item, mode, merged)
        return merged
    kept: set[bytes] = set()
    for batch in batched(saved.documents(item)):
        _merge_batch(base, item.label, batch, mode, merged)
        if mode.exact:
            kept.update(map(_key, batch))
    if mode.exact:
        for extra in _batches(base, item.label, kept):
            merged.delete += len(extra)
            if mode.write:
                base[item.label].bulk_write(
                    [DeleteOne({"_id": RawBSONDocument(each, RAW)["_id"]}) for each in extra], ordered=False
                )
    return merged


def _merge_batch(base: Base, name: str, batch: list[bytes], mode: Mode, merged: Merged) -> None:
    wanted = {_key(document): document for document in batch}
    living = {_key(document): document for document in _by_ids(base, name, batch)}
    missing = [document for key, document in wanted.items() if key not in living]
    differing = [(key, document) for key, document in wanted.items() if key in living and living[key] != document]
    merged.create += len(missing)
    merged.unchanged += len(wanted) - len(missing) - len(differing)
    if mode.overwrite or mode.exact:
        merged.change += len(differing)
        if mode.write and differing:
            _replace(base, name, [(living[key], document) for key, document in differing], merged.loaded)
    else:
        merged.differing += len(differing)
    if mode.write and missing:
        insert(base, name, missing, merged.loaded)


def _replace(base: Base, name: str, pairs: list[tuple[bytes, bytes]], loaded: Loaded) -> None:
    """Put other documents in the place of living ones; an ``_id`` of another type needs the old one gone."""
    requests: list[ReplaceOne[RawBSONDocument] | DeleteOne] = []
    again, held_back = [], []
    for living, document in pairs:
        key = RawBSONDocument(living, RAW)["_id"]
        if only(living, b"_id") != only(document, b"_id"):
            requests.append(DeleteOne({"_id": key}))
            again.append(document)
            continue
        altered, names = nonzero(document)
        requests.append(ReplaceOne({"_id": key}, raw_document(altered)))
        if names:
            held_back.append((altered, names))
    try:
        base[name].bulk_write(requests, ordered=False, bypass_document_validation=True)
    except BulkWriteError as error:
        failures = error.details.get("writeErrors", [])
        loaded.add(0, 0, [str(each.get("errmsg", "refused")) for each in failures])
    if again:
        insert(base, name, again, loaded)
    give_back_zero_timestamps(base, name, held_back)


def _merge_measurements(base: Base, saved: Saved, item: Item, mode: Mode, merged: Merged) -> None:
    """Measurements have no key: as many of each as the snapshot has are wanted."""
    living: dict[bytes, int] = {}
    for document in listed(base, {"find": item.label}):
        living[sorted_fields(document)] = living.get(sorted_fields(document), 0) + 1
    for batch in batched(saved.documents(item)):
        missing = []
        for document in batch:
            key = sorted_fields(document)
            if living.get(key, 0):
                living[key] -= 1
                merged.unchanged += 1
            else:
                missing.append(document)
        merged.create += len(missing)
        if mode.write and missing:
            insert(base, item.label, missing, merged.loaded)


def sorted_fields(document: bytes) -> bytes:
    """Bytes that are equal for measurements that differ in the order of their fields only."""
    from holdfast.sources.mongodb.documents import elements

    return b"".join(sorted(bytes((kind,)) + name + b"\0" + document[start:end]
                           for kind, name, start, end in elements(document)))  # fmt: skip


def _by_ids(base: Base, name: str, batch: list[bytes]) -> Iterator[bytes]:
    for at in range(0, len(batch), _AT_ONCE):
        keys = [RawBSONDocument(each, RAW)["_id"] for each in batch[at : at + _AT_ONCE]]
        yield from listed(base, {"find": name, "filter": {"_id": {"$in": keys}}})


def _batches(base: Base, name: str, kept: set[bytes]) -> Iterator[list[bytes]]:
    """``{_id}`` of living documents that are not among ``kept``; all known before the first is deleted."""
    found = listed(base, {"find": name, "projection": {"_id": 1}})
    extra = [document for document in found if _key(document) not in kept]
    for at in range(0, len(extra), _AT_ONCE):
        yield extra[at : at + _AT_ONCE]


def _key(document: bytes) -> bytes:
    return identity(look(only(document, b"_id")).get("_id"))
