"""What checks prove: a small sealed object each, in the repository itself; no journal can say more than was read.

It is bound to its place, to this repository and to the log as it stood; a proof that was taken away only proves less.
Its name tells what it may say, so that only those are opened that something depends on.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from holdfast.model.errors import Damaged, ObjectMissing, StorageError
from holdfast.repository.fetching import fetch
from holdfast.repository.layout import PROOFS
from holdfast.repository.vault import Vault

_PURPOSE = "proof"
_NAME = re.compile(r"\d{13}-(?:([wps])([01])-)?[0-9a-f]{16}")
_WHOLE_GOOD, _BAD, _OTHER, _UNTOLD = "whole good", "bad", "other", "untold"
_OPENED = {_WHOLE_GOOD: 10, _BAD: 20, _OTHER: 0, _UNTOLD: 50}
"""How many of each kind are opened, newest by name first: what was read in part without a problem decides nothing."""
_KEPT = {_WHOLE_GOOD: 20, _BAD: 100, _OTHER: 50, _UNTOLD: 50}


class CheckProof(msgspec.Struct, frozen=True, kw_only=True):
    """A check that ended ``at`` (ISO 8601 UTC), about the log up to record ``number``, whose hash is ``hash``.

    ``share`` (0-1) of the packs were re-read whole, ``read`` bytes; ``problems`` were found, ``told`` names the first.
    ``since``: every pack there was has been read without a problem since then, by this check and those before it; ""
    when that is not so, or when this one read them all. ``covered`` (0-1): how many of them within the last 30 days.
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
    since: str = ""
    covered: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether it speaks of every byte."""
        return self.share >= 1 or bool(self.since)


@dataclass(frozen=True, slots=True)
class KeptProof:
    """A proof, and when the store says it was written (seconds since 1970)."""

    proof: CheckProof
    stored: float


def keep(vault: Vault, proof: CheckProof) -> str:
    """Store a proof; returns its name. StorageError when the store does not take it."""
    extent = "w" if proof.whole else "p" if proof.share else "s"
    label = f"{extent}{int(proof.problems > 0)}"
    name = f"{PROOFS}{_millis(proof.at):013d}-{label}-{secrets.token_hex(8)}"
    vault.storage.put_new(name, vault.sealer.seal(_PURPOSE, name, msgspec.msgpack.encode(proof)))
    _let_old_ones_go(vault)
    return name


def proofs(vault: Vault) -> Iterator[KeptProof]:
    """Those that something may depend on. What does not open, or speaks of a longer log, proves nothing."""
    for label, found in _by_label(vault).items():
        for name, stored in found[: _OPENED[label]]:
            proof = _opened(vault, name)
            if proof is not None and proof.kind == "check" and proof.number <= vault.log.state.number:
                yield KeptProof(proof, stored)


def _opened(vault: Vault, name: str) -> CheckProof | None:
    try:
        plain = vault.sealer.open(_PURPOSE, name, fetch(vault.storage, name))
        return msgspec.msgpack.decode(plain, type=CheckProof)
    except (Damaged, ObjectMissing, msgspec.MsgspecError):
        return None


def _by_label(vault: Vault) -> dict[str, Sequence[tuple[str, float]]]:
    """Names with the store's time, newest first."""
    found: dict[str, list[tuple[str, float]]] = {label: [] for label in _OPENED}
    for stat in vault.storage.list(PROOFS):
        if match := _NAME.fullmatch(stat.name[len(PROOFS) :]):
            found[_label(match[1], match[2])].append((stat.name, stat.modified))
    return {label: sorted(each, reverse=True) for label, each in found.items()}


def _label(extent: str | None, bad: str | None) -> str:
    if extent is None:
        return _UNTOLD
    return _BAD if bad == "1" else _WHOLE_GOOD if extent == "w" else _OTHER


def _let_old_ones_go(vault: Vault) -> None:
    """Those that nothing will depend on any more; a store that may not be deleted from keeps them."""
    with contextlib.suppress(StorageError, ObjectMissing):
        for label, found in _by_label(vault).items():
            for name, _stored in found[_KEPT[label] :]:
                vault.storage.delete(name)


def _millis(iso: str) -> int:
    return max(0, int(datetime.fromisoformat(iso).timestamp() * 1000))
