"""From pieces to segments: every byte of every piece is in its slices, whatever the sizes."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.faults.test_fuzz import Chunks

from holdfast.flow import assembly as assembly_module
from holdfast.flow.assembly import OrderedAssembly, UnorderedAssembly, progress_pages
from holdfast.flow.backup import Intake
from holdfast.flow.previous import Living
from holdfast.flow.storing import Bases, ChunkPool, Lane, Pending
from holdfast.model.errors import StorageFull
from holdfast.model.snapshot import Item, Segment, Slice, SnapshotHead
from holdfast.repository.manifest import ManifestReader, ManifestWriter
from holdfast.sources.base import CaptureRequest, Cut, Piece, PieceResult


class Store:
    """The part of a session that storing needs, over a dictionary."""

    cut_seed = 5

    def __init__(self, *, fail_after: int | None = None) -> None:
        self.chunks = Chunks()
        self.bases: list[bytes | None] = []
        self.fail_after = fail_after

    def put_data(self, plain: bytes, base: bytes | None = None) -> bytes:
        self.bases.append(base)
        if self.fail_after is not None and len(self.bases) > self.fail_after:
            raise StorageFull("no room")
        return self.chunks.put(bytes(plain))


def plain(store: Store, segment: Segment) -> bytes:
    return b"".join(store.chunks.plain[s.chunk][s.offset : s.offset + s.length] for s in segment.slices)


def piece(name: str, data: bytes, cut: Cut, block: int = 1000, base: Segment | None = None) -> Piece:
    def blocks() -> Iterator[bytes | memoryview]:
        reused = bytearray(block)  # a source may reuse its block: whoever keeps a view of it is caught here
        for at in range(0, len(data), block):
            part = data[at : at + block]
            reused[: len(part)] = part
            yield memoryview(reused)[: len(part)]
        reused[:] = b"\xee" * block

    return Piece(item=name.encode(), kind="x", blocks=blocks(), cut=cut, base=base, result=lambda: PieceResult(rows=7))


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(list(Cut))), max_size=12),
    st.integers(0, 1 << 20),
)
@settings(max_examples=25, deadline=None)
def test_every_byte_of_every_piece_comes_back(shapes: list[tuple[int, Cut]], seed: int) -> None:
    """Empty, small and large pieces, cut in every way, sharing chunks or not, in one lane."""
    rng = Random(seed)
    sizes = [0, 1, 700, 30_000, 400_000, 1_500_000]
    contents = [rng.randbytes(sizes[size]) for size, _ in shapes]
    store = Store()
    pool = ChunkPool(store)  # type: ignore[arg-type]
    lane = Lane(pool)
    cuts = [cut for _, cut in shapes]
    pending = [lane.store(piece("x", data, cut, 4096)) for data, cut in zip(contents, cuts, strict=True)]
    lane.end_stream()
    assert all(each.closed for each in pending)
    assert [plain(store, each.segment()) for each in pending] == contents
    assert [each.segment().size for each in pending] == [len(data) for data in contents]
    assert all(each.segment().rows == 7 for each in pending)
    pool.close()


def test_a_piece_that_is_read_again_holds_only_what_was_read_last() -> None:
    """The first reading of a file that changed under the reader is not part of the segment, nor counted."""
    store = Store()
    pool = ChunkPool(store)  # type: ignore[arg-type]
    lane = Lane(pool)
    first, second = Random(1).randbytes(3_000_000), Random(2).randbytes(2_500_000)
    answers = iter([PieceResult(again=[second]), PieceResult(rows=7)])
    twice = piece("x", first, Cut.WHOLE)
    twice.result = lambda: next(answers)
    after = lane.store(piece("y", first, Cut.WHOLE))
    segment = lane.store(twice).segment()
    assert (plain(store, segment), segment.size, segment.rows) == (second, len(second), 7)
    assert plain(store, after.segment()) == first
    pool.close()


def test_small_files_share_chunks() -> None:
    """A thousand files of a hundred bytes are one chunk, not a thousand."""
    store = Store()
    pool = ChunkPool(store)  # type: ignore[arg-type]
    lane = Lane(pool)
    pending = [lane.store(piece(str(n), b"%0100d" % n, Cut.STREAM)) for n in range(1000)]
    lane.end_stream()
    assert all(plain(store, each.segment()) == b"%0100d" % n for n, each in enumerate(pending))
    assert len(store.chunks.plain) == 1
    pool.close()


def test_a_new_chunk_is_told_what_stood_there() -> None:
    """The base given for a chunk is the one whose start lies nearest in the segment that was here before."""
    old = Segment("", 0, 30, [Slice(b"a", 0, 10), Slice(b"b", 0, 10), Slice(b"c", 5, 10), Slice(b"d", 0, 10)])
    bases = Bases(old)
    assert [bases.near(at) for at in (0, 4, 6, 14, 16, 26, 500)] == [b"a", b"a", b"b", b"b", b"b", b"d", b"d"]
    assert Bases(None).near(0) is None
    assert Bases(Segment("", 0, 0, [])).near(3) is None


def test_a_full_store_stops_the_reading() -> None:
    """Once a chunk cannot be stored, the next ones are not even accepted: the error is the store's."""
    store = Store(fail_after=0)
    pool = ChunkPool(store)  # type: ignore[arg-type]
    lane = Lane(pool)

    def read_on() -> None:
        for number in range(200):
            lane.store(piece(str(number), b"%07d" % number * 40_000, Cut.PAGES, 50_000)).segment()

    with pytest.raises(StorageFull):
        read_on()
    assert len(store.bases) < 200
    pool.close()


