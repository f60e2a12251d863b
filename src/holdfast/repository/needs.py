"""Which copy of which chunk do living snapshots rely on? One is chosen for each chunk; the rest of a pack is dead."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping

from holdfast.chunking import codec
from holdfast.model.errors import Damaged, ObjectMissing
from holdfast.model.prune import PackFacts
from holdfast.repository.checkpoint import LoggedSnapshot
from holdfast.repository.fragments import Location, decode_row
from holdfast.repository.guards import Cover
from holdfast.repository.reach import chunks_of
from holdfast.repository.reader import ChunkReader
from holdfast.repository.rebuild import packs_present
from holdfast.repository.state import LogState
from holdfast.repository.vault import Vault

Spare = Callable[[LoggedSnapshot], bool]


def spare_none(_snapshot: LoggedSnapshot) -> bool:
    """What is forgotten counts for nothing."""
    return False


class Needs:
    """The choice, as it was at record ``head`` of the log.

    ``avoid``: packs to rely on only where there is nothing else. ``present``: packs in storage with their sizes, where
    the caller knows them: a copy counts only where its bytes can be. ``spare`` says which forgotten snapshots count as
    if they lived: ``spared`` are those of them that can still be read, ``spared_bytes`` what nobody else needs. Memory:
    two bytes a chunk.
    """

    def __init__(
        self,
        vault: Vault,
        reader: ChunkReader,
        avoid: Container[bytes] = frozenset(),
        present: Mapping[bytes, int] | None = None,
        spare: Spare = spare_none,
    ) -> None:
        state = vault.log.state
        self._present = packs_present(vault) if present is None else present
        self.head = state.number
        self.live: dict[bytes, int] = {}
        self._swept, self._condemned, self._avoid = state.swept, state.condemned, avoid
        self._rows, self._bases = vault.index.merged()
        self._chosen = bytearray(self._rows.count)
        self._settled = bytearray(self._rows.count)
        for chunk in chunks_of(reader, [snapshot.root for snapshot in state.living()]):
            self._need(chunk, full=False)
        self.spare = spare
        needed = sum(self.live.values())
        forgotten = [each for each in state.snapshots.values() if each.forgotten and spare(each)]
        self.spared = self._spare(reader, forgotten)
        self.spared_bytes = sum(self.live.values()) - needed

    def _spare(self, reader: ChunkReader, snapshots: list[LoggedSnapshot]) -> list[LoggedSnapshot]:
        """Count these too; those of which something is gone already are left out."""
        try:
            for chunk in chunks_of(reader, [snapshot.root for snapshot in snapshots]):
                self._need(chunk, full=False)
        except (Damaged, ObjectMissing):
            if len(snapshots) == 1:
                return []
            return [snapshot for each in snapshots for snapshot in self._spare(reader, [each])]
        return snapshots

    @property
    def cover(self) -> Cover:
        """Proof of what may go: the packs relied on."""
        return Cover(self.head, self.live.keys())

    def chosen(self, packs: Container[bytes]) -> Iterator[tuple[Location, bytes]]:
        """(copy, base) of every chunk that is relied on in one of ``packs``; base is empty for full copies."""
        places = [
            decode_row(row)
            for ordinal, row in enumerate(self._rows.rows())
            if self._chosen[ordinal] and row[32:52] in packs
        ]
        # In the order in which they lie in their packs: each is read once, and neighbours stay neighbours.
        for place in sorted(places, key=lambda place: (place.pack, place.offset)):
            yield place, self._base(place) if place.codec == codec.DELTA else b""

    def _need(self, chunk: bytes, *, full: bool) -> None:
        first = self._rows.position(chunk)
        if first < 0:
            raise _missing(chunk, "the index does not know it")
        mark = 2 if full else 1
        if self._settled[first] & mark:
            return
        ordinal, place = self._best(chunk, first, full=full)
        self._settled[first] |= mark
        if not self._chosen[ordinal]:
            self._chosen[ordinal] = 1
            self.live[place.pack] = self.live.get(place.pack, 0) + place.length
        if place.codec == codec.DELTA:
            self._need(self._base(place), full=True)

    def _best(self, chunk: bytes, first: int, *, full: bool) -> tuple[int, Location]:
        """The copy to rely on: already relied on, else in a pack that stays, else any that is not swept."""
        found: list[tuple[int, Location]] = []
        for offset, row in enumerate(self._rows.find(chunk)):
            place = decode_row(row)
            if self._stands(place) and (place.codec != codec.DELTA or (not full and self._base_stands(place))):
                found.append((first + offset, place))
        if not found:
            raise _missing(chunk, "no pack that is there holds it")
        return min(found, key=lambda pair: self._preference(*pair))

    def _stands(self, place: Location) -> bool:
        return place.pack not in self._swept and self._present.get(place.pack, -1) >= place.offset + place.length

    def _base_stands(self, place: Location) -> bool:
        copies = map(decode_row, self._rows.find(self._base(place)))
        return any(copy.codec != codec.DELTA and self._stands(copy) for copy in copies)

    def _preference(self, ordinal: int, place: Location) -> tuple[bool, bool, bool, bool, bytes]:
        return (
            place.pack in self._condemned,
            place.pack in self._avoid,
            not self._chosen[ordinal],
            place.codec == codec.DELTA,
            place.pack,
        )

    def _base(self, place: Location) -> bytes:
        key = place.id + place.pack + place.offset.to_bytes(4, "big")
        row = next(self._bases.find(key), b"")
        if not row:
            raise _missing(place.id, "the index does not tell the base of this delta")
        return row[56:]


def pack_facts(vault: Vault, present: dict[bytes, int], live: dict[bytes, int]) -> Iterator[PackFacts]:
    """What is known of every pack in storage that was not swept."""
    state = vault.log.state
    resumable = unfinished(state)
    for name, size in present.items():
        if name in state.swept:
            continue
        session = state.sessions.get(name[:16].hex())
        writer = "unknown" if session is None else "open" if session.open else "closed"
        condemned = name in state.condemned
        yield PackFacts(
            name=name,
            size=size,
            live=min(size, live.get(name, 0)),
            writer=writer,
            condemned=condemned,
            waits_for=tuple(state.blockers(name)) if condemned else (),
            unfinished=session is not None and session.id in resumable,
        )


def unfinished(state: LogState) -> set[str]:
    """Backups that ended without a snapshot and began after the last one that made any."""
    made = {snapshot.session for snapshot in state.snapshots.values()}
    last = max((state.sessions[session].begin for session in made if session in state.sessions), default=0)
    return {
        session.id
        for session in state.sessions.values()
        if session.purpose == "backup" and not session.open and session.begin > last
    }


def _missing(chunk: bytes, why: str) -> Damaged:
    return Damaged(
        "a snapshot needs a chunk that cannot be found, so nothing is pruned",
        where=f"chunk {chunk.hex()[:16]}",
        why=why,
        hint="holdfast check names what is affected; holdfast check --repair-index finds what only the index lost",
    )


