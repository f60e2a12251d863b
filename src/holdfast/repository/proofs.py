"""What checks prove: a small sealed object each, in the repository itself; no journal can say more than was read.

It is bound to its place, to this repository and to the log as it stood; a proof that was taken away only proves less.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime

import msgspec

from holdfast.model.errors import Damaged, ObjectMissing
from holdfast.repository.fetching import fetch
from holdfast.repository.layout import PROOFS
from holdfast.repository.vault import Vault

_PURPOSE = "proof"
_LOOKED_AT = 50


class CheckProof(msgspec.Struct, frozen=True, kw_only=True):
    """A check that ended ``at`` (ISO 8601 UTC), about the log up to record ``number``, whose hash is ``hash``.

    ``share`` (0-1) of the packs were re-read whole, ``read`` bytes; ``problems`` were found, ``told`` names the first.
    """

    kind: str = "check"
    at: str
    number: int
    hash: bytes
    share: float
    read: int
    problems: int
    told: list[str] = []
    client: str = ""


def keep(vault: Vault, proof: CheckProof) -> str:
    """Store a proof; returns its name. StorageError when the store does not take it."""
    name = f"{PROOFS}{_millis(proof.at):013d}-{secrets.token_hex(8)}"
    vault.storage.put_new(name, vault.sealer.seal(_PURPOSE, name, msgspec.msgpack.encode(proof)))
    return name


def proofs(vault: Vault) -> Iterator[CheckProof]:
    """The newest fifty, newest first by name. What does not open, or speaks of a longer log, proves nothing."""
    names = sorted((stat.name for stat in vault.storage.list(PROOFS)), reverse=True)
    for name in names[:_LOOKED_AT]:
        try:
            plain = vault.sealer.open(_PURPOSE, name, fetch(vault.storage, name))
            proof = msgspec.msgpack.decode(plain, type=CheckProof)
        except (Damaged, ObjectMissing, msgspec.MsgspecError):
            continue
        if proof.kind == "check" and proof.number <= vault.log.state.number:
            yield proof


def _millis(iso: str) -> int:
    return max(0, int(datetime.fromisoformat(iso).timestamp() * 1000))
