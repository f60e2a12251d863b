"""Reads restored collections back and compares them with the snapshot: the same documents, each as often."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b

from holdfast.model.snapshot import Item
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.inventory import listed
from holdfast.sources.mongodb.merging import Mode, merge, sorted_fields
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.saved import Saved

_WRAP = 1 << 128


def fingerprint(found: Iterable[bytes], form: Callable[[bytes], bytes]) -> tuple[int, int]:
    """(count, sum of digests): the same for the same multiset."""
    count = total = 0
    for document in found:
        count += 1
        total += int.from_bytes(blake2b(form(document), digest_size=16).digest(), "big")
    return count, total % _WRAP


def form_of(kind: str) -> Callable[[bytes], bytes]:
    """What is compared of a document: of a measurement the order of its fields means nothing."""
    return sorted_fields if kind == kinds.KIND_TIMESERIES else bytes


def difference(base: Base, saved: Saved, item: Item) -> str:
    """What is not the same in a collection that was made anew; "" when everything is."""
    form = form_of(item.kind)
    wanted = fingerprint(saved.documents(item), form)
    found = fingerprint(listed(base, {"find": item.label}), form)
    if wanted[0] != found[0]:
        return f"{found[0]:,} documents are there, the snapshot has {wanted[0]:,}"
    return "" if wanted == found else "documents differ from the snapshot"


def shortfall(base: Base, saved: Saved, item: Item, *, overwrite: bool, exact: bool) -> str:
    """What a living collection lacks after documents were brought together; "" when nothing."""
    merged = merge(base, saved, item, Mode(write=False, overwrite=overwrite, exact=exact))
    counts = {"missing": merged.create, "different": merged.change, "too many": merged.delete}
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
