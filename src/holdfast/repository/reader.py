"""Read chunks: find a copy, unseal it, undo its codec, hash it again. What comes out is what went in, or Damaged."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Container

from blake3 import blake3

from holdfast.chunking import codec
from holdfast.crypto.keys import Keyring
from holdfast.model.errors import Damaged, HoldfastError, ObjectMissing
from holdfast.repository.fetching import fetch
from holdfast.repository.fragments import Location
from holdfast.repository.layout import pack_path
from holdfast.repository.pack import DATA, Frame, PackKey, read_key
from holdfast.repository.vault import Vault

_KEYS_HELD = 4096
_PLAIN_HELD = 24 << 20
# Stores with latency are read in windows: the chunks of a segment lie side by side in one or two packs.
_WINDOW = 4 << 20
_WINDOWS_HELD = 12
# A store or a wire may give wrong bytes once: damage is believed when it is seen twice.
_TRIES = 2


class ChunkReader:
    """Plain chunks by id, from any thread.

    ``dead``: packs that must not be relied on. ``rescue``: teaches the index packs it does not know.
    """

    def __init__(self, vault: Vault, dead: Container[bytes], rescue: Callable[[], object] | None = None) -> None:
        self._storage = vault.storage
        self._keyring = vault.keyring
        self._index = vault.index
        self._dead = dead
        self._rescue = rescue
        self._lock = threading.Lock()
        self._keys: OrderedDict[bytes, PackKey] = OrderedDict()
        self._plain: OrderedDict[bytes, bytes] = OrderedDict()
        self._plain_size = 0
        self._windows: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._windowed = not vault.storage.traits.local

    def read(self, chunk: bytes) -> bytes:
        """The plain bytes of ``chunk``, checked against its id; tries every copy before it gives up."""
        with self._lock:
            held = self._plain.get(chunk)
            if held is not None:
                self._plain.move_to_end(chunk)
                return held
        plain = self._from_any_copy(chunk)
        with self._lock:
            if chunk not in self._plain:
                self._plain[chunk] = plain
                self._plain_size += len(plain)
                while self._plain_size > _PLAIN_HELD:
                    _, gone = self._plain.popitem(last=False)
                    self._plain_size -= len(gone)
        return plain

    def has(self, chunk: bytes) -> bool:
        """Whether a copy is known that may be relied on."""
        return self._index.has(chunk, self._dead)

    def full_base(self, chunk: bytes) -> bytes | None:
        """The chunk to use as base where ``chunk`` stood: itself when a full copy exists, else its base."""
        for place in self._index.locations(chunk):
            if place.pack in self._dead:
                continue
            if place.codec != codec.DELTA:
                return chunk
            base = self._index.base(place)
            if any(b.codec != codec.DELTA and b.pack not in self._dead for b in self._index.locations(base)):
                return base
        return None

    def _from_any_copy(self, chunk: bytes) -> bytes:
        problem: HoldfastError | None = None
        places = self._index.locations(chunk) or self._locations_from_packs(chunk)
        for place in sorted(places, key=lambda where: where.pack in self._dead):
            for _ in range(_TRIES):
                try:
                    return self.read_copy(place)
                except ObjectMissing as error:
                    problem = problem or _pack_missing(place, error)
                    break
                except Damaged as error:
                    problem = problem or error
                    self._drop_windows(place.pack)
        if problem is None:
            raise Damaged(
                "a chunk is in no pack the index knows",
                where=f"chunk {chunk.hex()[:16]}",
                hint="holdfast check --repair-index rebuilds the index from the packs",
            )
        raise problem

    def _locations_from_packs(self, chunk: bytes) -> list[Location]:
        """The index does not know the chunk: perhaps a fragment was lost. The packs themselves know; asked once."""
        rescue, self._rescue = self._rescue, None
        if rescue is not None:
            rescue()
        return self._index.locations(chunk)

    def read_copy(self, place: Location) -> bytes:
        """The plain bytes out of one copy; Damaged or ObjectMissing when that copy is bad."""
        where = pack_path(place.pack)
        frame = self.unseal(place)
        base = None
        if frame.codec == codec.DELTA:
            base = self._full(frame.base, where)
        try:
            plain = codec.decode(frame.codec, frame.payload, frame.size, base)
        except Damaged as error:
            error.where = where
            raise
        check_id(self._keyring, frame.type, frame.id, plain, where)
        return plain

    def unseal(self, place: Location) -> Frame:
        """One copy as it lies in its pack; Damaged or ObjectMissing. Of a delta this does not need the base."""
        where = pack_path(place.pack)
        frame = self._key(place.pack).open(self._range(where, place.offset, place.length), where)
        if frame.id != place.id or frame.type != place.type:
            raise Damaged(
                "another chunk stands where the index points", where=where, hint="holdfast check --repair-index"
            )
        return frame

    def _full(self, base: bytes, where: str) -> bytes:
        """A base: never itself a delta, so a hostile index cannot send us in circles."""
        with self._lock:
            held = self._plain.get(base)
        if held is not None:
            return held
        problem: HoldfastError | None = None
        for place in self._index.locations(base):
            if place.codec == codec.DELTA:
                continue
            try:
                return self.read_copy(place)
            except (Damaged, ObjectMissing) as error:
                problem = problem or error
                self._drop_windows(place.pack)
        raise problem or Damaged("the base of a delta is in no pack", where=where)

    def _key(self, pack: bytes) -> PackKey:
        with self._lock:
            key = self._keys.get(pack)
        if key is None:
            where = pack_path(pack)
            key = read_key(self._keyring, lambda length: self._range(where, 0, length), where)
            with self._lock:
                self._keys[pack] = key
                if len(self._keys) > _KEYS_HELD:
                    self._keys.popitem(last=False)
        return key

    def _range(self, name: str, offset: int, length: int) -> bytes:
        if not self._windowed:
            return fetch(self._storage, name, offset, length)
        parts = []
        while length > 0:
            number, inside = divmod(offset, _WINDOW)
            part = self._window(name, number)[inside : inside + length]
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)

    def _drop_windows(self, pack: bytes) -> None:
        name = pack_path(pack)
        with self._lock:
            for held in [held for held in self._windows if held[0] == name]:
                del self._windows[held]

    def _window(self, name: str, number: int) -> bytes:
        with self._lock:
            held = self._windows.get((name, number))
            if held is not None:
                self._windows.move_to_end((name, number))
                return held
        data = fetch(self._storage, name, number * _WINDOW, _WINDOW)
        with self._lock:
            self._windows[name, number] = data
            if len(self._windows) > _WINDOWS_HELD:
                self._windows.popitem(last=False)
        return data


def _pack_missing(place: Location, error: ObjectMissing) -> Damaged:
    return Damaged("a pack is missing", where=pack_path(place.pack), why=str(error.where), hint="holdfast check")


def chunk_id(keyring: Keyring, kind: int, plain: bytes | memoryview) -> bytes:
    """The keyed BLAKE3 hash that names a chunk of this kind in this repository."""
    return blake3(plain, key=keyring.id_data if kind == DATA else keyring.id_meta).digest()


def check_id(keyring: Keyring, kind: int, chunk: bytes, plain: bytes, where: str) -> None:
    """Damaged unless ``plain`` hashes to ``chunk``."""
    if chunk_id(keyring, kind, plain) != chunk:
        raise Damaged("a chunk's content does not match its id", where=where, why=f"chunk {chunk.hex()[:16]}")
