"""Damage of every kind to every kind of object: it is detected and named, never believed, and costs nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.faults.scripted_storage import Script, Scripted
from tests.faults.world import PASSPHRASE, Rows, World, cheap, content, room, rows, temporary_folder, touched

from holdfast.chunking import codec
from holdfast.crypto import keys
from holdfast.crypto.keys import Keyring, Slot
from holdfast.model.errors import Damaged, HoldfastError, NewerFormat, RolledBack, WrongKey
from holdfast.repository import log as log_module
from holdfast.repository.pack import FOOTER_SIZE, FRAME_SIZE, HEADER_SIZE
from holdfast.storage.memory import MemoryStorage
from holdfast.usecases.check import CheckRequest, CheckResult, check

__all__ = ["cheap", "room"]

DATA: dict[str, Rows] = {
    "one": {"public.events": [rows(1, 4_000), rows(2, 3_000)], "public.users": [b"7\tAnna\n"]},
    "two": {"public.events": [touched(rows(1, 4_000)), rows(2, 3_000)], "public.users": [b"7\tAnna\n"]},
    "three": {"public.notes": [rows(9, 2_000)]},
}
Objects = dict[str, bytes]


class Museum:
    """The objects of a finished repository; ``exhibit`` gives a copy of it with some of them changed."""

    def __init__(self, root: Path) -> None:
        self.world = World(root)
        self.memory = MemoryStorage("museum")
        self.world.store = lambda: self.memory
        self.world.create()
        for name, data in DATA.items():
            self.world.back_up(name, data, "client")
        self.objects: Objects = {s.name: self.memory.get(s.name) for s in self.memory.list("")}

    def with_changes(self, changes: dict[str, bytes | None]) -> World:
        """The repository with these objects replaced, added or (None) deleted."""
        memory = MemoryStorage("changed")
        for name, data in {**self.objects, **changes}.items():
            if data is not None:
                memory.put_new(name, data)
        world = World(self.world.root, dict(DATA), self.world.recovery_key)
        world.store = lambda: memory
        return world

    def names(self, kind: str) -> list[str]:
        return sorted(name for name in self.objects if name.startswith(kind))


@pytest.fixture(scope="module")
def museum() -> Iterator[Museum]:
    """Three snapshots in packs of their own, one of them with a delta; with a checkpoint in the log."""
    saved = keys.ARGON2_MEMORY_KIB, keys.ARGON2_PASSES, keys.ARGON2_LANES, log_module.CHECKPOINT_EVERY
    keys.ARGON2_MEMORY_KIB, keys.ARGON2_PASSES, keys.ARGON2_LANES, log_module.CHECKPOINT_EVERY = 8, 1, 1, 8
    root = temporary_folder()
    yield Museum(root)
    shutil.rmtree(root)
    keys.ARGON2_MEMORY_KIB, keys.ARGON2_PASSES, keys.ARGON2_LANES, log_module.CHECKPOINT_EVERY = saved


def look(world: World) -> tuple[HoldfastError | None, CheckResult | None]:
    """Open, check every byte, read every snapshot. Whatever is given back is right; what is not is refused as damage.

    Returns why it does not open, or what check found. Any other exception is a failure of the test.
    """
    try:
        repository = world.open()
    except HoldfastError as error:
        return error, None
    with contextlib.closing(repository):
        found = check(repository, CheckRequest(read_data=1))
        affected = " ".join(name for finding in found.findings for name in finding.affects)
        for entry in repository.snapshots():
            try:
                assert content(repository, entry) == DATA[entry.info.name or ""]
            except HoldfastError:
                assert entry.info.id[:8] in affected, found.findings
    shutil.rmtree(world.root / "changed", ignore_errors=True)
    return None, found


def must_be_noticed(world: World, name: str) -> None:
    error, found = look(world)
    if error is not None:
        assert isinstance(error, Damaged | NewerFormat | WrongKey), error
        assert name in f"{error.where} {error.why} {error.what}" or name in ("holdfast.json", "log/000000000001"), error
    else:
        assert found is not None
        assert not found.ok, f"{name}: not noticed"
        assert any(name in finding.where for finding in found.findings), (name, found.findings)


def one_of_each(museum: Museum) -> list[str]:
    packs = museum.names("packs/")
    return [
        "holdfast.json", museum.names("log/0")[0], museum.names("log/0")[2], museum.names("log/0")[-1],
        museum.names("log/checkpoint")[0], museum.names("index/")[0], packs[0], packs[-1], *museum.names("keys/"),
    ]  # fmt: skip


def landmarks(name: str, data: bytes) -> list[int]:
    """Where to damage an object: everywhere that has a meaning of its own, and a sample of the rest."""
    spots = {0, 1, 3, 4, 5, 6, 7, 8, 39, 40, len(data) // 2, len(data) - 17, len(data) - 1}
    if name.startswith("packs/"):
        tail = len(data) - FOOTER_SIZE
        spots |= {HEADER_SIZE - 1, HEADER_SIZE, HEADER_SIZE + 2, HEADER_SIZE + 3, HEADER_SIZE + FRAME_SIZE}
        spots |= {8, 24, 40, 44, 48, 80, 127, tail, tail - 1, tail + 4, tail + 8, tail + 12}
        spots |= set(range(HEADER_SIZE, len(data), 97))
    elif name.startswith(("keys/", "holdfast")):
        spots |= set(range(0, len(data), 3))
    else:
        spots |= set(range(0, len(data), 61))
    return sorted(spot for spot in spots if 0 <= spot < len(data))


def test_a_flipped_bit_anywhere_is_noticed_and_harms_nothing_else(museum: Museum) -> None:
    """Whatever is read is right; check names the object, and the snapshots that suffer."""
    for name in one_of_each(museum):
        data = museum.objects[name]
        for spot in landmarks(name, data):
            bad = bytearray(data)
            bad[spot] ^= 1 << spot % 8
            try:
                must_be_noticed(museum.with_changes({name: bytes(bad)}), name)
            except BaseException as error:
                error.add_note(f"bit {spot % 8} of byte {spot} of {len(data)} of {name}")
                raise


def test_a_truncation_or_junk_behind_is_noticed(museum: Museum) -> None:
    """Cut off at many lengths, nothing included, or with bytes appended: noticed as the flipped bit is."""
    for name in one_of_each(museum):
        data = museum.objects[name]
        lengths = {0, 1, 7, 8, 20, 39, 40, 44, 60, HEADER_SIZE, HEADER_SIZE + 60, len(data) // 2, len(data) - 16}
        lengths |= {len(data) - 17, len(data) - 1}
        bad = [data[:length] for length in sorted(lengths) if length < len(data)]
        for wrong in [*bad, data + b"\0", data + b"junk" * 50, data + data]:
            if name == "holdfast.json" and json.loads(data) == _parsed(wrong):
                continue
            try:
                must_be_noticed(museum.with_changes({name: wrong}), name)
            except BaseException as error:
                error.add_note(f"{name} with {len(wrong)} instead of {len(data)} bytes")
                raise


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None


def test_an_object_in_the_place_of_another_is_noticed(museum: Museum, room: Path) -> None:
    """Another of its kind, one of another kind, the same one of another repository with the same passphrase."""
    other = Museum(room / "other")
    kinds = {kind: museum.names(kind) for kind in ("log/0", "log/checkpoint", "index/", "packs/", "keys/")}
    for kind, names in kinds.items():
        name = names[0] if kind != "log/0" else names[3]
        for donor in (names[-1], *(others[0] for others in kinds.values() if others is not names), "holdfast.json"):
            if donor != name and not (kind == "log/0" and donor == name):
                must_be_noticed(museum.with_changes({name: museum.objects[donor]}), name)
        must_be_noticed(museum.with_changes({name: other.objects[other.names(kind)[0]]}), name)
    must_be_noticed(museum.with_changes({"holdfast.json": other.objects["holdfast.json"]}), "holdfast.json")


def test_a_missing_object_is_noticed(museum: Museum) -> None:
    """Every object but a checkpoint and the log's last record is missed; what does not need it restores."""
    for name in sorted(museum.objects):
        if name.startswith("log/checkpoint") or name == museum.names("log/0")[-1]:
            continue
        error, found = look(museum.with_changes({name: None}))
        assert isinstance(error, Damaged | WrongKey) or (found is not None and not found.ok), name


