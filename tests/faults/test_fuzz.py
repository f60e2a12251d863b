"""Every parser takes any bytes: what comes out is right, or an error of holdfast's own."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.repository.state_world import ONE, MemoryLog, begin, snapshot

from holdfast.chunking import codec
from holdfast.crypto import keys
from holdfast.crypto.keys import Keyring, Slot
from holdfast.crypto.seal import ObjectSealer
from holdfast.model.errors import HoldfastError, ObjectMissing
from holdfast.model.snapshot import Item, Segment, Slice, SnapshotHead
from holdfast.repository import manifest, pack
from holdfast.repository import records as rec
from holdfast.repository.fragments import Fragment, encode_base, encode_fragment, encode_row, split_fragment
from holdfast.repository.identity import read_identity
from holdfast.repository.layout import ROOT, pack_name, pack_path
from holdfast.repository.manifest import ManifestReader, ManifestWriter
from holdfast.repository.pack import DATA, Entry, PackBuilder, PackKey
from holdfast.repository.reader import chunk_id
from holdfast.repository.state import LogState
from holdfast.storage.memory import MemoryStorage

RING = Keyring.derive(b"m" * 32, b"r" * 16)
SEALER = ObjectSealer(RING)
NAME = pack_name("ab" * 16, 3)
WHERE = pack_path(NAME)


def _pack() -> bytes:
    builder = PackBuilder(RING, 4096)
    builder.begin("ab" * 16, 3)
    for plain in (b"one" * 100, b"two", b""):
        how, payload = codec.encode(plain)
        builder.add(Entry(chunk_id(RING, DATA, plain), DATA, how, 0, 0, len(plain)), payload)
    return bytes(builder.finish()[0])


def _fragment() -> bytes:
    entry = Entry(b"i" * 32, DATA, codec.DELTA, 128, 300, 1000, b"b" * 32)
    return encode_fragment(Fragment([encode_row(NAME, entry)] * 3, [encode_base(NAME, entry)], b"progress"))


def _log() -> MemoryLog:
    log = MemoryLog()
    log.put(begin(ONE), snapshot(ONE, "5" * 32), rec.Condemn(packs=[NAME]), rec.Sweep(packs=[NAME], gone=["7" * 32]))
    return log


def _slot() -> bytes:
    slot = Slot(version=1, id="a" * 32, repository=b"r" * 16, kind="passphrase", label="x", created_at="now",
                memory=8, passes=1, lanes=1, salt=b"s" * 32, wrapped=b"")  # fmt: skip
    return keys.seal_slot(slot, "secret", RING.master)


class Chunks:
    """A reader of chunks over a dictionary."""

    def __init__(self) -> None:
        self.plain: dict[bytes, bytes] = {}

    def put(self, plain: bytes) -> bytes:
        chunk = hashlib.sha256(plain).digest()
        self.plain[chunk] = plain
        return chunk

    def read(self, chunk: bytes) -> bytes:
        if chunk not in self.plain:
            raise ObjectMissing("no such chunk")
        return self.plain[chunk]


def _manifest() -> tuple[Chunks, bytes]:
    chunks = Chunks()
    writer = ManifestWriter(chunks.put)
    for n in range(3):
        writer.add(Item(b"t%d" % n, "table", 1, 2, [Segment("", 1, 2, [Slice(b"c" * 32, 0, 2)], b"", {"a": [n]})]))
    return chunks, writer.finish("5" * 32, SnapshotHead(kind="rows", notes={"deep": {"er": 1}}))


def read_pack(data: bytes) -> None:
    with contextlib.suppress(HoldfastError):
        pack.footer(data[-pack.FOOTER_SIZE :], WHERE)
    key = PackKey(RING, data[: pack.HEADER_SIZE], WHERE)
    list(pack.salvage(key, data, WHERE))
    with contextlib.suppress(HoldfastError):
        pack.contents(key, data[128:], WHERE)
    list(pack.iterate(key, data, WHERE))


def read_slot(data: bytes) -> None:
    for stored in (data, data + hashlib.sha256(data).digest()[:8]):
        with contextlib.suppress(HoldfastError):
            slot = keys.parse_slot(stored, "keys/x")
            if slot.memory <= 64 and slot.passes <= 2:
                assert keys.open_slot(slot, "secret") in (None, RING.master)


def read_manifest(data: bytes) -> None:
    chunks, root = _manifest()
    for chunk in [root, *chunks.plain]:
        with contextlib.suppress(HoldfastError):
            twin = Chunks()
            twin.plain = {**chunks.plain, chunk: data}
            found = ManifestReader(twin, root)  # type: ignore[arg-type]
            list(found.items())
            found.item(b"t1")


def read_config(data: bytes) -> None:
    storage = MemoryStorage()
    storage.put_new(ROOT, data)
    read_identity(storage)


def _config() -> bytes:
    return b'{"magic": "holdfast repository", "format": 1, "id": "%s", "features": []}' % (b"a" * 32)


def read_log(data: bytes) -> None:
    MemoryLog().state.apply_bytes(data)


def read_chunk(data: bytes) -> None:
    for how in range(4):
        with contextlib.suppress(HoldfastError):
            assert len(codec.decode(how, data, 300, b"base")) == 300


PARSERS: dict[str, tuple[Callable[[bytes], object], list[bytes]]] = {
    "pack": (read_pack, [_pack()]),
    "fragment": (lambda data: split_fragment(data, "index/x"), [_fragment()]),
    "record": (rec.decode, _log().records),
    "log": (read_log, _log().records),
    "checkpoint": (LogState.from_checkpoint, [_log().state.to_checkpoint()]),
    "slot": (read_slot, [_slot(), _slot()[:-8]]),
    "sealed object": (lambda data: SEALER.open("log", "log/1", data), [SEALER.seal("log", "log/1", b"x" * 30)]),
    "manifest": (read_manifest, list(_manifest()[0].plain.values())),
    "configuration": (read_config, [_config()]),
    "recovery key": (lambda data: keys.parse_recovery_key(data.decode("latin-1")), [keys.new_recovery_key().encode()]),
    "chunk": (read_chunk, [codec.encode(b"one" * 100)[1]]),
}  # fmt: skip


def mutated(rng: Random, data: bytes) -> bytes:
    """``data`` with some bytes changed, cut out, doubled, or replaced by ones parsers care about."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(changed) + 1), rng.randint(0, 9)
        piece = rng.choice([b"", rng.randbytes(length), b"\xff" * length, bytes(length), bytes(changed[at : at + 30]),
                            b"\x91" * 3000, b"\xdd\xff\xff\xff\xff", b"\xc6\x7f\xff\xff\xff"])  # fmt: skip
        changed[at : at + rng.choice([0, len(piece), length])] = piece
    return bytes(changed)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=600), seed=st.integers(0, 1 << 32))
