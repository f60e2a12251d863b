"""Where a collection is divided, so that it is read by several at once and has the same segments next time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from bson import Binary, Code, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from holdfast.model.snapshot import Segment
from holdfast.sources.mongodb.documents import only
from holdfast.sources.mongodb.inventory import Collection
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.values import RAW, order, raw_of

_SAMPLES_A_RANGE = 16
_TOO_SMALL = 4  # a range with less than this part of a segment is joined with the next
# keys whose order is beyond doubt; a bound in the wrong place would read documents twice or not at all
_CERTAIN = (ObjectId, int, float, str, datetime, Binary)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Documents of ``collection`` from ``lower`` up to ``upper`` (``{_id}`` documents, empty: open)."""

    collection: Collection
    place: int = 0
    lower: bytes = b""
    upper: bytes = b""


def ranges_of(
    base: Base, collection: Collection, before: Sequence[Segment], *, width: int, segment: int
) -> list[Range]:
    """Where the last snapshot began its segments; for a collection never read, where a sample says."""
    if not collection.by_id or collection.collated:
        return [Range(collection=collection)]
    bounds = list(_kept(before, segment))
    if not before and width > 1 and collection.size > 2 * segment:
        bounds = _sampled(base, collection, segment)
    edges = [b"", *rising(bounds), b""]
    return [
        Range(collection=collection, place=number, lower=lower, upper=upper)
        for number, (lower, upper) in enumerate(pairwise(edges))
    ]


def rising(bounds: Iterable[bytes]) -> list[bytes]:
    """The bounds that can be trusted, each once, in the order of the server."""
    keyed: dict[tuple[Any, ...], bytes] = {}
    for bound in bounds:
        value = RawBSONDocument(bound, RAW).get("_id")
        if isinstance(value, _CERTAIN) and not isinstance(value, Code) and value == value:  # noqa: PLR0124 - not NaN
            keyed.setdefault(order(value), bound)
    return [keyed[key] for key in sorted(keyed)]


def _kept(before: Sequence[Segment], segment: int) -> Iterator[bytes]:
    """Bounds of the last snapshot's segments, without those of segments that have become small."""
    size = 0
    for each in before:
        bound = bytes((each.notes or {}).get("from", b""))
        if bound and size * _TOO_SMALL >= segment:
            yield bound
            size = 0
        size += each.size


def _sampled(base: Base, collection: Collection, segment: int) -> list[bytes]:
    """Bounds that cut the collection into stretches of about a segment."""
    wanted = collection.size // segment
    pipeline = [{"$sample": {"size": wanted * _SAMPLES_A_RANGE}}, {"$project": {"_id": 1}}, {"$sort": {"_id": 1}}]
    try:
        found = [only(raw_of(each), b"_id") for each in base[collection.name].aggregate(pipeline)]
    except OperationFailure:
        return []
    return found[_SAMPLES_A_RANGE::_SAMPLES_A_RANGE]