def test_an_object_the_store_cannot_read_is_one_finding_and_not_the_end(museum: Museum) -> None:
    """A bad sector, or rights taken away: named with whom it hurts, and everything else is still examined."""
    for name in one_of_each(museum)[1:]:
        world = museum.with_changes({})
        assert world.store is not None
        store, script = world.store(), Script(f"get@{name}:break")
        world.store = lambda store=store, script=script: Scripted(store, script)
        must_be_noticed(world, name)


def test_damage_to_one_snapshot_names_it_and_its_items_and_leaves_the_others(museum: Museum) -> None:
    """The pack of one snapshot alone is damaged: check names that snapshot and the table, the others restore."""
    with museum.world.opened() as repository:
        session = next(e.session for e in repository.snapshots() if e.info.name == "three")
    name = museum.names(f"packs/{session}")[0]
    bad = bytearray(museum.objects[name])
    bad[HEADER_SIZE + FRAME_SIZE + 5] ^= 1
    world = museum.with_changes({name: bytes(bad)})
    _, found = look(world)
    assert found is not None
    (finding,) = found.findings
    assert finding.where == name
    assert len(finding.affects) == 1
    assert "public.notes" in finding.affects[0]


def test_a_truncated_key_slot_leaves_the_other_keys(museum: Museum) -> None:
    """With either slot cut short the other secret opens, and the error for the first names the slot."""
    for name in museum.names("keys/"):
        world = museum.with_changes({name: museum.objects[name][:40]})
        opened = []
        for secret in (PASSPHRASE, world.recovery_key):
            try:
                world.open(secret=secret).close()
                opened.append(secret)
            except WrongKey as error:
                told = error.why
        assert name in told
        assert len(opened) == 1