def test_any_bytes_are_parsed_or_refused_in_words(name: str, data: bytes, seed: int) -> None:
    """Random bytes and mutated real ones: no exception but holdfast's own, no endless loop, no huge allocation."""
    parser, examples = PARSERS[name]
    rng = Random(seed)
    for candidate in (data, mutated(rng, rng.choice(examples)), rng.choice(examples)[: rng.randrange(400)]):
        with contextlib.suppress(HoldfastError):
            parser(candidate)


@pytest.mark.parametrize("name", ["record", "checkpoint", "manifest", "slot"])
def test_nesting_without_end_is_refused(name: str) -> None:
    """A hundred thousand opened arrays or maps within notes end as damage, not as an exhausted stack."""
    parser, _ = PARSERS[name]
    for bomb in (b"\x91" * 100_000, b"\x81\xa1a" * 100_000, b"[" * 100_000):
        with contextlib.suppress(HoldfastError):
            parser(bomb)


def test_real_bytes_pass_every_parser() -> None:
    """The examples that are mutated are themselves good."""
    for name, (parser, examples) in PARSERS.items():
        if name not in ("log", "chunk", "manifest"):
            for example in examples:
                parser(example)
    chunks, root = _manifest()
    assert [item.label for item in ManifestReader(chunks, root).items()] == ["t0", "t1", "t2"]  # type: ignore[arg-type]
    assert msgspec.msgpack.decode(_slot()[:-8], type=Slot).id == "a" * 32
    assert manifest.order(b"a/b") < manifest.order(b"a-b")
