"""Brings the documents of a living collection and of a snapshot together: compared by ``_id``, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from bson.raw_bson import RawBSONDocument

from holdfast.model.snapshot import Item
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.documents import elements, only
from holdfast.sources.mongodb.inventory import listed
from holdfast.sources.mongodb.loading import Loaded, insert
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.saved import Saved, batched
from holdfast.sources.mongodb.swapping import Pair, by_ids, exchange, key_of, swap
from holdfast.sources.mongodb.values import RAW

_AT_ONCE = 1000
_BATCH = 10_000
_WORTH_READING = 10


@dataclass(slots=True, kw_only=True)
class Mode:
    """``write`` False only counts. ``overwrite`` what differs, ``exact`` also delete what the snapshot has not.

    ``others``: identities of documents that others have written to until now, which are left as they are.
    """

    write: bool
    overwrite: bool = False
    exact: bool = False
    others: Callable[[], AbstractSet[bytes]] = frozenset


@dataclass(slots=True)
class Merged:
    """Documents by what happened, or would happen, to them under ``mode``."""

    mode: Mode
    create: int = 0
    change: int = 0
    delete: int = 0
    unchanged: int = 0
    differing: int = 0
    spared: int = 0
    loaded: Loaded = field(default_factory=lambda: Loaded(again=True))

    def counts(self) -> dict[str, int]:
        """For a plan's step."""
        return {"create": self.create, "change": self.change, "delete": self.delete, "unchanged": self.unchanged}


def merge(base: Base, saved: Saved, item: Item, mode: Mode) -> Merged:
    """Compare, and write what ``mode`` says. PyMongoError."""
    merged = Merged(mode)
    if item.kind == kinds.KIND_TIMESERIES:
        _merge_measurements(base, saved, item, merged)
    elif _by_ranges(base, saved, item):
        _merge_ranges(base, saved, item, merged)
    else:
        _merge_looked_up(base, saved, item, merged)
    merged.spared += exchange(base, item.label, merged.loaded)
    return merged


def _by_ranges(base: Base, saved: Saved, item: Item) -> bool:
    """Whether reading the living collection along the snapshot's keys is worth it: it has not many more documents."""
    in_order = (item.notes or {}).get("order") == "id" and not saved.overlay(item.label)
    return in_order and item.rows * _WORTH_READING >= base[item.label].estimated_document_count()


def _merge_ranges(base: Base, saved: Saved, item: Item, merged: Merged) -> None:
    """Both sides in ``_id`` order: each batch against what lives between its first key and the next one's."""
    lower = b""
    for batch, following in _with_next(batched(saved.documents(item))):
        upper = only(following[0], b"_id") if following else b""
        living = {key_of(document): document for document in _between(base, item.label, lower, upper)}
        _merge_batch(base, item.label, batch, living, merged)
        if merged.mode.exact:
            _delete(base, item.label, [living[key] for key in living.keys() - set(map(key_of, batch))], merged)
        lower = upper
    if merged.mode.exact and not item.rows:
        _delete(base, item.label, list(_between(base, item.label, b"", b"")), merged)


def _merge_looked_up(base: Base, saved: Saved, item: Item, merged: Merged) -> None:
    """Few documents, or documents in an order of their own: each is asked for by its key."""
    kept: set[bytes] = set()
    for batch in batched(saved.documents(item)):
        living = {key_of(document): document for document in _looked_up(base, item.label, batch)}
        _merge_batch(base, item.label, batch, living, merged)
        if merged.mode.exact:
            kept.update(map(key_of, batch))
    if merged.mode.exact:
        found = listed(base, {"find": item.label, "projection": {"_id": 1}})
        extra = [document for document in found if key_of(document) not in kept]
        for at in range(0, len(extra), _AT_ONCE):
            _delete(base, item.label, by_ids(base, item.label, extra[at : at + _AT_ONCE]), merged)


def _merge_batch(base: Base, name: str, batch: list[bytes], living: dict[bytes, bytes], merged: Merged) -> None:
    mode = merged.mode
    wanted = {key_of(document): document for document in batch}
    missing = [document for key, document in wanted.items() if key not in living]
    differing = [(living[key], document) for key, document in wanted.items() if living.get(key, document) != document]
    merged.unchanged += len(wanted) - len(missing) - len(differing)
    replaced = differing if mode.overwrite or mode.exact else []
    merged.differing += len(differing) - len(replaced)
    if mode.write and (missing or replaced):
        missing, replaced = _not_of_others(missing, replaced, merged)
    merged.create += len(missing)
    merged.change += len(replaced)
    if mode.write:
        merged.spared += swap(base, name, replaced, merged.loaded)
        if missing:
            insert(base, name, missing, merged.loaded)


def _delete(base: Base, name: str, extra: list[bytes], merged: Merged) -> None:
    pairs = [(document, b"") for document in extra]
    if merged.mode.write and pairs:
        _, pairs = _not_of_others([], pairs, merged)
    merged.delete += len(pairs)
    if merged.mode.write:
        merged.spared += swap(base, name, pairs, merged.loaded)


def _not_of_others(missing: list[bytes], pairs: list[Pair], merged: Merged) -> tuple[list[bytes], list[Pair]]:
    """Asked after the living were read: whatever was written by then is known, later writes no longer fit a pair."""
    others = merged.mode.others()
    if not others:
        return missing, pairs
    left = [document for document in missing if key_of(document) not in others]
    pairs_left = [pair for pair in pairs if key_of(pair[0]) not in others]
    merged.spared += len(missing) - len(left) + len(pairs) - len(pairs_left)
    return left, pairs_left


def _merge_measurements(base: Base, saved: Saved, item: Item, merged: Merged) -> None:
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
        if merged.mode.write and missing:
            insert(base, item.label, missing, merged.loaded)


def sorted_fields(document: bytes) -> bytes:
    """Bytes that are equal for measurements that differ in the order of their fields only."""
    return b"".join(sorted(bytes((kind,)) + name + b"\0" + document[start:end]
                           for kind, name, start, end in elements(document)))  # fmt: skip


def _looked_up(base: Base, name: str, batch: list[bytes]) -> Iterator[bytes]:
    for at in range(0, len(batch), _AT_ONCE):
        yield from by_ids(base, name, batch[at : at + _AT_ONCE])


def _between(base: Base, name: str, lower: bytes, upper: bytes) -> Iterator[bytes]:
    """Living documents with an ``_id`` from ``lower`` up to ``upper``, whatever their types."""
    bounds = {"min": lower, "max": upper}
    given = {what: RawBSONDocument(bound, RAW) for what, bound in bounds.items() if bound}
    return listed(base, {"find": name, "hint": {"_id": 1}, "batchSize": _BATCH, **given})


def _with_next(batches: Iterator[list[bytes]]) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Each with the one after it, the last with none."""
    held: list[bytes] = []
    for batch in batches:
        if held:
            yield held, batch
        held = batch
    if held:
        yield held, []
