"""A small repository on a local store, with an application of rows that a dictionary can hold, for tests of faults."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from holdfast.crypto import keys
from holdfast.flow.content import SnapshotContent
from holdfast.model.ids import new_id
from holdfast.model.prune import PrunePolicy
from holdfast.repository.index import ChunkIndex
from holdfast.repository.needs import Needs
from holdfast.repository.rebuild import packs_present
from holdfast.repository.repository import Places, Repository, SnapshotEntry
from holdfast.sources.base import CaptureNotes, CaptureRequest, Cut, Finding, Piece, PieceResult
from holdfast.storage.base import Storage
from holdfast.storage.local import LocalStorage
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.check import CheckRequest, check
from holdfast.usecases.prune import PruneRequest, prune

PASSPHRASE = "a passphrase for tests"
Rows = dict[str, list[bytes]]
"""What the application holds: item -> the bytes of each of its segments."""

EAGER = PrunePolicy(target_size=1 << 20, max_dead=0.0, tolerated=0.0, min_small=3)


def cheap_keys() -> None:
    """Key derivation that costs nothing, in this process from now on: tests open repositories by the hundred."""
    keys.ARGON2_MEMORY_KIB, keys.ARGON2_PASSES, keys.ARGON2_LANES = 8, 1, 1


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """``cheap_keys`` for the length of a test."""
    monkeypatch.setattr(keys, "ARGON2_MEMORY_KIB", 8)
    monkeypatch.setattr(keys, "ARGON2_PASSES", 1)
    monkeypatch.setattr(keys, "ARGON2_LANES", 1)


def temporary_folder() -> Path:
    """A new folder, in memory where that is possible."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="holdfast-faults-", dir=base))


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder in memory where there is one: these tests are about order, and flush thousands of times."""
    path = temporary_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def rows(seed: int, size: int = 40_000) -> bytes:
    """Lines that zstd can halve and that no other seed gives."""
    rng = Random(seed)
    return b"".join(b"%d\t%d\tname %d\n" % (n, rng.getrandbits(60), n % 7) for n in range(max(1, size // 30)))


def touched(data: bytes, number: int = 1) -> bytes:
    """The same rows with a few bytes of some of them changed: a delta is worth while."""
    return data.replace(b"name 3", b"NAME %d" % number, 5)


# Two states of one small source: the second changes a few rows of one stretch and replaces another.
ONE: Rows = {"t": [rows(1), rows(2)], "u": [rows(3, 2_000)]}
TWO: Rows = {"t": [touched(rows(1)), rows(2)], "u": [rows(4, 2_000)]}


@dataclass
class RowsSource:
    """A source over a dictionary. ``read`` counts the bytes it gave out; unchanged segments are kept by ``stamp``."""

    data: Rows
    keep: bool = True
    read: int = 0
    stop_after: int | None = None
    kind: str = "rows"
    url: str = "rows:"
    estimate: int | None = None
    ordered: bool = False
    notes: dict[str, object] = field(default_factory=lambda: {"made": "by a test"})

    @contextlib.contextmanager
    def capture(self, request: CaptureRequest) -> Iterator[RowsSource]:
        self.previous = request.previous
        yield self

    def opening_notes(self) -> dict[str, object]:
        return self.notes

    def lanes(self) -> list[Iterator[Piece]]:
        pieces = [(name, at, data) for name, segments in sorted(self.data.items()) for at, data in enumerate(segments)]
        return [self._lane(pieces[::2]), self._lane(pieces[1::2])]

    def _lane(self, pieces: list[tuple[str, int, bytes]]) -> Iterator[Piece]:
        for name, at, data in pieces:
            before = self.previous.item(name.encode()) if self.previous else None
            old = next((s for s in before.segments if s.key == str(at)), None) if before else None
            stamp = str(hash(data)).encode()
            piece = Piece(item=name.encode(), kind="table", order=at, key=str(at), cut=Cut.ROWS, base=old)
            if self.keep and old is not None and old.stamp == stamp:
                piece.kept = [old]
            else:
                piece.blocks = self._blocks(data)
                piece.result = lambda d=data, s=stamp: PieceResult(rows=d.count(b"\n"), stamp=s)
            yield piece

    def _blocks(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), 10_000):
            self.read += len(data[at : at + 10_000])
            if self.stop_after is not None and self.read > self.stop_after:
                raise InterruptedError("the source stops here")
            yield data[at : at + 10_000]

    def finish(self) -> CaptureNotes:
        return CaptureNotes(notes=self.notes)

    def target(self, request: object) -> object:
        raise NotImplementedError

    def examine(self) -> list[Finding]:
        return []


@dataclass
class World:
    """One repository below ``root``; ``model`` tells what each named snapshot holds."""

    root: Path
    model: dict[str, Rows] = field(default_factory=dict)
    recovery_key: str = ""
    store: Callable[[], Storage] | None = None

    @property
    def repo(self) -> Path:
        return self.root / "repo"

    def storage(self) -> Storage:
        return self.store() if self.store else LocalStorage(self.repo)

    def places(self, name: str = "") -> Places:
        """The folders of a client; without a name of one that was never here."""
        name = name or f"fresh-{new_id()}"
        return Places(cache=self.root / name / "cache", state=self.root / name / "state")

    def create(self) -> World:
        repository, self.recovery_key = Repository.create(self.storage(), PASSPHRASE, self.places("maker"))
        repository.close()
        return self

    def open(self, name: str = "", secret: str = PASSPHRASE) -> Repository:
        return Repository.open(self.storage(), secret, self.places(name))

    @contextlib.contextmanager
    def opened(self, name: str = "", secret: str = PASSPHRASE) -> Iterator[Repository]:
        with contextlib.closing(self.open(name, secret)) as repository:
            yield repository

    def back_up(self, name: str, data: Rows, client: str = "") -> RowsSource:
        source = RowsSource(data)
        with self.opened(client) as repository:
            result = backup(repository, BackupRequest(sources={"app": source}, name=name))
            for error in result.failures.values():
                raise error
        self.model[name] = data
        return source

    def forget(self, *names: str, client: str = "") -> None:
        with self.opened(client) as repository:
            repository.forget([e.info.id for e in repository.snapshots() if e.info.name in names])
        for name in names:
            self.model.pop(name)

    def prune(self, policy: PrunePolicy | None = EAGER, client: str = "") -> None:
        with self.opened(client) as repository:
            prune(repository, PruneRequest(policy=policy))

    def twin(self, name: str) -> World:
        """A copy of repository and clients whose objects can be deleted and added apart from this one's."""
        copy = World(self.root.parent / name, dict(self.model), self.recovery_key)
        shutil.copytree(self.root, copy.root, copy_function=_link_objects)
        return copy

    def objects(self, prefix: str = "") -> list[str]:
        return sorted(stat.name for stat in self.storage().list(prefix))


