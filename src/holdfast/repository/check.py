"""Verify a repository: does every reference resolve, and is every byte what was written?

Findings name the object, and the snapshots and items that would suffer. Nothing is changed.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from holdfast.chunking import codec
from holdfast.crypto.keys import parse_slot
from holdfast.model.errors import Damaged, HoldfastError, ObjectMissing
from holdfast.model.ids import short
from holdfast.model.snapshot import Item
from holdfast.repository.checkpoint import LoggedSnapshot
from holdfast.repository.fragments import Location, decode_row
from holdfast.repository.layout import key_path, pack_path
from holdfast.repository.log import Log
from holdfast.repository.manifest import ManifestReader
from holdfast.repository.reader import ChunkReader
from holdfast.repository.rebuild import packs_present, unindexed
from holdfast.repository.vault import DeadPacks, Vault
from holdfast.repository.writer import verify_pack

_REPAIR_INDEX = "holdfast check --repair-index rebuilds the index from the packs"
HEALS = (
    "holdfast check --read-data --repair-index, then holdfast backup while the source still has the data;"
    " or bring the object back from a copy"
)
_CLEARED = "no living snapshot needs it: holdfast check --repair-index takes it out of the index"
_NAMED_ITEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem: ``affects`` lists snapshots and items in words."""

    what: str
    where: str
    affects: tuple[str, ...] = ()
    hint: str = ""