@pytest.mark.parametrize("change", [
    {"memory": 1 << 31}, {"memory": 8 << 20}, {"passes": 1 << 30}, {"passes": 100}, {"lanes": 10_000}, {"lanes": 0},
    {"memory": -1}, {"memory": 0}, {"passes": 0}, {"memory": 16}, {"passes": 2}, {"salt": b""}, {"wrapped": b""},
    {"kind": "nothing"}, {"version": 2}, {"label": "other"}, {"memory": 1 << 70},
], ids=str)  # fmt: skip
def test_changed_costs_of_key_derivation_are_refused_at_once(museum: Museum, change: dict[str, object]) -> None:
    """Whoever rewrites a slot, checksum included, gets a refusal, not a client without memory or with weaker costs."""
    name = next(n for n in museum.names("keys/") if b"passphrase" in museum.objects[n])
    slot = msgspec.msgpack.decode(museum.objects[name][:-8])
    try:
        body = msgspec.msgpack.encode({**slot, **change})
    except OverflowError:
        body = msgspec.msgpack.encode({**slot, "memory": (1 << 64) - 1})
    changed = body + hashlib.sha256(body).digest()[:8]
    with pytest.raises((Damaged, WrongKey, NewerFormat)):
        museum.with_changes({name: changed}).open().close()
    museum.with_changes({name: changed}).open(secret=museum.world.recovery_key).close()


def test_an_old_log_put_back_is_noticed_by_a_client_that_saw_more(museum: Museum) -> None:
    """Rolled back by one record or by many, and a fork of the same length: RolledBack, with what to do."""
    records = museum.names("log/0")
    for cut in (1, 3):
        gone: dict[str, bytes | None] = dict.fromkeys(records[-cut:])
        gone |= dict.fromkeys(museum.names("log/checkpoint"))
        with pytest.raises(RolledBack) as caught:
            museum.with_changes(gone).open("client")
        assert "delete" in caught.value.hint
        museum.with_changes(gone).open().close()
    fork = museum.with_changes(dict.fromkeys(records[-2:]))
    fork.back_up("another", {"x": [b"1\n"]})
    with pytest.raises(RolledBack, match="replaced"):
        fork.open("client")


@pytest.mark.parametrize(("config", "error"), [
    ({"features": ["time-travel"]}, NewerFormat), ({"format": 2}, NewerFormat), ({"features": 5}, Damaged),
    ({"features": None}, Damaged), ({"id": "x"}, Damaged), ({"magic": "restic"}, Damaged),
    ({"format": None}, NewerFormat),
])  # fmt: skip
def test_a_repository_of_a_newer_holdfast_is_refused(museum: Museum, config: dict[str, object], error: type) -> None:
    """Unknown features and formats name what is needed; nonsense is damage."""
    real = json.loads(museum.objects["holdfast.json"])
    with pytest.raises(error) as caught:
        museum.with_changes({"holdfast.json": json.dumps({**real, **config}).encode()}).open()
    if error is NewerFormat:
        assert "upgrade" in caught.value.hint


