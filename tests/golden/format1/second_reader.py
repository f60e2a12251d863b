"""A reader of format 1 that was written from docs/format-1.md alone and shares no line with the product.

Shows that the document is enough. It verifies whatever the document says can be verified, and nothing is cached.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

unpack = msgspec.msgpack.decode
ZERO_NONCE = bytes(12)


def hkdf(key: bytes, salt: bytes, info: str) -> bytes:
    """§3: HKDF-SHA256, 32 bytes."""
    return HKDF(SHA256(), 32, salt, info.encode()).derive(key)


def recovery_bytes(text: str) -> bytes | None:
    """§3: the 32 bytes of a recovery key."""
    compact = "".join(text.split()).replace("-", "").upper()
    if not compact.startswith("HF1"):
        return None
    body = compact[3:]
    raw = base64.b32decode(body + "=" * (-len(body) % 8))
    key, check = raw[:32], raw[32:]
    assert hashlib.sha256(b"holdfast recovery" + key).digest()[:3] == check
    return key


@dataclass
class Place:
    """One copy of a chunk."""

    pack: bytes
    offset: int
    length: int
    size: int
    type: int
    codec: int
    base: bytes = b""


@dataclass
class Snapshot:
    """A snapshot as the log tells it."""

    info: dict[str, Any]
    root: bytes
    session: str
    pinned: bool = False
    forgotten: bool = False


@dataclass
class Item:
    """One item, its parts joined, with its plain bytes."""

    name: bytes
    kind: str
    rows: int
    size: int
    notes: Any
    data: list[bytes] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def whole(self) -> Item:
        """The item, once all of its segments have the size they should have."""
        assert [len(data) for data in self.data] == self.sizes
        return self


class SecondReader:
    """A repository in a folder, opened with a passphrase or a recovery key."""

    def __init__(self, folder: Path, secret: str) -> None:
        self.folder = folder
        self.raw_config = self.read("holdfast.json")
        config = json.loads(self.raw_config)
        assert config["magic"] == "holdfast repository"
        assert config["format"] == 1
        assert config["features"] == []
        self.repo = bytes.fromhex(config["id"])
        self.snapshots: dict[str, Snapshot] = {}
        self.keys: set[str] = set()
        self.swept: set[bytes] = set()
        self.let_go: set[bytes] = set()
        self.condemned: set[bytes] = set()
        self.records = 0
        self._unlock(secret)
        self.places = self._index()

    def read(self, name: str) -> bytes:
        """One object."""
        return (self.folder / name).read_bytes()

    def names(self, prefix: str) -> list[str]:
        """Objects below a folder."""
        return sorted(str(p.relative_to(self.folder)) for p in (self.folder / prefix).rglob("*") if p.is_file())

    # §15 --------------------------------------------------------------------------------------------------

    def acts(self) -> Iterator[dict[str, Any]]:
        """Every act, oldest first; the chain of entries and the heads in snapshots are verified."""
        previous, hashes = bytes(32), {}
        for number, name in enumerate(self.names("audit"), start=1):
            assert name == f"audit/{number:012d}"
            payload = self.open_object("audit", name)
            entry = unpack(payload)
            assert entry["number"] == number
            assert entry["previous"] == previous
            previous = blake3(payload).digest()
            hashes[number] = previous.hex()
            yield from entry["acts"]
        for snapshot in self.snapshots.values():
            head = (snapshot.info["more"] or {}).get("audit")
            assert head is None or hashes[head["number"]] == head["hash"]

    # §3 ---------------------------------------------------------------------------------------------------

    def _unlock(self, secret: str) -> None:
        for name in self.names("keys"):
            data = self.read(name)
            body, check = data[:-8], data[-8:]
            assert hashlib.sha256(body).digest()[:8] == check
            slot = unpack(body)
            assert name == f"keys/{slot['id']}"
            master = self._open_slot(slot, secret)
            if master is None:
                continue
            self.master = master
            self.type_keys = {
                purpose: hkdf(master, self.repo, f"holdfast/1/object/{purpose}")
                for purpose in ("log", "index", "checkpoint", "heartbeat", "audit")
            }
            try:
                self.open_object("log", "log/000000000001")
            except InvalidTag:
                continue  # left by an init that was interrupted
            self._replay()
            if slot["id"] in self.keys:
                return
        raise PermissionError("no key slot that the log knows opens with this secret")

    def _open_slot(self, slot: dict[str, Any], secret: str) -> bytes | None:
        recovery = recovery_bytes(secret)
        if slot["kind"] == "recovery":
            if recovery is None:
                return None
            key = hkdf(recovery, slot["salt"], "holdfast/1/slot/recovery")
        else:
            assert slot["memory"] <= 1_048_576
            assert slot["passes"] <= 64
            key = Argon2id(salt=slot["salt"], length=32, iterations=slot["passes"], lanes=slot["lanes"],
                           memory_cost=slot["memory"]).derive(secret.encode())  # fmt: skip
        fields = ("version", "id", "repository", "kind", "label", "created_at", "memory", "passes", "lanes", "salt")
        associated = msgspec.msgpack.encode(["holdfast/1/slot", *(slot[name] for name in fields)])
        try:
            return AESGCM(key).decrypt(ZERO_NONCE, slot["wrapped"], associated)
        except InvalidTag:
            return None

    # §5 ---------------------------------------------------------------------------------------------------

    def open_object(self, purpose: str, name: str) -> bytes:
        """The payload of a sealed object."""
        data = self.read(name)
        header, sealed = data[:40], data[40:]
        types = {"log": 1, "index": 2, "checkpoint": 3, "heartbeat": 4, "audit": 6}
        assert header[:8] == b"HFOB" + bytes((1, types[purpose], 0, 0))
        key = hkdf(self.type_keys[purpose], header[8:], "holdfast/1/object")
        inner = AESGCM(key).decrypt(ZERO_NONCE, sealed, header + self.repo + name.encode())
        assert len(inner) % 256 == 0
        length = int.from_bytes(inner[:4], "big")
        assert not any(inner[4 + length :])
        return inner[4 : 4 + length]

    # §6 ---------------------------------------------------------------------------------------------------

    def _replay(self) -> None:
        names = [name for name in self.names("log") if "checkpoint" not in name]
        previous, open_sessions = bytes(32), set()
        self.snapshots, self.keys, self.swept, self.condemned, self.let_go = {}, set(), set(), set(), set()
        for number, name in enumerate(names, 1):
            assert name == f"log/{number:012d}"
            payload = self.open_object("log", name)
            record = unpack(payload)
            assert record["number"] == number
            assert record["previous"] == previous
            previous = blake3(payload).digest()
            self._apply(record["body"], open_sessions, record.get("without", "stop"))
        self.records, self.head = len(names), previous

    def _apply(self, body: dict[str, Any], open_sessions: set[str], without: str) -> None:
        match body["kind"]:
            case "init":
                assert bytes.fromhex(body["repository"]) == self.repo
                assert body["config_hash"] == blake3(self.raw_config).digest()
                self.keys |= {key["slot"] for key in body["keys"]}
            case "begin":
                open_sessions.add(body["session"])
            case "end" | "expire":
                open_sessions.discard(body["session"])
            case "snapshot":
                if body["session"] in open_sessions and body["info"]["id"] not in self.snapshots:
                    self.snapshots[body["info"]["id"]] = Snapshot(body["info"], body["root"], body["session"])
            case "forget":
                for snapshot in self._named(body):
                    snapshot.forgotten = snapshot.forgotten or not snapshot.pinned
            case "unforget":
                for snapshot in self._named(body):
                    snapshot.forgotten = False
            case "pin" | "unpin":
                for snapshot in self._named(body):
                    snapshot.pinned = body["kind"] == "pin" and not snapshot.forgotten
            case "key-added":
                self.keys.add(body["slot"])
            case "key-removed":
                self.keys.discard(body["slot"])
            case "condemn":
                self.condemned |= set(body["packs"]) - self.swept
            case "uncondemn":
                self.condemned -= set(body["packs"])
            case "sweep":
                self.swept |= set(body["packs"])
                self.condemned -= set(body["packs"])
                for snapshot_id in body["gone"]:
                    if snapshot_id in self.snapshots and self.snapshots[snapshot_id].forgotten:
                        del self.snapshots[snapshot_id]
            case "let-go":
                for session in body["sessions"]:
                    if session not in open_sessions:
                        self.let_go.add(bytes.fromhex(session))
            case kind:
                if without not in {"read", "keep", "skip"}:
                    raise ValueError(f"a newer holdfast wrote a record of kind {kind}")

    def gone(self, pack: bytes) -> bool:
        """Whether a pack counts for nothing any more."""
        return pack in self.swept or pack[:16] in self.let_go

    def _named(self, body: dict[str, Any]) -> list[Snapshot]:
        return [self.snapshots[name] for name in body["snapshots"] if name in self.snapshots]

    # §9 ---------------------------------------------------------------------------------------------------

    def _index(self) -> dict[bytes, list[Place]]:
        found: dict[bytes, list[Place]] = {}
        for name in self.names("index"):
            payload = self.open_object("index", name)
            magic, version, rows, bases, progress = struct.unpack_from(">4sBxxxIII", payload)
            assert (magic, version) == (b"HFIX", 1)
            assert len(payload) == 20 + 64 * rows + 88 * bases + progress
            base_rows = [payload[20 + 64 * rows + 88 * n :][:88] for n in range(bases)]
            base_of = {row[:56]: row[56:] for row in base_rows}
            lines = [payload[20 + 64 * n :][:64] for n in range(rows)]
            assert lines == sorted(lines)
            assert base_rows == sorted(base_rows)
            for row in lines:
                chunk, pack, offset, length, packed = struct.unpack(">32s20sIII", row)
                if not self.gone(pack):
                    place = Place(pack, offset, length, packed >> 8, packed >> 4 & 15, packed & 15)
                    place.base = base_of.get(row[:56], b"")
                    found.setdefault(chunk, []).append(place)
        return found

    def index_from_packs(self) -> dict[bytes, list[Place]]:
        """The same from the tables of contents in the packs' trailers."""
        found: dict[bytes, list[Place]] = {}
        for name in self.names("packs"):
            session, number = name.split("/")[1:]
            pack = bytes.fromhex(session) + int(number).to_bytes(4, "big")
            if self.gone(pack):
                continue
            data = self.read(name)
            magic, version, trailer, count = struct.unpack(">4sIII", data[-16:])
            assert (magic, version) == (b"HFTR", 1)
            kind, _, ordinal, _, _, table = self._frame(pack, trailer, len(data) - 16 - trailer)
            assert (kind, ordinal) == (255, count)
            while table:
                chunk, kind, codec, offset, length, size = struct.unpack_from(">32sBBxxIII", table)
                table = table[48:]
                place = Place(pack, offset, length, size, kind, codec)
                if codec == 2:
                    place.base, table = table[:32], table[32:]
                found.setdefault(chunk, []).append(place)
        return found

    # §8 ---------------------------------------------------------------------------------------------------

    def _frame(self, pack: bytes, offset: int, length: int) -> tuple[int, int, int, bytes, bytes, bytes]:
        """Type, codec, ordinal, chunk id, base and payload of one frame."""
        data = self.read(f"packs/{pack[:16].hex()}/{int.from_bytes(pack[16:], 'big'):08d}")
        clear = data[:80]
        assert clear[:5] == b"HFPK\x01"
        assert clear[8:48] == self.repo + pack[:16] + pack[16:] + bytes(4)
        wraps, at = {}, 80
        for _ in range(clear[5]):
            size = int.from_bytes(data[at + 2 : at + 4], "big")
            wraps.setdefault(data[at], (data[at : at + 4], data[at + 4 : at + 4 + size]))
            at += 4 + size
        assert at == int.from_bytes(clear[6:8], "big")
        head, wrapped = wraps[1]
        wrap_key = hkdf(hkdf(self.master, self.repo, "holdfast/1/pack-wrap"), clear[48:], "holdfast/1/pack")
        pack_key = AESGCM(AESGCM(wrap_key).decrypt(ZERO_NONCE, wrapped, clear + head))
        header, sealed = data[offset : offset + 44], data[offset + 44 : offset + length]
        magic, kind, codec, ordinal, sealed_length, chunk = struct.unpack(">2sBBII32s", header)
        assert magic == b"HF"
        assert sealed_length == len(sealed)
        inner = pack_key.decrypt(bytes(8) + ordinal.to_bytes(4, "big"), sealed, clear + header)
        self.size, payload_length = struct.unpack_from(">II", inner)
        base, inner = (inner[8:40], inner[40:]) if codec == 2 else (b"", inner[8:])
        assert not any(inner[payload_length:])
        return kind, codec, ordinal, chunk, base, inner[:payload_length]

    def chunk(self, chunk: bytes, *, full: bool = False) -> bytes:
        """The plain bytes of a chunk."""
        places = [place for place in self.places[chunk] if not full or place.codec != 2]
        place = min(places, key=lambda where: where.codec)
        kind, codec, _, found, base, payload = self._frame(place.pack, place.offset, place.length)
        assert (found, kind, codec, base) == (chunk, place.type, place.codec, place.base)
        size = self.size
        assert size == place.size
        if codec == 0:
            plain = payload
        elif codec == 1:
            plain = zstd.decompress(payload)
        else:
            prefix = zstd.ZstdDict(self.chunk(base, full=True), is_raw=True).as_prefix
            plain = zstd.decompress(payload, zstd_dict=prefix)
        assert len(plain) == size
        purpose = {1: "data", 2: "meta"}[kind]
        assert blake3(plain, key=hkdf(self.master, self.repo, f"holdfast/1/id/{purpose}")).digest() == chunk
        return plain

    # §10 --------------------------------------------------------------------------------------------------

    def items(self, snapshot: Snapshot) -> Iterator[Item]:
        """Everything in a snapshot."""
        root = unpack(self.chunk(snapshot.root))
        assert root["version"] == 1
        assert root["snapshot"] == snapshot.info["id"]
        held: Item | None = None
        count = 0
        for directory in root["directories"]:
            for first, page_id, number, *_ in unpack(self.chunk(directory)):
                page = unpack(self.chunk(page_id))
                assert page[0][0] == first
                assert len(page) == number
                for name, kind, rows, size, segments, notes, part, *_ in page:
                    if not part:
                        if held is not None:
                            yield held.whole()
                        held = Item(name, kind, rows, size, notes)
                        count += 1
                    assert held is not None
                    assert held.name == name
                    for key, _rows, length, slices, _stamp, _notes, further, *_ in segments:
                        data = b"".join(self.chunk(chunk)[at : at + take] for chunk, at, take, *_ in slices)
                        if further:
                            assert held.keys[-1] == key
                            held.data[-1] += data
                        else:
                            held.data.append(data)
                            held.keys.append(key)
                            held.sizes.append(length)
        if held is not None:
            yield held.whole()
        assert count == root["items"]
