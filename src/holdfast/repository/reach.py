"""What living snapshots need: every chunk their manifests name, counted once, as bits over the sorted index."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.chunking import codec
from holdfast.model.errors import Damaged
from holdfast.repository.fragments import Location
from holdfast.repository.index import ChunkIndex
from holdfast.repository.manifest import ManifestReader
from holdfast.repository.packset import PackSet
from holdfast.repository.reader import ChunkReader


def chunks_of(reader: ChunkReader, roots: list[bytes]) -> Iterator[bytes]:
    """Ids of all chunks the manifests at ``roots`` need, manifests included; pages they share are read once.

    An id may come more than once. Damaged when a manifest cannot be read.
    """
    seen: set[bytes] = set()
    for root in roots:
        manifest = ManifestReader(reader, root)
        yield from manifest.own_chunks(root)
        for ref in manifest.pages():
            if ref.chunk in seen:
                continue
            seen.add(ref.chunk)
            yield ref.chunk
            last = b""
            for item in manifest.page(ref):
                for segment in item.segments:
                    for piece in segment.slices:
                        if piece.chunk != last:
                            last = piece.chunk
                            yield last


def packs_needed(reader: ChunkReader, index: ChunkIndex, swept: PackSet, roots: list[bytes]) -> set[bytes]:
    """Packs outside ``swept`` that hold a resolving copy of every chunk needed; Damaged when a chunk has none."""
    needed: set[bytes] = set()
    for chunk in set(chunks_of(reader, roots)):
        place = _living(index, chunk, swept, full=False)
        needed.add(place.pack)
        if place.codec == codec.DELTA:
            needed.add(_living(index, index.base(place), swept, full=True).pack)
    return needed


def _living(index: ChunkIndex, chunk: bytes, swept: PackSet, *, full: bool) -> Location:
    """The best copy outside swept packs: full ones first, and deltas only where their base has a full one."""
    for place in index.locations(chunk):
        if place.pack in swept or (full and place.codec == codec.DELTA):
            continue
        if place.codec != codec.DELTA or index.has(chunk, swept):
            return place
    raise Damaged(
        "data that the snapshot needs is gone", where=f"chunk {chunk.hex()[:16]}", why="its packs were pruned or lost"
    )