def test_a_removed_key_put_back_opens_nothing(museum: Museum) -> None:
    """The object of a removed slot brought back is refused, and says why; a second slot of that passphrase works."""
    world = museum.with_changes({})
    with world.opened() as repository:
        slot = repository.add_key("the lost passphrase", "lost")[0]
        name = f"keys/{slot.id}"
        kept = repository.storage.get(name)
        repository.remove_key(slot.id)
        repository.storage.put_new(name, kept)
    with pytest.raises(WrongKey, match="removed"):
        world.open(secret="the lost passphrase")
    with world.opened() as repository:
        repository.add_key("the lost passphrase", "found again")
    world.open(secret="the lost passphrase").close()


def test_a_chunk_that_inflates_without_end_is_stopped() -> None:
    """A frame that declares little and inflates to much costs what it declares, as zstd, as delta, at any depth."""
    zeros = bytes(codec.MAX_CHUNK)
    _, bomb = codec.encode(zeros)
    delta = codec.encode_delta(zeros, b"base" * 100)
    assert delta is not None
    for how, payload, base in ((codec.ZSTD, bomb, None), (codec.DELTA, delta, b"base" * 100)):
        for size in (0, 1, 4096):
            with pytest.raises(Damaged):
                codec.decode(how, payload, size, base)


def test_wrong_bytes_given_once_are_asked_for_again(museum: Museum) -> None:
    """A store that gives a flipped bit on the first read of an object, and then the right bytes, costs nothing."""
    for pattern in ("packs/*", "index/*", "log/0*"):
        world = museum.with_changes({})
        inner = world.store
        for nth in range(1, 9):
            script = f"get@{pattern}#{nth}:flip=60"
            world.store = lambda script=script, inner=inner: Scripted(inner(), script)  # type: ignore[misc]
            with world.opened() as repository:
                for entry in repository.snapshots():
                    assert content(repository, entry) == DATA[entry.info.name or ""]


def test_what_is_lost_is_stored_anew_by_the_next_backup(museum: Museum) -> None:
    """check --repair-index takes lost chunks out of the index; a backup of the same data heals the old snapshots."""
    with museum.world.opened() as repository:
        sessions = {e.info.name: e.session for e in repository.snapshots()}
    for wound in ("delete", "flip"):
        for name in museum.names(f"packs/{sessions['one']}"):
            bad = bytearray(museum.objects[name])
            bad[HEADER_SIZE + FRAME_SIZE + 5] ^= 1
            world = museum.with_changes({name: None if wound == "delete" else bytes(bad)})
            with world.opened() as repository:
                assert not check(repository, CheckRequest(read_data=1)).ok
                assert not check(repository, CheckRequest(read_data=1, repair_index=True)).ok
            world.back_up("again", DATA["one"])
            with world.opened() as repository:
                left = check(repository, CheckRequest(read_data=1)).findings
                names = {e.info.name: e for e in repository.snapshots()}
                assert content(repository, names["again"]) == DATA["one"], (wound, name)
                assert content(repository, names["three"]) == DATA["three"]
                if "manifest" in str(left):  # a manifest is of one snapshot alone: nothing brings that one back
                    repository.forget([names["one"].info.id])
                else:
                    assert content(repository, names["one"]) == DATA["one"], (wound, name)
                left = check(repository, CheckRequest(read_data=1)).findings
                assert not [finding for finding in left if finding.affects], left
            world.prune()


def test_lost_fragments_cost_nothing_but_time(museum: Museum) -> None:
    """One fragment or all of them gone: restores find everything, check says so, --repair-index mends it."""
    every = museum.names("index/")
    for lost in ([every[0]], [every[-1]], every):
        world = museum.with_changes(dict.fromkeys(lost))
        with world.opened() as repository, repository.begin("restore") as session:
            for entry in repository.snapshots():
                assert content(repository, entry, session.reader) == DATA[entry.info.name or ""]
        with world.opened() as repository:
            found = check(repository, CheckRequest())
            assert "repair-index" in " ".join(finding.hint for finding in found.findings)
            assert check(repository, CheckRequest(repair_index=True)).ok
        with world.opened() as repository:
            assert check(repository, CheckRequest(read_data=1)).ok
        world.prune()
        error, result = look(world)
        assert error is None
        assert result is not None
        assert result.ok


