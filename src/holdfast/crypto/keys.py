"""From one master key to the subkey of each purpose, and from a passphrase to the master key.

docs/format-1.md, "Keys", specifies every byte.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import threading
from dataclasses import dataclass, field

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from holdfast.model.errors import Damaged, NewerFormat

KEY_SIZE = 32
ARGON2_MEMORY_KIB = 64 * 1024
ARGON2_PASSES = 3
ARGON2_LANES = 4
# A hostile slot must not make a client allocate gigabytes before anything is authenticated.
ARGON2_MEMORY_LIMIT_KIB = 1024 * 1024
ARGON2_PASSES_LIMIT = 64
# OpenSSL's threads for the lanes are shared by the process: two derivations at once wait for one another for ever.
_DERIVING = threading.Lock()
SLOT_VERSION = 1
SLOT_KINDS = frozenset({"passphrase", "recovery"})
"""Others are for later versions, and are passed over."""


def hkdf(key: bytes, salt: bytes, info: str) -> bytes:
    """HKDF-SHA256, 32 bytes."""
    return HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=salt, info=info.encode()).derive(key)


@dataclass(frozen=True, slots=True)
class Keyring:
    """Every subkey of one repository, derived from the master key and the repository id (16 bytes)."""

    repository: bytes
    master: bytes = field(repr=False)
    id_data: bytes = field(repr=False)
    id_meta: bytes = field(repr=False)
    pack_wrap: bytes = field(repr=False)

    @classmethod
    def derive(cls, master: bytes, repository: bytes) -> Keyring:
        """The keyring of ``master``, 32 bytes."""
        return cls(
            repository=repository,
            master=master,
            id_data=hkdf(master, repository, "holdfast/1/id/data"),
            id_meta=hkdf(master, repository, "holdfast/1/id/meta"),
            pack_wrap=hkdf(master, repository, "holdfast/1/pack-wrap"),
        )

    def cut_seed(self) -> int:
        """Keys the content-defined cuts, so that chunk sizes do not tell which known files are inside."""
        return int.from_bytes(hkdf(self.master, self.repository, "holdfast/1/cut")[:8], "big") >> 1

    def object_key(self, purpose: str) -> bytes:
        """The key of one object type ("log", "index", "checkpoint", "heartbeat" …)."""
        return hkdf(self.master, self.repository, f"holdfast/1/object/{purpose}")


class Slot(msgspec.Struct, kw_only=True):
    """A stored key slot. Everything but ``wrapped`` is authenticated by it.

    ``kind`` "passphrase": Argon2id(memory KiB, passes, lanes, salt); "recovery": the key has 256 bits itself.
    """

    version: int
    id: str
    repository: bytes
    kind: str
    label: str
    created_at: str
    memory: int
    passes: int
    lanes: int
    salt: bytes
    wrapped: bytes

    def associated(self) -> bytes:
        """What the wrap authenticates: all fields except the wrap itself."""
        return msgspec.msgpack.encode(
            [
                "holdfast/1/slot",
                self.version,
                self.id,
                self.repository,
                self.kind,
                self.label,
                self.created_at,
                self.memory,
                self.passes,
                self.lanes,
                self.salt,
            ]
        )


class _SlotOutline(msgspec.Struct):
    version: int
    kind: str


def seal_slot(slot: Slot, secret: str, master: bytes) -> bytes:
    """The stored bytes of ``slot`` (its ``wrapped`` still empty), opening with ``secret``."""
    key = _slot_key(slot, secret)
    slot.wrapped = AESGCM(key).encrypt(bytes(12), master, slot.associated())
    body = msgspec.msgpack.encode(slot)
    return body + hashlib.sha256(body).digest()[:8]


def parse_slot(data: bytes, where: str) -> Slot:
    """A stored slot; Damaged when its bytes are not whole, NewerFormat when its version or kind is unknown."""
    body, check = data[:-8], data[-8:]
    if hashlib.sha256(body).digest()[:8] != check:
        raise Damaged("a key slot is damaged", where=where, hint="open with another key: passphrase or recovery key")
    try:
        outline = msgspec.msgpack.decode(body, type=_SlotOutline)
        if outline.version == SLOT_VERSION and outline.kind in SLOT_KINDS:
            return msgspec.msgpack.decode(body, type=Slot)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged("a key slot cannot be read", where=where, why=str(error)) from error
    why = f"version {outline.version}, kind {outline.kind}"
    raise NewerFormat("a key slot is for a newer holdfast", where=where, why=why, hint="upgrade holdfast")


def open_slot(slot: Slot, secret: str) -> bytes | None:
    """The master key, or None when ``secret`` does not open this slot."""
    memory_fits = 1 <= slot.memory <= ARGON2_MEMORY_LIMIT_KIB
    if not memory_fits or not 1 <= slot.passes <= ARGON2_PASSES_LIMIT or not 1 <= slot.lanes <= 64:
        raise Damaged(
            "a key slot asks for absurd key derivation costs",
            where=f"keys/{slot.id}",
            hint="the slot was altered; remove it or open with another key",
        )
    try:
        key = _slot_key(slot, secret)
        return AESGCM(key).decrypt(bytes(12), slot.wrapped, slot.associated())
    except (InvalidTag, ValueError):
        return None


def _slot_key(slot: Slot, secret: str) -> bytes:
    if slot.kind == "recovery":
        raw = parse_recovery_key(secret)
        if raw is None:
            raise ValueError("not a recovery key")
        return hkdf(raw, slot.salt, "holdfast/1/slot/recovery")
    with _DERIVING:
        return Argon2id(
            salt=slot.salt, length=KEY_SIZE, iterations=slot.passes, lanes=slot.lanes, memory_cost=slot.memory
        ).derive(secret.encode())


def new_recovery_key() -> str:
    """A printable recovery key: 256 bits and a checksum, in groups of five characters."""
    raw = secrets.token_bytes(KEY_SIZE)
    text = base64.b32encode(raw + hashlib.sha256(b"holdfast recovery" + raw).digest()[:3]).decode().rstrip("=")
    return "HF1-" + "-".join(text[i : i + 7] for i in range(0, len(text), 7))


def parse_recovery_key(text: str) -> bytes | None:
    """The 32 bytes of a recovery key, or None when ``text`` is not one (a typing error breaks its checksum)."""
    compact = "".join(text.split()).replace("-", "").upper()
    if not compact.startswith("HF1"):
        return None
    body = compact[3:]
    try:
        raw = base64.b32decode(body + "=" * (-len(body) % 8))
    except (binascii.Error, ValueError):
        return None
    key, check = raw[:KEY_SIZE], raw[KEY_SIZE:]
    if len(key) != KEY_SIZE or hashlib.sha256(b"holdfast recovery" + key).digest()[:3] != check:
        return None
    return key
