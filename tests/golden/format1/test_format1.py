"""Format 1: what was written once is read for ever, by holdfast and by whoever has docs/format-1.md."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from tests.faults.world import World, cheap, content, room
from tests.golden.format1 import second_reader
from tests.golden.format1.freeze import PASSPHRASE, digests, fill
from tests.golden.format1.second_reader import SecondReader

from holdfast.model.errors import NewerFormat, WrongKey
from holdfast.repository import log
from holdfast.repository.repository import Places, Repository
from holdfast.storage.local import LocalStorage
from holdfast.usecases.check import CheckRequest, check

__all__ = ["cheap", "room"]

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())


@pytest.fixture
def frozen(room: Path) -> Path:
    """A copy of the frozen repository: reading it with a session adds to its log."""
    shutil.copytree(HERE / "repository", room / "repo")
    return room / "repo"


def all_of(reader: SecondReader) -> dict[str, dict[str, str]]:
    """What the second implementation finds in the living snapshots."""
    return {
        snapshot.info["name"]: {
            item.name.decode("utf-8", "backslashreplace"): hashlib.sha256(b"".join(item.data)).hexdigest()
            for item in reader.items(snapshot)
        }
        for snapshot in reader.snapshots.values()
        if not snapshot.forgotten
    }


def test_the_second_implementation_shares_nothing_with_the_product() -> None:
    """It imports no part of holdfast, so that what it reads shows what the document says."""
    assert "import holdfast" not in Path(second_reader.__file__).read_text()
    assert "from holdfast" not in Path(second_reader.__file__).read_text()


@pytest.mark.parametrize(
    "secret", [PASSPHRASE, "a second passphrase", EXPECTED["recovery_key"]], ids=["first", "second", "kit"]
)
def test_the_frozen_repository_is_read_from_the_document_alone(secret: str) -> None:
    """Passphrases and recovery key open it; every item of every snapshot is what it was."""
    reader = SecondReader(HERE / "repository", secret)
    assert all_of(reader) == EXPECTED["snapshots"]
    assert {s.info["name"] for s in reader.snapshots.values() if s.pinned} == {"delta"}
    assert {s.info["name"] for s in reader.snapshots.values() if s.forgotten} >= {"dropped"}
    parts = next(s for s in reader.snapshots.values() if s.info["name"] == "parts")
    many = next(item for item in reader.items(parts) if item.name == b"public.many")
    assert many.keys == [str(n) for n in range(1100)]
    assert len(many.data) == 1100


def test_the_frozen_repository_holds_every_shape() -> None:
    """Deltas, raw and compressed chunks, both types, swept packs, a checkpoint, progress of an unfinished backup."""
    reader = SecondReader(HERE / "repository", PASSPHRASE)
    places = [place for copies in reader.places.values() for place in copies]
    assert {place.codec for place in places} == {0, 1, 2}
    assert {place.type for place in places} == {1, 2}
    assert reader.swept
    assert reader.let_go
    assert reader.names("log/")[-1].startswith("log/checkpoint-")
    checkpoint = second_reader.unpack(reader.open_object("checkpoint", reader.names("log/")[-1]))
    assert checkpoint["version"] == 1
    progress = [n for n in reader.names("index") if b"pages" in reader.open_object("index", n)]
    assert progress
    size = sum(path.stat().st_size for path in (HERE / "repository").rglob("*") if path.is_file())
    assert size < 200 << 10


def test_index_and_packs_tell_the_same() -> None:
    """Whatever the fragments say of a chunk, the tables of contents of the packs say too."""
    reader = SecondReader(HERE / "repository", PASSPHRASE)
    from_packs = reader.index_from_packs()
    for chunk, places in reader.places.items():
        assert all(place in from_packs[chunk] for place in places)


def test_removed_and_wrong_secrets_open_nothing() -> None:
    """The removed slot and an unknown passphrase are refused by both implementations."""
    for secret in ("a third passphrase", "something else"):
        with pytest.raises(PermissionError):
            SecondReader(HERE / "repository", secret)


@pytest.mark.parametrize("secret", [PASSPHRASE, EXPECTED["recovery_key"]], ids=["passphrase", "recovery key"])
def test_the_frozen_repository_is_read_by_this_version(frozen: Path, room: Path, secret: str) -> None:
    """Open, check of every byte, every item, a further backup, and reading that from the document again."""
    places = Places(cache=room / "cache", state=room / "state")
    with contextlib.closing(Repository.open(LocalStorage(frozen), secret, places)) as repository:
        found = {entry.info.name: digests(content(repository, entry)) for entry in repository.snapshots()}
        assert found == EXPECTED["snapshots"]
        result = check(repository, CheckRequest(read_data=1))
        assert result.ok, result.findings
    with pytest.raises(WrongKey):
        Repository.open(LocalStorage(frozen), "a third passphrase", places)
    world = World(room)
    world.back_up("new", {"public.events": [b"1\n"]})
    assert all_of(SecondReader(frozen, secret)).keys() == {*EXPECTED["snapshots"], "new"}


def test_a_fresh_repository_is_read_from_the_document_alone(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this version writes is what the document says."""
    monkeypatch.setattr(log, "CHECKPOINT_EVERY", 8)
    world = World(room / "w").create()
    expected = fill(world)
    reader = SecondReader(world.repo, PASSPHRASE)
    assert all_of(reader) == expected
    assert all_of(SecondReader(world.repo, world.recovery_key)) == expected


def test_a_repository_of_the_next_format_is_refused_politely(frozen: Path, room: Path) -> None:
    """An older holdfast says that a newer one is needed, and touches nothing."""
    config = json.loads((frozen / "holdfast.json").read_text())
    (frozen / "holdfast.json").write_text(json.dumps({**config, "format": 2}))
    before = sorted(frozen.rglob("*"))
    with pytest.raises(NewerFormat, match="newer"):
        Repository.open(LocalStorage(frozen), PASSPHRASE, Places(cache=room / "c", state=room / "s"))
    assert sorted(frozen.rglob("*")) == before
