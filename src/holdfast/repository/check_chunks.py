"""Does every reference resolve? Index to packs, and living snapshots through their manifests to chunks."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.chunking import codec
from holdfast.model.errors import Damaged, NewerFormat, ObjectMissing
from holdfast.repository.checkpoint import LoggedSnapshot
from holdfast.repository.findings import HEALS, Found, describe, named_in, still_wanted
from holdfast.repository.fragments import Location, decode_row
from holdfast.repository.layout import pack_path
from holdfast.repository.manifest import ManifestReader
from holdfast.repository.reader import ChunkReader
from holdfast.repository.rebuild import packs_present
from holdfast.repository.vault import DeadPacks, Vault

_CLEARED = "no living snapshot needs it: holdfast check --repair-index takes it out of the index"


class References:
    """One pass over index and manifests; problems go to ``found``."""

    def __init__(self, vault: Vault, found: Found) -> None:
        self._vault = vault
        self._found = found
        self._examined: set[bytes] = set()

    def examine(self, living: list[LoggedSnapshot]) -> None:
        """Every pack the index has rows for is there, and every chunk these snapshots name can be found."""
        present = packs_present(self._vault)
        self._packs(present)
        reader = ChunkReader(self._vault, DeadPacks(self._vault.log, ""))
        for snapshot in living:
            self._snapshot(reader, snapshot, present)
        self._missing_packs()

    def _packs(self, present: dict[bytes, int]) -> None:
        """Every pack the index has rows for is there and long enough."""
        needed: dict[bytes, int] = {}
        rows, _ = self._vault.index.merged()
        for row in rows.rows():
            place = decode_row(row)
            needed[place.pack] = max(needed.get(place.pack, 0), place.offset + place.length)
        state = self._vault.log.state
        for name, size in needed.items():
            if name in state.swept:
                continue
            if name not in present:
                self._vault.log.follow()  # a prune may be at work
                if name not in state.swept:
                    self._found.missing.add(name)
            elif present[name] < size:
                self._found.add("a pack is truncated", pack_path(name), hint=HEALS)

    def _missing_packs(self) -> None:
        """After the snapshots: only they tell whether a missing pack is a loss."""
        for name in sorted(self._found.missing):
            self._found.add(
                "a pack is missing", pack_path(name), hint=HEALS if self._found.bad or self._found.unread else _CLEARED
            )

    def _snapshot(self, reader: ChunkReader, snapshot: LoggedSnapshot, present: dict[bytes, int]) -> None:
        bad: dict[bytes, str] = {}
        pages: list[bytes] = []
        try:
            for chunk in self._uses(ManifestReader(reader, snapshot.root), snapshot.root, pages):
                if chunk not in self._found.bad and not self._resolves(chunk, present):
                    places = self._vault.index.locations(chunk)
                    bad[chunk] = pack_path(places[0].pack) if places else "no pack the index knows"
            if not bad or still_wanted(self._vault, snapshot):
                self._found.bad |= bad
                self._examined.update(pages)
        except (Damaged, NewerFormat, ObjectMissing) as error:
            if not still_wanted(self._vault, snapshot):
                return
            self._found.unread = True
            what, affected = f"a manifest cannot be read: {error.what}", [describe(snapshot)]
            self._found.add(what, error.where, affected, error.hint or HEALS)

    def _uses(self, manifest: ManifestReader, root: bytes, pages: list[bytes]) -> Iterator[bytes]:
        """Every chunk a snapshot needs, but for those of pages examined before; the others go to ``pages``."""
        yield from manifest.chunks(root)
        for ref in manifest.pages():
            if ref.chunk not in self._examined:
                yield from (chunk for chunk, _ in named_in(manifest.page(ref)))
                pages.append(ref.chunk)

    def _resolves(self, chunk: bytes, present: dict[bytes, int]) -> bool:
        swept = self._vault.log.state.swept

        def stands(place: Location) -> bool:
            return place.pack not in swept and present.get(place.pack, -1) >= place.offset + place.length

        for place in self._vault.index.locations(chunk):
            if not stands(place):
                continue
            if place.codec != codec.DELTA:
                return True
            bases = self._vault.index.locations(self._vault.index.base(place))
            if any(base.codec != codec.DELTA and stands(base) for base in bases):
                return True
        return False
