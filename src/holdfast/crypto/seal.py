"""Seal and open single objects: log records, index fragments, checkpoints, heartbeats.

Layout (docs/format-1.md, "Sealed object"): magic "HFOB", version, type, 2 zero bytes, salt of 32 bytes, then
AES-256-GCM ciphertext and tag. The key is derived from the salt, so two writers racing for one name never share
key and nonce. Inside: payload length u32, payload, zero padding to a multiple of 256 bytes.
"""

from __future__ import annotations

import secrets
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.crypto.keys import Keyring, hkdf
from holdfast.model.errors import Damaged

MAGIC = b"HFOB"
VERSION = 1
PAD = 256
_HEADER = struct.Struct(">4sBBxx32s")
_TYPES = {
    "log": 1, "index": 2, "checkpoint": 3, "heartbeat": 4, "claim": 5, "audit": 6, "proof": 7, "shelf": 8,
    "retention": 9, "accepted": 10,
}  # fmt: skip


class ObjectSealer:
    """Seals and opens the objects of one repository. Safe from any thread."""

    def __init__(self, keyring: Keyring) -> None:
        self._repository = keyring.repository
        self._keys = {purpose: keyring.object_key(purpose) for purpose in _TYPES}

    def seal(self, purpose: str, name: str, payload: bytes) -> bytes:
        """The bytes to store under ``name``."""
        salt = secrets.token_bytes(32)
        header = _HEADER.pack(MAGIC, VERSION, _TYPES[purpose], salt)
        inner = struct.pack(">I", len(payload)) + payload
        inner += bytes(-len(inner) % PAD)
        return header + self._cipher(purpose, salt).encrypt(bytes(12), inner, self._associated(header, name))

    def open(self, purpose: str, name: str, data: bytes) -> bytes:
        """The payload; Damaged when the bytes are not exactly what was sealed for this name and purpose."""
        if len(data) < _HEADER.size or data[:4] != MAGIC:
            raise Damaged("an object is truncated or is not holdfast's", where=name)
        _, version, kind, salt = _HEADER.unpack_from(data)
        if version != VERSION:
            raise Damaged("an object has an unknown version: it was altered, or a newer holdfast wrote it", where=name)
        if kind != _TYPES[purpose]:
            raise Damaged("an object of another kind stands in this place", where=name)
        header = data[: _HEADER.size]
        try:
            inner = self._cipher(purpose, salt).decrypt(
                bytes(12), memoryview(data)[_HEADER.size :], self._associated(header, name)
            )
        except InvalidTag as error:
            raise Damaged("an object was altered, truncated or swapped", where=name) from error
        (length,) = struct.unpack_from(">I", inner)
        return inner[4 : 4 + length]

    def _cipher(self, purpose: str, salt: bytes) -> AESGCM:
        return AESGCM(hkdf(self._keys[purpose], salt, "holdfast/1/object"))

    def _associated(self, header: bytes, name: str) -> bytes:
        return header + self._repository + name.encode()