class Known:
    """A reader that knows some chunks."""

    def __init__(self, *known: bytes) -> None:
        self.known = known

    def has(self, chunk: bytes) -> bool:
        return chunk in self.known


def test_only_segments_that_are_all_there_are_shown() -> None:
    """A source may keep whatever it is shown: segments that lack a chunk, and items without any, are not shown."""
    living = Living(Known(b"a", b"b"))  # type: ignore[arg-type]
    whole, torn = Segment("0", 1, 2, [Slice(b"a", 0, 1), Slice(b"b", 0, 1)]), Segment("1", 1, 2, [Slice(b"x", 0, 2)])
    item = Item(b"t", "table", 2, 4, [whole, torn])
    assert living.trim(item)
    assert item.segments == [whole]
    assert not living.trim(Item(b"u", "table", 1, 2, [torn]))
    assert living.trim(Item(b"empty", "dir", 0, 0, []))


def _stored(name: str, order: int, data: bytes, lane: Lane) -> Pending:
    made = piece(name, data, Cut.WHOLE)
    made.order, made.key = order, str(order)
    return lane.store(made)


def test_segments_of_many_lanes_are_put_in_order() -> None:
    """Items sorted by name, segments by order, kept and new ones mixed, whatever finished first."""
    store = Store()
    pool = ChunkPool(store)  # type: ignore[arg-type]
    lane = Lane(pool)
    chunks = Chunks()
    writer = ManifestWriter(chunks.put)
    assembly = UnorderedAssembly(writer, chunks.put)
    kept = Segment("1", 3, 2, [Slice(b"k", 0, 2)])
    for name, order in (("b", 2), ("a", 0), ("b", 0)):
        assembly.stored(_stored(name, order, f"{name}{order}".encode(), lane))
    assembly.kept(Piece(item=b"b", kind="x", order=1, kept=[kept]))
    assembly.kept(Piece(item=b"nothing", kind="x"))
    assert len(assembly.pages()) <= 1
    assembly.finish()
    items = list(ManifestReader(chunks, writer.finish("5" * 32, SnapshotHead(kind="x", notes={}))).items())  # type: ignore[arg-type]
    assert [(item.label, [segment.key for segment in item.segments]) for item in items] == [
        ("a", ["0"]), ("b", ["0", "1", "2"]), ("nothing", []),
    ]  # fmt: skip
    assert assembly.totals.items == 3
    assert assembly.totals.rows == 7 * 3 + 3
    pool.close()


class Tables:
    """A capture of two lanes, each with small pieces that share chunks and one that has its own."""

    def lanes(self) -> list[Iterator[Piece]]:
        return [iter(self._lane(name)) for name in "ab"]

    def _lane(self, name: str) -> list[Piece]:
        rows = b"%0100d\n" * 30
        small = [piece(f"{name}{n}", rows % ((n,) * 30), Cut.ROWS_STREAM) for n in range(1000)]
        return [*small, piece(f"{name}-large", b"row\n" * 1000, Cut.ROWS)]


def test_small_tables_share_chunks_and_none_waits_for_more_of_them() -> None:
    """At the end of each lane its last shared chunk is closed: every item is whole, in few chunks of whole rows."""
    store = Store()
    pool = ChunkPool(store)  # type: ignore[arg-type]
    pages = Pages()
    assembly = UnorderedAssembly(pages, store.chunks.put)  # type: ignore[arg-type]
    Intake(CaptureRequest(source="s"), Tables(), store, assembly).drain(Lane(pool))  # type: ignore[arg-type]
    assembly.finish()
    assert len(pages.items) == 2002
    for item in pages.items:
        if b"-" not in item.name:
            assert plain(store, item.segments[0]) == b"%0100d\n" % int(item.name[1:]) * 30
    assert len(store.bases) < 100
    assert all(chunk.endswith(b"\n") for chunk in store.chunks.plain.values())
    pool.close()


