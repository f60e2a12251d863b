"""Ranges: every key lies in exactly one, whatever an earlier snapshot or a sample says."""

import random
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, ObjectId, Regex

from holdfast.model.snapshot import Segment
from holdfast.sources.mongodb.inventory import Collection
from holdfast.sources.mongodb.ranges import ranges_of, rising

COLLECTION = Collection(name="c", kind="collection", raw=b"", decoded={"name": "c"})
NO_SERVER: Any = None


def _bound(value: Any) -> bytes:
    return bson.encode({"_id": value})


def _segment(value: Any, size: int = 100) -> Segment:
    return Segment("", 1, size, [], notes={"from": _bound(value) if value is not None else b""})


def test_bounds_are_put_in_order_and_taken_once() -> None:
    """Work saved by an interrupted run comes in any order; the same bound in two types is one."""
    values = [1, 2.5, 7, "a", "b", Binary(b"x" * 16, 4), ObjectId("0" * 24)]
    bounds = [_bound(value) for value in values]
    mixed = [*bounds, _bound(7.0), _bound(1)]
    random.Random(1).shuffle(mixed)
    found = rising(mixed)
    assert [bson.decode(each)["_id"] for each in found] == [bson.decode(each)["_id"] for each in bounds]
    assert len(found) == len(values)


@pytest.mark.parametrize("value", [float("nan"), Regex("a"), Decimal128("1"), {"a": 1}, None])
def test_what_is_hard_to_put_in_order_is_no_bound(value: Any) -> None:
    """Documents with such keys lie in the range their neighbours make."""
    assert rising([_bound(value), _bound("a")]) == [_bound("a")]


def test_ranges_join_without_a_gap() -> None:
    """The first is open below, the last above, each begins where the one before ends."""
    ranges = ranges_of(NO_SERVER, COLLECTION, [_segment(value) for value in (None, 5, 9, "x")], width=2, segment=200)
    assert [each.lower for each in ranges] == [b"", _bound(5), _bound(9), _bound("x")]
    assert [each.upper for each in ranges] == [_bound(5), _bound(9), _bound("x"), b""]
    assert [each.place for each in ranges] == [0, 1, 2, 3]


def test_segments_that_became_small_are_joined() -> None:
    """After many deletes there are not more segments than documents deserve."""
    before = [_segment(None, 10), _segment(5, 10), _segment(9, 400), _segment(12, 100)]
    ranges = ranges_of(NO_SERVER, COLLECTION, before, width=2, segment=400)
    assert [each.lower for each in ranges] == [b"", _bound(12)]


def test_collections_in_another_order_are_one_range() -> None:
    """Capped, clustered, or strings by a language's rules: no bound is trusted."""
    for options in ({"capped": True}, {"clusteredIndex": {}}, {"collation": {"locale": "de"}}):
        other = Collection(name="c", kind="collection", raw=b"", decoded={"name": "c", "options": options})
        assert len(ranges_of(NO_SERVER, other, [_segment(None), _segment(5)], width=2, segment=1)) == 1
