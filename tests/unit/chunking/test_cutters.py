"""Cutters: cuts depend on the bytes alone."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.chunking.cutters import ROW_REACH, ContentCutter, Cutter, DocumentCutter, FixedCutter


def cut(cutter: Cutter, data: bytes, sizes: list[int]) -> list[bytes]:
    chunks: list[bytes] = []
    position = turn = 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        chunks += cutter.push(memoryview(data)[position : position + size])
        position, turn = position + size, turn + 1
    return chunks + list(cutter.end())


def rows(seed: int, count: int) -> bytes:
    source = random.Random(seed)
    return b"".join(b"%d\t%x\n" % (n, source.getrandbits(source.choice([8, 80, 800]))) for n in range(count))


@given(st.lists(st.integers(1, 3_000_000), min_size=1, max_size=5), st.booleans())
@settings(max_examples=25, deadline=None)
def test_block_borders_do_not_move_cuts(sizes: list[int], by_rows: bool) -> None:
    """However the bytes arrive, the same chunks come out, and joined they are the bytes."""
    data = rows(1, 60_000)
    whole = cut(ContentCutter(64 << 10, 7, rows=by_rows), data, [len(data)])
    parts = cut(ContentCutter(64 << 10, 7, rows=by_rows), data, [max(size, 4096) for size in sizes])
    assert parts == whole
    assert b"".join(parts) == data


def test_rows_are_not_torn() -> None:
    """Every chunk of rows ends with a newline."""
    chunks = cut(ContentCutter(64 << 10, 7, rows=True), rows(2, 60_000), [1 << 20])
    assert len(chunks) > 10
    assert all(chunk.endswith(b"\n") for chunk in chunks)


def test_a_row_longer_than_the_reach_is_cut_inside() -> None:
    """One enormous row does not make one enormous chunk."""
    data = b"a" * (4 << 20) + b"\n"
    chunks = cut(ContentCutter(256 << 10, 7, rows=True), data, [100_000])
    assert b"".join(chunks) == data
    assert max(map(len, chunks)) <= (1 << 20) + ROW_REACH


def test_an_insertion_changes_few_chunks() -> None:
    """Cuts find themselves again behind a change."""
    data = random.Random(3).randbytes(8 << 20)
    before = set(cut(ContentCutter(256 << 10, 7), data, [1 << 20]))
    after = cut(ContentCutter(256 << 10, 7), data[: 4 << 20] + b"inserted" + data[4 << 20 :], [1 << 20])
    assert sum(chunk not in before for chunk in after) <= 3


def test_another_seed_cuts_elsewhere() -> None:
    """Cuts are keyed: chunk sizes of a known file do not betray it."""
    data = random.Random(3).randbytes(4 << 20)
    one = cut(ContentCutter(256 << 10, 7), data, [1 << 20])
    two = cut(ContentCutter(256 << 10, 8), data, [1 << 20])
    assert [len(chunk) for chunk in one] != [len(chunk) for chunk in two]


@pytest.mark.parametrize("block", [1, 1000, 256 << 10, 1_000_000])
def test_pages_are_cut_at_the_same_offsets_whatever_the_blocks(block: int) -> None:
    """Fixed chunks, the last one shorter."""
    data = random.Random(4).randbytes(1_000_000 if block > 1 else 10_000)
    chunks = cut(FixedCutter(4096), data, [block])
    assert chunks == [data[at : at + 4096] for at in range(0, len(data), 4096)]


def documents(seed: int, sizes: list[int], total: int) -> bytes:
    """Length-prefixed stretches as BSON has them."""
    source, made = random.Random(seed), bytearray()
    while len(made) < total:
        size = source.choice(sizes)
        made += struct.pack("<i", size) + source.randbytes(size - 4)
    return bytes(made)


@pytest.mark.parametrize("sizes", [[5, 40, 300], [200, 90_000], [100, 5_000_000]])
def test_documents_are_never_torn_and_block_borders_do_not_move_cuts(sizes: list[int]) -> None:
    """Every chunk is a run of whole documents, however large one is, and the same chunks come out of any blocks."""
    data = documents(5, sizes, 12 << 20)
    whole = cut(DocumentCutter(64 << 10, 7), data, [len(data)])
    assert cut(DocumentCutter(64 << 10, 7), data, [1_000_003, 77_777]) == whole
    assert b"".join(whole) == data
    assert len(whole) > 2
    for chunk in whole:
        at = 0
        while at < len(chunk):
            at += struct.unpack_from("<i", chunk, at)[0]
        assert at == len(chunk)


def test_what_is_no_document_is_still_cut_and_whole() -> None:
    """Bytes with an impossible length make neither an endless loop nor a loss."""
    data = bytes(3 << 20) + random.Random(6).randbytes(3 << 20)
    assert b"".join(cut(DocumentCutter(64 << 10, 7), data, [1 << 20])) == data
