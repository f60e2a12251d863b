"""Manifests: items come back whole and in order, unchanged stretches make equal pages, large items go in parts."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.faults.test_fuzz import Chunks

from holdfast.model.errors import NewerFormat
from holdfast.model.snapshot import Item, Segment, Slice, SnapshotHead
from holdfast.repository import manifest
from holdfast.repository.manifest import ManifestReader, ManifestWriter, order
from holdfast.repository.reach import chunks_of

HEAD = SnapshotHead(kind="rows", notes={"a": 1})


def item(name: bytes, segments: int = 1, slices: int = 1) -> Item:
    made = [
        Segment(str(n), 1, slices, [Slice(b"%032d" % (n * 7 + s), 0, 1) for s in range(slices)])
        for n in range(segments)
    ]
    return Item(name, "table", segments, segments * slices, made)


def written(items: list[Item], *, at_once: bool = False) -> tuple[Chunks, ManifestReader]:
    chunks = Chunks()
    writer = ManifestWriter(chunks.put)
    if at_once:
        writer.extend(items)
    else:
        for one in items:
            writer.add(one)
    root = writer.finish("5" * 32, HEAD)
    return chunks, ManifestReader(chunks, root)  # type: ignore[arg-type]


@given(st.sets(st.binary(min_size=1, max_size=6), max_size=300), st.booleans())
@settings(max_examples=40, deadline=None)
def test_items_come_back_in_order_and_by_name(names: set[bytes], at_once: bool) -> None:
    """All of them, and each found by its name; a name that is not there is not found."""
    ordered = sorted(names, key=order)
    if len({order(name) for name in names}) < len(names):
        return  # a NUL in a name cannot come from any source
    _, reader = written([item(name) for name in ordered], at_once=at_once)
    assert [one.name for one in reader.items()] == ordered
    assert all(reader.item(name).name == name for name in ordered[::7])  # type: ignore[union-attr]
    assert reader.item(b"not there") is None
    assert reader.root.items == len(ordered)


def test_a_large_item_is_stored_in_parts_and_comes_back_as_one() -> None:
    """More segments or slices than a part holds: joined again in order, found by name, its neighbours too."""
    items = [item(b"a"), item(b"b", segments=5_000), item(b"c", segments=40, slices=2_000), item(b"d")]
    wanted = [[segment.key for segment in one.segments] for one in items]
    _, reader = written(items)
    assert any(len(reader.page(ref)) and reader.page(ref)[0].part for ref in reader.pages()), "parts begin pages"
    assert [[segment.key for segment in one.segments] for one in reader.items()] == wanted
    for one, keys in zip((b"a", b"b", b"c", b"d"), wanted, strict=True):
        found = reader.item(one)
        assert found is not None
        assert [segment.key for segment in found.segments] == keys


def test_a_large_first_item_is_found() -> None:
    """Also when its parts fill pages from the very first on."""
    _, reader = written([item(b"a", segments=5_000), item(b"b")])
    found = reader.item(b"a")
    assert found is not None
    assert len(found.segments) == 5_000
    assert reader.item(b"b") is not None


def test_a_change_writes_few_pages_anew() -> None:
    """In twenty thousand items one changes, one goes, one comes: nearly all pages stay what they were."""
    items = [item(b"f%05d" % n) for n in range(20_000)]
    first, _ = written(items)
    changed = [*items[:4_000], item(b"f04000x"), *items[4_001:15_000], item(b"f15000", slices=2), *items[15_001:]]
    second, _ = written(changed, at_once=True)
    fresh = second.plain.keys() - first.plain.keys()
    assert len(first.plain) > 20
    assert len(fresh) <= 6


def test_both_ways_of_adding_cut_pages_alike() -> None:
    """One by one or many at once: equal items make equal chunks."""
    items = [item(b"f%05d" % n, slices=n % 7 + 1) for n in range(5_000)]
    assert written(items)[0].plain.keys() == written(items, at_once=True)[0].plain.keys()


def test_a_manifest_of_another_version_is_refused() -> None:
    """NewerFormat, in words."""
    chunks = Chunks()
    root = manifest.Root(version=9, snapshot="5" * 32, head=HEAD, items=0, directories=[])
    chunk = chunks.put(manifest.msgspec.msgpack.encode(root))
    with pytest.raises(NewerFormat, match="version 9"):
        ManifestReader(chunks, chunk)  # type: ignore[arg-type]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("keys", [1, 2])
def test_big_notes_make_pages_smaller_not_larger(at_once: bool, keys: int) -> None:
    """A thousand items with 40 kB of attributes each: no page comes near what a chunk may hold, all come back."""
    notes = [{str(k): b"%09d" % n * 4_000 for k in range(keys)} for n in range(1000)]
    items = [Item(b"f%07d" % n, "file", 0, 0, [], note) for n, note in enumerate(notes)]
    chunks, reader = written(items, at_once=at_once)
    assert max(map(len, chunks.plain.values())) <= 8 << 20
    assert [(one.name, one.notes) for one in reader.items()] == [(one.name, one.notes) for one in items]
    assert reader.item(b"f0000777").notes == items[777].notes  # type: ignore[union-attr]


@pytest.mark.parametrize("slices", [9, 10, 11, 20, 21, 35])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_segment_of_very_many_slices_goes_on_in_further_parts(
    monkeypatch: pytest.MonkeyPatch, slices: int, at_once: bool
) -> None:
    """No part holds more slices than it may; what comes out is what went in, whichever way it was written."""
    monkeypatch.setattr(manifest, "PART_SLICES", 10)
    monkeypatch.setattr(manifest, "_PAGE_BYTES", 1)
    noted = item(b"stream", slices=slices)
    noted.segments[0].stamp, noted.segments[0].notes = b"stamp", {"least": "1", "most": "9"}
    items = [item(b"a"), noted, item(b"t", segments=3, slices=slices), item(b"z")]
    _, reader = written(items, at_once=at_once)
    assert list(reader.items()) == items
    assert reader.item(b"t") == items[2]
    assert reader.item(b"z") == items[3]
    parts = [one for ref in reader.pages() for one in reader.page(ref)]
    assert max(sum(len(segment.slices) for segment in one.segments) for one in parts) <= 10
    named = {piece.chunk for one in parts for segment in one.segments for piece in segment.slices}
    assert named == {piece.chunk for one in items for segment in one.segments for piece in segment.slices}


def test_a_stream_of_more_slices_than_a_chunk_can_name_is_stored() -> None:
    """Four hundred thousand slices in one segment: every page stays small enough to be a chunk."""
    many = Item(b"stream", "objects", 1, 400_000,
                [Segment("", 1, 400_000, [Slice(b"%032d" % number, 0, 1) for number in range(400_000)])])  # fmt: skip
    chunks, reader = written([many])
    assert max(len(chunks.read(ref.chunk)) for ref in reader.pages()) < 8 << 20
    found = reader.item(b"stream")
    assert found == many


def test_what_later_versions_add_to_a_manifest_is_passed_over() -> None:
    """Unknown keys of root and head, further elements of references, items, segments and slices, notes of any kind."""
    chunks = Chunks()
    slices = [[b"c" * 32, 0, 5, "later"]]
    segment = ["", 1, 5, slices, b"", {"least": [1], "most": [9]}, 0, {"later": 1}]
    page = [[b"public.events", "table", 1, 5, [segment], {"columns": [["id", "bigint"]]}, 0, "later"]]
    page_id = chunks.put(msgspec.msgpack.encode(page))
    directory = chunks.put(msgspec.msgpack.encode([[b"public.events", page_id, 1, {"later": True}]]))
    more = chunks.put(b"of a later version")
    head = {"kind": "entity", "notes": {"entity": "event"}, "later": 1}
    root = {"version": 1, "snapshot": "5" * 32, "head": head, "items": 1, "directories": [directory],
            "attached": [more], "later": {"a": []}}  # fmt: skip
    root_id = chunks.put(msgspec.msgpack.encode(root))
    reader = ManifestReader(chunks, root_id)  # type: ignore[arg-type]
    (found,) = reader.items()
    assert found.notes == {"columns": [["id", "bigint"]]}
    assert found.segments[0].notes == {"least": [1], "most": [9]}
    assert found.segments[0].slices == [Slice(b"c" * 32, 0, 5)]
    assert set(reader.chunks(root_id)) == {root_id, directory, page_id, more}
    assert set(chunks_of(chunks, [root_id])) == {root_id, directory, page_id, more, b"c" * 32}  # type: ignore[arg-type]
