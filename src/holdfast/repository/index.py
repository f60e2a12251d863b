"""The chunk index: the union of all fragments, in a disposable local cache of sorted runs.

Union is commutative and idempotent, so fragments may arrive in any order, twice, or while others write. Rows of
swept packs may linger here; readers and writers ask the log which packs count.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from holdfast.chunking.codec import DELTA
from holdfast.crypto.seal import ObjectSealer
from holdfast.model.errors import Damaged, ObjectMissing
from holdfast.repository import runs
from holdfast.repository.fetching import fetch
from holdfast.repository.fragments import (
    BASE_ROW_SIZE,
    ROW_SIZE,
    Location,
    base_key,
    decode_row,
    split_fragment,
)
from holdfast.repository.layout import INDEX
from holdfast.repository.runs import Run
from holdfast.storage.base import Storage

# More runs than this are merged into fewer: a look-up visits every run.
_MOST_RUNS = 6
_FLUSH_ROWS = 50_000
_TRIES = 5


class ChunkIndex:
    """Look-ups from any thread; additions from any thread. ``folder`` is the cache of this repository's index."""

    def __init__(self, storage: Storage, sealer: ObjectSealer, folder: Path) -> None:
        self._storage = storage
        self._sealer = sealer
        self._folder = folder
        self._lock = threading.RLock()
        self._rows: list[Run] = []
        self._bases: list[Run] = []
        self._fresh: dict[bytes, list[bytes]] = {}
        self._fresh_bases: dict[bytes, bytes] = {}
        self._covered: set[str] = set()
        self.loaded = False
        self._saved: dict[str, list[str]] = {}
        self.damaged: list[Damaged] = []

    def load(self) -> None:
        """Bring the cache up to date with the fragments in storage. Damaged fragments are kept in ``damaged``."""
        with self._lock:
            for _ in range(_TRIES):
                present = {stat.name for stat in self._storage.list(INDEX)}
                if not self._open_cache(present):
                    self._reset()
                self.damaged = []
                missing = sorted(present - self._covered)
                # A fragment that goes between listing and reading was merged by a prune: its successor is there now.
                if not missing or self._read_fragments(missing):
                    break
            self.loaded = True
            self._settle()

    def discard(self) -> None:
        """Forget everything, the cache too; ``load`` reads the fragments again."""
        with self._lock:
            self._reset()

    def add(self, rows: Iterable[bytes], bases: Iterable[bytes]) -> None:
        """Take rows that this client wrote to packs itself."""
        with self._lock:
            for row in rows:
                self._fresh.setdefault(row[:32], []).append(row)
            for base in bases:
                self._fresh_bases[base[:56]] = base
            if len(self._fresh) > _FLUSH_ROWS:
                self._spill()

    def cover(self, fragment: str) -> None:
        """Note that what ``fragment`` holds is here already."""
        with self._lock:
            self._covered.add(fragment)

    def has(self, chunk: bytes, dead: Container[bytes]) -> bool:
        """Whether ``chunk`` can be read without the packs in ``dead``: a full copy, or a delta whose base has one."""
        deltas: list[bytes] = []
        for run in self._rows:  # written out, without a generator: this is asked for every chunk there is
            for row in run.all(chunk):
                if row[32:52] not in dead:
                    if row[63] & 15 != DELTA:
                        return True
                    deltas.append(row)
        for row in self._fresh.get(chunk, ()):
            if row[32:52] not in dead:
                if row[63] & 15 != DELTA:
                    return True
                deltas.append(row)
        return bool(deltas) and any(self._has_full(self.base(decode_row(row)), dead) for row in deltas)

    def _has_full(self, chunk: bytes, dead: Container[bytes]) -> bool:
        return any(row[63] & 15 != DELTA and row[32:52] not in dead for row in self._copies(chunk))

    def _copies(self, chunk: bytes) -> Iterator[bytes]:
        yield from self._fresh.get(chunk, ())
        for run in self._rows:
            yield from run.find(chunk)

    def locations(self, chunk: bytes) -> list[Location]:
        """All known copies of ``chunk``, full ones first."""
        return sorted(map(decode_row, set(self._copies(chunk))), key=lambda place: place.codec)

    def base(self, location: Location) -> bytes:
        """The base chunk of a delta copy; empty for a full one."""
        key = base_key(location)
        with self._lock:
            row = self._fresh_bases.get(key)
        if row is None:
            row = next((hit for run in self._bases for hit in run.find(key)), b"")
        return row[56:]

    def settle(self) -> None:
        """Write everything to the cache, as few runs."""
        with self._lock:
            self._spill()
            self._settle()

    def merged(self) -> tuple[Run, Run]:
        """(rows, bases) as one run each: for prune and check, which number the rows."""
        with self._lock:
            self._spill()
            self._compact(force=True)
            self._save()
            empty = runs.build([], ROW_SIZE)
            return (self._rows or [empty])[0], (self._bases or [empty])[0]

    def fragments(self) -> set[str]:
        """Names of the fragments this index covers."""
        return set(self._covered)

    def forget_cache(self) -> None:
        """Throw the cache away and read every fragment again."""
        with self._lock:
            self._reset()
            self.load()

    def close(self) -> None:
        """Save the cache; a failure to save costs time later, nothing else."""
        with self._lock, contextlib.suppress(OSError):
            if self.loaded:
                self.settle()
        for run in (*self._rows, *self._bases):
            run.close()
        self._rows, self._bases = [], []

    # -- the cache -------------------------------------------------------------------------------------------

    def _open_cache(self, present: set[str]) -> bool:
        """Load the cached runs; False when they are unusable or cover fragments that are gone."""
        if self._covered:
            return self._covered <= present
        try:
            listing = json.loads((self._folder / "covered.json").read_text())
            covered = set(listing["fragments"])
            if not covered <= present:
                return False
            self._rows = [runs.load(self._folder / name, ROW_SIZE) for name in listing["rows"]]
            self._bases = [runs.load(self._folder / name, BASE_ROW_SIZE) for name in listing["bases"]]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        self._covered = covered
        self._saved = listing
        return True

    def _reset(self) -> None:
        self._rows, self._bases, self._covered = [], [], set()
        self._fresh, self._fresh_bases = {}, {}
        self.damaged, self.loaded, self._saved = [], False, {}
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                with contextlib.suppress(OSError):
                    path.unlink()

    def _read_fragments(self, names: list[str]) -> bool:
        """Take in what these fragments hold; False when one of them is not there any more."""
        whole = True
        with ThreadPoolExecutor(max_workers=self._storage.traits.parallel) as pool:
            for name, result in zip(names, pool.map(self._fetch, names), strict=True):
                if isinstance(result, Damaged):
                    self.damaged.append(result)
                elif result is None:
                    whole = False
                else:
                    rows, bases = result
                    self.add(_split(rows, ROW_SIZE), _split(bases, BASE_ROW_SIZE))
                    self._covered.add(name)
        return whole

    def _fetch(self, name: str) -> tuple[memoryview, memoryview] | Damaged | None:
        problem: Damaged | None = None
        for _ in range(2):  # damage is believed when it is seen twice
            try:
                payload = self._sealer.open("index", name, fetch(self._storage, name))
                return split_fragment(payload, name)[:2]
            except ObjectMissing:
                return None
            except Damaged as error:
                problem = error
        return problem

    def _spill(self) -> None:
        """Turn the fresh rows into a run, so that memory does not grow with a long session."""
        if not self._fresh and not self._fresh_bases:
            return
        rows = [row for group in self._fresh.values() for row in group]
        self._rows.append(self._store(runs.build(rows, ROW_SIZE), "rows"))
        if self._fresh_bases:
            self._bases.append(self._store(runs.build(list(self._fresh_bases.values()), BASE_ROW_SIZE), "bases"))
        self._fresh, self._fresh_bases = {}, {}
        if len(self._rows) > _MOST_RUNS:
            self._compact()

    def _settle(self) -> None:
        self._spill()
        self._compact()
        self._save()

    def _store(self, run: Run, kind: str) -> Run:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            width = ROW_SIZE if kind == "rows" else BASE_ROW_SIZE
            return runs.merge([run], width, self._folder / _fresh_name(kind))
        except OSError:
            return run  # no room for a cache: memory has to do

    def _compact(self, *, force: bool = False) -> None:
        limit = 1 if force else _MOST_RUNS
        self._rows = self._fold(self._rows, "rows", ROW_SIZE, limit)
        self._bases = self._fold(self._bases, "bases", BASE_ROW_SIZE, limit)

    def _fold(self, held: list[Run], kind: str, width: int, limit: int) -> list[Run]:
        if len(held) <= limit:
            return held
        held = sorted(held, key=lambda run: -run.count)
        largest = held[0]
        keep = [] if limit == 1 or largest.count < 4 * sum(run.count for run in held[1:]) else [largest]
        rest = held[len(keep) :]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            folded = runs.merge(rest, width, self._folder / _fresh_name(kind))
        except OSError:
            if limit > 1:
                return held
            folded = runs.build([row for run in rest for row in run.rows()], width)
        # Old runs are not closed: another thread may be looking into one. The last reference unmaps them.
        return [*keep, folded]

    def _save(self) -> None:
        listing = {
            "fragments": sorted(self._covered),
            "rows": [run.path.name for run in self._rows if run.path],
            "bases": [run.path.name for run in self._bases if run.path],
        }
        if listing == self._saved or any(run.path is None for run in (*self._rows, *self._bases)):
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = self._folder / f"covered.{os.getpid()}.tmp"
            temporary.write_text(json.dumps(listing))
            os.replace(temporary, self._folder / "covered.json")
            self._saved = listing
            self._sweep_files({*listing["rows"], *listing["bases"], "covered.json"})
        except OSError:
            return

    def _sweep_files(self, keep: set[str]) -> None:
        for path in self._folder.iterdir():
            if path.name not in keep and path.suffix == ".run":
                with contextlib.suppress(OSError):
                    path.unlink()


def read_progress(storage: Storage, sealer: ObjectSealer, session: str) -> Iterator[bytes]:
    """The progress notes of one session's fragments, newest first."""
    names = sorted((stat.name for stat in storage.list(f"{INDEX}{session}/")), reverse=True)
    for name in names:
        with contextlib.suppress(Damaged, ObjectMissing):
            _, _, progress = split_fragment(sealer.open("index", name, fetch(storage, name)), name)
            if progress:
                yield progress


def _split(rows: memoryview, width: int) -> Iterator[bytes]:
    data = bytes(rows)
    return (data[at : at + width] for at in range(0, len(data), width))


def _fresh_name(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(6)}.run"