def test_a_damaged_fragment_is_replaced(museum: Museum) -> None:
    """--repair-index writes a fragment anew that cannot be read, and takes the broken one away."""
    name = museum.names("index/")[0]
    world = museum.with_changes({name: museum.objects[name][:-1]})
    with world.opened() as repository:
        check(repository, CheckRequest(repair_index=True))
    _, found = look(world)
    assert found is not None
    assert found.ok, found.findings


def _cache_files(world: World) -> list[Path]:
    return sorted(path for path in (world.root / "keeper").rglob("*") if path.is_file())


def test_a_damaged_cache_or_memory_of_the_head_never_gives_wrong_data(museum: Museum) -> None:
    """Every file of the client flipped, cut, emptied or removed: what is read is right, check is clean."""
    wounds: list[Callable[[bytes], bytes | None]] = [
        lambda data: data[:-1], lambda data: data[: len(data) // 2], lambda _data: b"", lambda _data: None,
        lambda data: data + b"x", lambda data: b"\xff" * len(data), lambda _data: b"[]", lambda _data: b"{}",
        *(lambda data, at=at: data[: at % len(data)] + bytes([data[at % len(data)] ^ 4]) + data[at % len(data) + 1 :]
          for at in (0, 9, 13, 20, 30, 60, 100, 2000, 2200, 2210, 2250, 2300, 2400, 5000)),
    ]  # fmt: skip
    world = museum.with_changes({})
    world.open("keeper").close()
    with world.opened("keeper") as repository:
        repository.load_index()
    count = len(_cache_files(world))
    assert count >= 3
    for number in range(count):
        for at, wound in enumerate(wounds):
            shutil.rmtree(world.root / "keeper")
            with world.opened("keeper") as repository:
                repository.load_index()
            path = _cache_files(world)[number]
            changed = wound(path.read_bytes())
            path.unlink()
            if changed is not None:
                path.write_bytes(changed)
            try:
                repository = world.open("keeper")
            except RolledBack:
                assert path.suffix == ".json"
                assert "state" in str(path)
                continue
            with contextlib.closing(repository):
                for entry in repository.snapshots():
                    assert content(repository, entry) == DATA[entry.info.name or ""], (path, at)
                assert check(repository, CheckRequest()).ok, (path, at)


def test_a_bare_machine_with_the_recovery_key_restores_everything(museum: Museum) -> None:
    """Repository and recovery key are enough: no cache, no state, no passphrase."""
    world = museum.with_changes({})
    with world.opened(secret=world.recovery_key.lower().replace("-", " - ")) as repository:
        found = {entry.info.name: content(repository, entry) for entry in repository.snapshots()}
    assert found == DATA


def test_an_unreadable_base_is_no_reason_not_to_back_up(museum: Museum) -> None:
    """With the pack of the newest bases damaged, a backup of changed data stores it full and it restores."""
    with museum.world.opened() as repository:
        session = next(e.session for e in repository.snapshots() if e.info.name == "one")
    changes: dict[str, bytes | None] = {}
    for name in museum.names(f"packs/{session}"):
        bad = bytearray(museum.objects[name])
        bad[HEADER_SIZE + FRAME_SIZE + 5] ^= 1
        changes[name] = bytes(bad)
    world = museum.with_changes(changes)
    data: Rows = {"public.events": [touched(rows(1, 4_000), 7), rows(2, 3_000) + b"end\n"]}
    world.back_up("fresh", data)
    with world.opened() as repository:
        entry = next(e for e in repository.snapshots() if e.info.name == "fresh")
        assert content(repository, entry)["public.events"][0] == data["public.events"][0]


def test_a_slot_says_which_repository_and_place_it_belongs_to(museum: Museum) -> None:
    """A forged slot cannot lower its costs: its fields are bound to the key they wrap."""
    name = next(n for n in museum.names("keys/") if b"passphrase" in museum.objects[n])
    slot = keys.parse_slot(museum.objects[name], name)
    assert keys.open_slot(slot, PASSPHRASE) is not None
    other = {"repository": b"x" * 16, "label": "y", "created_at": "", "id": "0" * 32, "passes": 2}
    for field, value in other.items():
        forged = msgspec.structs.replace(slot, **{field: value})
        assert keys.open_slot(forged, PASSPHRASE) is None
    assert isinstance(slot, Slot)
    assert Keyring.derive(b"m" * 32, b"r" * 16).cut_seed() != Keyring.derive(b"m" * 32, b"s" * 16).cut_seed()
