"""What living snapshots need: every chunk their manifests name, counted once, as bits over the sorted index."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.chunking import codec
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
        yield root
        yield from manifest.root.directories
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


def packs_needed(
    reader: ChunkReader, index: ChunkIndex, swept: PackSet, roots: list[bytes]
) -> set[bytes]:
    """Packs that hold a resolving copy of every chunk needed; a chunk without one contributes its swept packs."""
    needed: set[bytes] = set()
    for chunk in set(chunks_of(reader, roots)):
        for place in _living(index, chunk, swept, full=False):
            needed.add(place.pack)
            if place.codec == codec.DELTA:
                needed.update(base.pack for base in _living(index, index.base(place), swept, full=True))
    return needed


def _living(index: ChunkIndex, chunk: bytes, swept: PackSet, *, full: bool) -> list[Location]:
    """The best copy: outside swept packs where there is one. At most one, full ones first."""
    places = [place for place in index.locations(chunk) if not full or place.codec != codec.DELTA]
    return [place for place in places if place.pack not in swept][:1] or places[:1]