def test_an_ordered_capture_is_written_as_it_comes() -> None:
    """Small files behind an open chunk wait their turn; unchanged runs between them keep their place."""
    store = Store()
    pool = ChunkPool(store)  # type: ignore[arg-type]
    lane = Lane(pool)
    chunks = Chunks()
    writer = ManifestWriter(chunks.put)
    assembly = OrderedAssembly(writer, lane.end_stream)
    assembly.stored(lane.store(piece("a", b"one", Cut.STREAM)))
    assembly.kept(Piece(item=b"", kind="", same=[Item(b"b", "file", 0, 4, []), Item(b"c", "file", 0, 4, [])]))
    assembly.stored(lane.store(piece("d", b"", Cut.STREAM)))
    assembly.kept(Piece(item=b"e", kind="dir"))
    assembly.finish()
    items = list(ManifestReader(chunks, writer.finish("5" * 32, SnapshotHead(kind="x", notes={}))).items())  # type: ignore[arg-type]
    assert [item.label for item in items] == ["a", "b", "c", "d", "e"]
    assert plain(store, items[0].segments[0]) == b"one"
    assert assembly.totals.size == 3 + 8
    pool.close()


class Pages:
    """A manifest writer that only counts and keeps."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def add(self, item: Item) -> None:
        self.items.append(item)

    def extend(self, items: list[Item]) -> None:
        self.items += items


def test_what_waits_behind_an_open_chunk_is_bounded_in_items() -> None:
    """One small new file, then a big unchanged tree: the chunk is closed after some thousand items."""
    store = Store()
    pool = ChunkPool(store)  # type: ignore[arg-type]
    lane = Lane(pool)
    pages = Pages()
    assembly = OrderedAssembly(pages, lane.end_stream)  # type: ignore[arg-type]
    assembly.stored(lane.store(piece("a", b"one", Cut.STREAM)))
    for run in range(20):
        same = [Item(b"b%03d-%04d" % (run, n), "file", 0, 1, []) for n in range(500)]
        assembly.kept(Piece(item=b"", kind="", same=same))
        assert 1 + 500 * (run + 1) - len(pages.items) <= 4096 + 500
    assembly.finish()
    assert len(pages.items) == 1 + 20 * 500
    assert [item.name for item in pages.items] == sorted(item.name for item in pages.items)
    pool.close()


def test_finished_segments_are_taken_over_on_the_way() -> None:
    """Of thousands of stored segments only the last few are still held with their futures."""
    store = Store()
    pool = ChunkPool(store)  # type: ignore[arg-type]
    lane = Lane(pool)
    assembly = UnorderedAssembly(Pages(), store.chunks.put)  # type: ignore[arg-type]
    for number in range(3_000):
        pending = _stored("t", number, b"%d" % number, lane)
        for part in pending.parts:
            part.chunk.result()
        assembly.stored(pending)
    assert len(assembly._open) < 600
    assembly.finish()
    (item,) = assembly.manifest.items  # type: ignore[attr-defined]
    assert [segment.key for segment in item.segments] == [str(number) for number in range(3_000)]
    assert plain(store, item.segments[2_999]) == b"2999"
    pool.close()


def test_pages_of_progress_stay_small() -> None:
    """Everything finished is in some page, none is larger than a MiB; what is too large alone is left out."""
    items = [Item(b"t%d" % n, "x", 1, 1, [Segment("0", 1, 1, [Slice(b"%032d" % n, 0, 1)] * 800)]) for n in range(100)]
    huge = Item(b"huge", "x", 1, 1, [Segment("0", 1, 1, [Slice(b"%032d" % 1, 0, 1)] * 40_000)])
    pages = list(progress_pages([*items[:50], huge, *items[50:]]))
    assert len(pages) > 2
    assert max(map(len, pages)) <= 1 << 20
    assert [item for page in pages for item in msgspec.msgpack.decode(page, type=list[Item])] == items


def test_a_file_of_very_many_chunks_is_stored_in_several_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page holds more than it can: the segments joined give the file, and are numbered."""
    monkeypatch.setattr(assembly_module, "PART_SLICES", 3)
    store = Store()
    pool = ChunkPool(store)  # type: ignore[arg-type]
    lane = Lane(pool)
    pages = Pages()
    data = Random(5).randbytes(6 << 20)
    assembly = OrderedAssembly(pages, lane.end_stream)  # type: ignore[arg-type]
    assembly.stored(lane.store(piece("big", data, Cut.PAGES, block=1 << 20)))
    assembly.finish()
    (item,) = pages.items
    assert [segment.key for segment in item.segments] == [str(n) for n in range(8)]
    assert b"".join(plain(store, segment) for segment in item.segments) == data
    assert sum(segment.size for segment in item.segments) == item.size == len(data)
    assert sum(segment.rows for segment in item.segments) == item.rows == 7
    pool.close()