def _link_objects(source: str, target: str) -> None:
    if "/repo/" in source:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def content(repository: Repository, entry: SnapshotEntry, reader: object = None) -> Rows:
    """Everything a snapshot gives back."""
    reader = reader or repository.reader()
    manifest = repository.manifest(entry, reader)  # type: ignore[arg-type]
    plain = SnapshotContent(reader, local=True)  # type: ignore[arg-type]
    return {
        item.label: [b"".join(plain.blocks(segment)) for segment in item.segments] for item in manifest.items()
    }


def require_whole(world: World, expected: Mapping[str, Rows] | None = None, *, maybe: Mapping[str, Rows] = {}) -> None:
    """A client that was never here finds nothing wrong, and every snapshot equal to what was put in.

    ``maybe``: snapshots that may or may not be there; when they are, they are whole.
    """
    expected = world.model if expected is None else expected
    with world.opened() as repository:
        result = check(repository, CheckRequest(read_data=1))
        assert result.ok, result.findings
        found = {entry.info.name: content(repository, entry) for entry in repository.snapshots()}
    assert found.keys() - maybe.keys() == expected.keys() - maybe.keys()
    for name, data in found.items():
        assert data == {**maybe, **expected}[name or ""], name


_STAYS = {"holdfast.json", "index", "keys", "log", "packs", "proofs", "audit", "claims", "retention"}


def require_tidy(world: World) -> None:
    """After a prune nothing is left that no living snapshot needs: no pack, no fragment, no sign of life."""
    with world.opened() as repository:
        repository.load_index()
        needs = Needs(repository.vault, repository.reader())
        assert packs_present(repository.vault).keys() == needs.live.keys()
        assert not repository.log.state.condemned
        assert not repository.log.state.open, repository.log.state.open
        index = ChunkIndex(repository.storage, repository.sealer, world.root / "tidy")
        index.load()
        rows, _ = index.merged()
        swept = repository.log.state.swept
        assert not [row for row in rows.rows() if row[32:52] in swept]
        index.close()
    assert world.objects("heartbeat/") == []
    assert {name.split("/")[0] for name in world.objects()} <= _STAYS


def run_and_die(action: Callable[[], None]) -> int | None:
    """Run ``action`` in a child; the signal that killed it, or None when it came to its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fork beside threads that are just ending
        pid = os.fork()
    if pid == 0:
        code = 3
        try:
            with contextlib.suppress(BaseException):
                action()
                code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return os.WTERMSIG(status)
    assert os.WEXITSTATUS(status) == 0, "the child failed without being killed"
    return None