@dataclass(slots=True)
class Examination:
    """One check. ``advance`` hears how many bytes of packs were read."""

    vault: Vault
    advance: Callable[[int], None] = lambda _size: None
    findings: list[Finding] = field(default_factory=list)
    bad: dict[bytes, str] = field(default_factory=dict)
    missing: set[bytes] = field(default_factory=set)
    baseless: set[bytes] = field(default_factory=set)
    living: list[LoggedSnapshot] = field(default_factory=list)
    unread: bool = False
    examined: set[bytes] = field(default_factory=set)
    broken: dict[bytes, Damaged] = field(default_factory=dict)

    def structure(self) -> None:
        """Log, index, packs and manifests agree; every chunk a living snapshot names can be found."""
        self.living = self.vault.log.state.living()
        self._log()
        self._keys()
        for error in self.vault.index.damaged:
            self._add(error.what, error.where, hint=_REPAIR_INDEX)
        present = packs_present(self.vault)
        self._packs(present)
        reader = ChunkReader(self.vault, DeadPacks(self.vault.log, ""))
        for snapshot in self.living:
            self._snapshot(reader, snapshot, present)
        self._missing_packs()
        if (self.bad or self.findings) and unindexed(self.vault):
            self._add("packs are there that the index does not know", "index/", hint=_REPAIR_INDEX)

    def read_data(self, share: float) -> int:
        """Read ``share`` (0-1] of the packs whole and verify every frame; returns the bytes read."""
        swept = self.vault.log.state.swept
        packs = sorted((name, size) for name, size in packs_present(self.vault).items() if name not in swept)
        if share < 1 and packs:
            packs = random.sample(packs, max(1, round(share * len(packs))))
        with ThreadPoolExecutor(max_workers=2) as pool:
            for _ in pool.map(self._read_pack, packs):
                pass
        self._broken_packs()
        return sum(size for _, size in packs)

    def name_victims(self) -> None:
        """Turn the bad chunks into findings that name snapshots and items."""
        if not self.bad:
            return
        reader = ChunkReader(self.vault, DeadPacks(self.vault.log, ""))
        victims: dict[bytes, list[str]] = {}
        known: dict[bytes, list[tuple[bytes, str]]] = {}
        for snapshot in filter(self._still_wanted, self.living):
            with contextlib.suppress(Damaged):  # a manifest that cannot be read is a finding of its own
                for chunk, item in self._bad_uses(ManifestReader(reader, snapshot.root), snapshot.root, known):
                    victims.setdefault(chunk, []).append(f"{_describe(snapshot)}: {item}")
        for where in dict.fromkeys(self.bad.values()):
            chunks = [chunk for chunk, place in self.bad.items() if place == where]
            names = list(dict.fromkeys(name for chunk in chunks for name in victims.get(chunk, ())))
            if names:
                self._add(f"{len(chunks)} chunks cannot be read", where, names, HEALS)
            elif not self.baseless.issuperset(chunks):
                self._add(
                    f"{len(chunks)} chunks cannot be read, no living snapshot needs them", where, hint="holdfast prune"
                )

    # -- the parts -------------------------------------------------------------------------------------------

    def _log(self) -> None:
        """Every record from the first on, without help from checkpoints."""
        fresh = Log(self.vault.storage, self.vault.sealer)
        try:
            fresh.load(checkpoints=False)
        except HoldfastError as error:
            self._add(error.what, error.where, [error.why] if error.why else [], error.hint)
            return
        for damage in fresh.damages:
            self._add(damage.what, damage.where, [damage.why] if damage.why else [], damage.hint)
        for number, reason in fresh.state.voids:
            self._add(f"log record {number} breaks the protocol and counts for nothing", f"log/{number:012d}", [reason])
        for name in fresh.checkpoints():
            if not fresh.has_true_checkpoint(name):
                self._add("a checkpoint of the log is damaged", name, hint="delete it: it only saves readers time")

    def _keys(self) -> None:
        """Every key slot the log knows is there and whole."""
        for key in self.vault.log.state.keys.values():
            where = key_path(key.slot)
            affected = [f"{key.slot_kind} {short(key.slot)} ({key.label}) opens nothing"]
            hint = "open with another key, then: holdfast key add, and holdfast key remove for this one"
            try:
                slot = parse_slot(self.vault.storage.get(where), where)
            except ObjectMissing:
                self._add("a key slot is missing", where, affected, hint)
            except HoldfastError as error:
                self._add(error.what, where, affected, hint)
            else:
                if slot.id != key.slot or slot.repository != self.vault.keyring.repository:
                    self._add("another key slot stands in this place", where, affected, hint)

    def _packs(self, present: dict[bytes, int]) -> None:
        """Every pack the index has rows for is there and long enough."""
        needed: dict[bytes, int] = {}
        rows, _ = self.vault.index.merged()
        for row in rows.rows():
            place = decode_row(row)
            needed[place.pack] = max(needed.get(place.pack, 0), place.offset + place.length)
        state = self.vault.log.state
        for name, size in needed.items():
            if name in state.swept:
                continue
            if name not in present:
                self.vault.log.follow()  # a prune may be at work
                if name not in state.swept:
                    self.missing.add(name)
            elif present[name] < size:
                self._add("a pack is truncated", pack_path(name), hint=HEALS)

    def _missing_packs(self) -> None:
        """After the snapshots: only they tell whether a missing pack is a loss."""
        for name in sorted(self.missing):
            self._add("a pack is missing", pack_path(name), hint=HEALS if self.bad or self.unread else _CLEARED)

    def _snapshot(self, reader: ChunkReader, snapshot: LoggedSnapshot, present: dict[bytes, int]) -> None:
        bad: dict[bytes, str] = {}
        pages: list[bytes] = []
        try:
            for chunk in self._uses(ManifestReader(reader, snapshot.root), snapshot.root, pages):
                if chunk not in self.bad and not self._resolves(chunk, present):
                    places = self.vault.index.locations(chunk)
                    bad[chunk] = pack_path(places[0].pack) if places else "no pack the index knows"
            if not bad or self._still_wanted(snapshot):
                self.bad |= bad
                self.examined.update(pages)
        except (Damaged, ObjectMissing) as error:
            if not self._still_wanted(snapshot):
                return
            self.unread = True
            what, affected = f"a manifest cannot be read: {error.what}", [_describe(snapshot)]
            self._add(what, error.where, affected, error.hint or HEALS)

    def _uses(self, manifest: ManifestReader, root: bytes, pages: list[bytes]) -> Iterator[bytes]:
        """Every chunk a snapshot needs, but for those of pages examined before; the others go to ``pages``."""
        yield from manifest.chunks(root)
        for ref in manifest.pages():
            if ref.chunk not in self.examined:
                yield from (chunk for chunk, _ in _named(manifest.page(ref)))
                pages.append(ref.chunk)

    def _bad_uses(
        self, manifest: ManifestReader, root: bytes, known: dict[bytes, list[tuple[bytes, str]]]
    ) -> Iterator[tuple[bytes, str]]:
        """(chunk, item) for every bad chunk a snapshot needs. ``known``: what was found in pages seen before."""
        yield from ((chunk, "its manifest") for chunk in manifest.chunks(root) if chunk in self.bad)
        for ref in manifest.pages():
            if ref.chunk not in known:
                known[ref.chunk] = [use for use in _named(manifest.page(ref)) if use[0] in self.bad]
            yield from known[ref.chunk]

    def _resolves(self, chunk: bytes, present: dict[bytes, int]) -> bool:
        swept = self.vault.log.state.swept

        def stands(place: Location) -> bool:
            return place.pack not in swept and present.get(place.pack, -1) >= place.offset + place.length

        for place in self.vault.index.locations(chunk):
            if not stands(place):
                continue
            if place.codec != codec.DELTA:
                return True
            bases = self.vault.index.locations(self.vault.index.base(place))
            if any(base.codec != codec.DELTA and stands(base) for base in bases):
                return True
        return False

    def _read_pack(self, pack: tuple[bytes, int]) -> None:
        name, size = pack
        where = pack_path(name)
        reader = ChunkReader(self.vault, DeadPacks(self.vault.log, ""))
        try:
            data = self.vault.storage.get(where)
        except ObjectMissing:
            return  # swept meanwhile, or reported by ``structure``
        def base_of(chunk: bytes) -> bytes | None:
            with contextlib.suppress(Damaged):
                return reader.read(chunk)
            return None

        try:
            # A delta that nothing needs any more may outlive its base; whether one is needed is seen at the end.
            for chunk in verify_pack(self.vault.keyring, data, where, base_of):
                if base_of(chunk) is None:
                    self.baseless.add(chunk)
                    self.bad.setdefault(chunk, where)
        except Damaged as error:
            self.broken[name] = error
        self.advance(size)

    def _broken_packs(self) -> None:
        """What became of the chunks of damaged packs; their rows are found in one pass over the index."""
        if not self.broken:
            return
        places: dict[bytes, list[Location]] = {name: [] for name in self.broken}
        rows, _ = self.vault.index.merged()
        for row in rows.rows():
            if row[32:52] in places:
                places[row[32:52]].append(decode_row(row))
        reader = ChunkReader(self.vault, DeadPacks(self.vault.log, ""))
        for name, error in sorted(self.broken.items()):
            self._damaged(name, places[name], reader, error)

    def _damaged(self, name: bytes, places: list[Location], reader: ChunkReader, error: Damaged) -> None:
        """Which chunks of a damaged pack are really lost: those without another copy."""
        where = pack_path(name)
        lost = 0
        for place in places:
            try:
                reader.read_copy(place)
            except (Damaged, ObjectMissing):
                if not self._other_copy(reader, place):
                    self.bad[place.id] = where
                lost += 1
        if not lost:
            self._add(f"{error.what}, but every chunk in it can be read", where, hint="holdfast prune rewrites it")
        elif not any(place == where for place in self.bad.values()):
            self._add(f"{lost} chunks are damaged here, but have another copy", where)

    def _other_copy(self, reader: ChunkReader, place: Location) -> bool:
        for other in self.vault.index.locations(place.id):
            if other != place:
                try:
                    reader.read_copy(other)
                except (Damaged, ObjectMissing):
                    continue
                return True
        return False

    def _still_wanted(self, snapshot: LoggedSnapshot) -> bool:
        """Whether nobody forgot it since the check began: a prune may have freed what it held."""
        self.vault.log.follow()
        now = self.vault.log.state.snapshots.get(snapshot.info.id)
        return now is not None and not now.forgotten

    def _add(self, what: str, where: str, affects: Iterable[str] = (), hint: str = "") -> None:
        names = list(affects)
        if len(names) > _NAMED_ITEMS:
            names = [*names[:_NAMED_ITEMS], f"… and {len(names) - _NAMED_ITEMS} more"]
        self.findings.append(Finding(what=what, where=where, affects=tuple(names), hint=hint))


def _named(page: list[Item]) -> Iterator[tuple[bytes, str]]:
    """(chunk, item) for every chunk a page names."""
    for item in page:
        last = b""
        for segment in item.segments:
            for piece in segment.slices:
                if piece.chunk != last:
                    last = piece.chunk
                    yield last, item.label


def _describe(snapshot: LoggedSnapshot) -> str:
    info = snapshot.info
    return f"snapshot {short(info.id)} of {info.source} from {info.created_at[:16]}Z"
