"""Write chunks: hash, skip what is known, compress or delta, seal into packs, verify, upload.

Several threads call ``put`` at once; each borrows one of a few open packs. A full pack is verified and uploaded
by an uploader thread, and only then do its chunks enter an index fragment. ``flush`` is the barrier: after it
everything put so far is durable and indexed. The first failure of any thread surfaces from the next call.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from holdfast.chunking import codec
from holdfast.crypto.keys import Keyring
from holdfast.model.errors import Damaged, StorageFull
from holdfast.repository import pack as packs
from holdfast.repository.fragments import Fragment, encode_base, encode_fragment, encode_row
from holdfast.repository.layout import index_path, pack_name, pack_path
from holdfast.repository.pack import DATA, META, Entry, PackBuilder, PackKey
from holdfast.repository.reader import ChunkReader, check_id, chunk_id
from holdfast.repository.vault import Vault

_OPEN_DATA_PACKS = 2
_BUFFERS = 5
# Behind a full pack's target: one chunk more, and the table of contents.
_ROOM = 4 << 20
# Room that stays free for log records and index fragments, so that a full disk can still be pruned.
RESERVE = 32 << 20
FRAGMENT_ROWS = 50_000


class ChunkWriter:
    """The packs of one session. What ``reader`` may not rely on is treated as absent, as a base too.

    ``told`` hears of each pack that lies in the store, with its bytes, in any thread; what it raises ends the writing.
    """

    def __init__(self, vault: Vault, reader: ChunkReader, session: str) -> None:
        self._storage, self._keyring, self._sealer = vault.storage, vault.keyring, vault.sealer
        self._index, self._reader = vault.index, reader
        self._session = session
        self._target = vault.storage.traits.pack_size
        self._lock = threading.Lock()
        self._claimed: set[bytes] = set()
        self._packs = 0
        self._fragments = 0
        self._ready = Fragment()
        self._spare: queue.LifoQueue[PackBuilder] = queue.LifoQueue()
        self._builders = 0
        self._open: dict[int, queue.LifoQueue[PackBuilder | None]] = {
            DATA: self._slots(_OPEN_DATA_PACKS),
            META: self._slots(1),
        }
        self._uploads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="upload")
        self._running: set[Future[None]] = set()
        self._untold = False
        self.told: Callable[[int], None] = _nobody
        self._failure: BaseException | None = None
        self.bytes_new = 0
        self.bytes_stored = 0

    # -- putting chunks --------------------------------------------------------------------------------------

    def put(self, kind: int, plain: bytes, base: bytes | None = None) -> bytes:
        """Store ``plain`` unless it is known; returns its id. ``base``: chunk that stood here before."""
        self._raise_failure()
        chunk = chunk_id(self._keyring, kind, plain)
        with self._lock:
            if chunk in self._claimed:
                return chunk
        if self._reader.has(chunk):
            return chunk
        with self._lock:
            if chunk in self._claimed:
                return chunk
            self._claimed.add(chunk)
            self.bytes_new += len(plain)
        try:
            self._store(kind, chunk, plain, base)
        except BaseException as error:
            self._fail(error)
            raise
        return chunk

    def copy(self, kind: int, plain: bytes, base: bytes | None) -> None:
        """Store ``plain`` although the index knows it, as delta of ``base`` where given: repacking moves chunks."""
        chunk = chunk_id(self._keyring, kind, plain)
        with self._lock:
            if chunk in self._claimed:
                return
            self._claimed.add(chunk)
        self._store(kind, chunk, plain, base)

    def _store(self, kind: int, chunk: bytes, plain: bytes, base: bytes | None) -> None:
        entry, payload = self._encode(kind, chunk, plain, base)
        slots = self._open[kind]
        builder = slots.get()
        try:
            if builder is None:
                builder = self._begin()
            builder.add(entry, payload)
            if builder.size >= self._target:
                full, builder = builder, None
                self._hand_over(full)
        finally:
            slots.put(builder)

    def _encode(
        self, kind: int, chunk: bytes, plain: bytes, base: bytes | None
    ) -> tuple[Entry, bytes | memoryview | bytearray]:
        if base is not None and len(plain) > 1024:
            full = self._reader.full_base(base)
            if full is not None and full != chunk:
                delta = self._delta(plain, full)
                if delta is not None:
                    return Entry(chunk, kind, codec.DELTA, 0, 0, len(plain), full), delta
        how, payload = codec.encode(plain)
        return Entry(chunk, kind, how, 0, 0, len(plain)), payload

    def _delta(self, plain: bytes, base: bytes) -> bytes | None:
        try:
            return codec.encode_delta(plain, self._reader.read(base))
        except Damaged:
            return None  # a base that cannot be read is no reason not to store what can

    # -- packs -----------------------------------------------------------------------------------------------

    def _slots(self, count: int) -> queue.LifoQueue[PackBuilder | None]:
        slots: queue.LifoQueue[PackBuilder | None] = queue.LifoQueue()
        for _ in range(count):
            slots.put(None)
        return slots

    def _begin(self) -> PackBuilder:
        with self._lock:
            number = self._packs
            self._packs += 1
            fresh = self._spare.empty() and self._builders < _BUFFERS
            self._builders += fresh
        builder = PackBuilder(self._keyring, self._target + _ROOM) if fresh else self._spare.get()
        builder.begin(self._session, number)
        return builder

    def _hand_over(self, builder: PackBuilder) -> None:
        future = self._uploads.submit(self._upload, builder)
        with self._lock:
            self._running.add(future)
        future.add_done_callback(self._uploaded)

    def _upload(self, builder: PackBuilder) -> None:
        try:
            self._raise_failure()
            data, entries = builder.finish()
            name = pack_name(self._session, builder.number)
            verify_pack(self._keyring, data, pack_path(name), self._reader.read)
            self._check_room(len(data))
            self._storage.put_new(pack_path(name), data)
            with self._lock:
                self.bytes_stored += len(data)
                rows = [encode_row(name, entry) for entry in entries]
                bases = [encode_base(name, entry) for entry in entries if entry.base]
                self._ready.rows += rows
                self._ready.bases += bases
            self._index.add(rows, bases)
            with self._lock:
                self._claimed.difference_update(entry.id for entry in entries)
            size = len(data)
            data.release()
            self.told(size)
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            self._spare.put(builder)
        if len(self._ready.rows) >= FRAGMENT_ROWS:
            self._write_fragment(b"")

    def _uploaded(self, future: Future[None]) -> None:
        with self._lock:
            self._running.discard(future)

    def _check_room(self, need: int) -> None:
        free = self._storage.free_space()
        if free is not None and free < need + RESERVE:
            raise StorageFull(
                "the repository's storage is full",
                where=self._storage.url,
                why=f"{free >> 20} MiB are left, {RESERVE >> 20} MiB of them are kept for cleaning up",
                hint="free some space, or: holdfast forget … && holdfast prune --now",
            )

    # -- barriers --------------------------------------------------------------------------------------------

    def flush(self, progress: bytes = b"") -> None:
        """Make everything put so far durable and indexed; ``progress`` goes into the fragment."""
        self._close_packs()
        if self._failure is not None:
            progress = b""  # what arrived is told to the index all the same: the next try goes on from it
        if self._ready.rows or progress:
            self._write_fragment(progress)
        self._raise_failure()

    def _close_packs(self) -> None:
        """Upload every open pack and wait for all uploads; those that fail set ``_failure``."""
        for slots in self._open.values():
            for builder in self._take_all(slots, _OPEN_DATA_PACKS if slots is self._open[DATA] else 1):
                if builder.count:
                    self._hand_over(builder)
                else:
                    self._spare.put(builder)
        while True:
            with self._lock:
                running = list(self._running)
            if not running:
                return
            wait(running)

    @staticmethod
    def _take_all(slots: queue.LifoQueue[PackBuilder | None], count: int) -> list[PackBuilder]:
        """Empty the slots; interrupted half-way, they are as they were, or the next ``flush`` would wait for ever."""
        taken: list[PackBuilder | None] = []
        try:
            while len(taken) < count:
                taken.append(slots.get())
        except BaseException:
            for builder in taken:
                slots.put(builder)
            raise
        for _ in taken:
            slots.put(None)
        return [builder for builder in taken if builder is not None]

    def _write_fragment(self, progress: bytes) -> None:
        with self._lock:
            fragment, self._ready = self._ready, Fragment()
            number = self._fragments
            self._fragments += 1
        if not fragment.rows and not progress:
            return
        fragment.progress = progress
        name = index_path(self._session, number)
        try:
            data = self._sealer.seal("index", name, encode_fragment(fragment))
            self._storage.put_new(name, data)
        except BaseException as error:
            self._untold = True
            self._fail(error)  # uploader threads write fragments too: nothing may be committed without its index
            raise
        with self._lock:
            self.bytes_stored += len(data)
        self._index.cover(name)

    def close(self) -> None:
        """Stop the uploader threads. What was not flushed is an orphan pack at worst.

        The index must not tell of such packs: another client, whose index never will, would take what is
        referenced in them for lost.
        """
        self._uploads.shutdown(wait=True)
        if self._ready.rows or self._untold:
            self._index.discard()

    # -- failures --------------------------------------------------------------------------------------------

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _nobody(_size: int) -> None:
    """Who listens while nobody does."""


def verify_pack(
    keyring: Keyring, data: memoryview | bytes, where: str, base_of: Callable[[bytes], bytes | None]
) -> list[bytes]:
    """Open every frame as a later reader would and hash it again; Damaged says memory or processor lied.

    ``base_of`` gives the plain bytes of a delta's base, or None when it cannot; returns the ids of the deltas that
    were therefore only unsealed.
    """
    key = PackKey(keyring, data, where)
    unproven: list[bytes] = []
    entries: list[Entry] = []
    for entry, frame in packs.iterate(key, data, where):
        entries.append(entry)
        base = base_of(frame.base) if frame.base else None
        if frame.base and base is None:
            unproven.append(entry.id)
            continue
        try:
            plain = codec.decode(frame.codec, frame.payload, frame.size, base)
        except Damaged as error:
            error.where = error.where or where
            raise
        check_id(keyring, entry.type, entry.id, plain, where)
    trailer = packs.footer(bytes(data[-packs.FOOTER_SIZE :]), where)
    if packs.contents(key, data[trailer:], where) != entries:
        raise Damaged("a pack's table of contents is not what the pack holds", where=where)
    return unproven
