"""Keys: what opens the repository besides the first passphrase, and its printable kit."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from holdfast.model.errors import UsageError
from holdfast.model.secret import Secret
from holdfast.repository.keyslots import KeySlot
from holdfast.repository.layout import ROOT, key_path
from holdfast.repository.repository import Repository
from holdfast.system import files


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedKey:
    """``recovery_key`` is shown once; None for passphrases."""

    slot: KeySlot
    recovery_key: str | None


def add_passphrase(repository: Repository, passphrase: Secret, label: str) -> AddedKey:
    """One more passphrase that opens the repository. Data is not touched."""
    if not passphrase.reveal():
        raise UsageError("an empty passphrase protects nothing")
    slot, _ = repository.add_key(passphrase.reveal(), label)
    return AddedKey(slot=slot, recovery_key=None)


def add_recovery(repository: Repository, label: str) -> AddedKey:
    """A new recovery key, for when the first was never noted down or is in wrong hands."""
    slot, recovery_key = repository.add_key(None, label)
    return AddedKey(slot=slot, recovery_key=recovery_key)


def find(repository: Repository, slot_id: str) -> KeySlot:
    """The slot with this id, or the start of it."""
    found = [slot for slot in repository.keys() if slot.id.startswith(slot_id)]  # noqa: SIM118 - not a mapping
    if len(found) != 1 or not slot_id:
        raise UsageError(
            f"{slot_id!r} is {'no key' if not found else 'more than one key'} of this repository",
            hint="holdfast key list",
        )
    return found[0]


def remove(repository: Repository, slot: KeySlot) -> None:
    """Remove a slot; the last one is refused."""
    repository.remove_key(slot.id)


def export_kit(repository: Repository, url: str, path: Path, label: str) -> KeySlot:
    """Write the recovery kit to a new file, for its owner only, and return the slot made for it.

    The kit also holds the sealed key slot itself: should ``keys/`` be lost from the repository, the recovery key
    alone could not open it. The key is removed again when the page cannot be written.
    """
    if path.exists():
        raise UsageError("the recovery kit is never written over a file", where=str(path))
    slot, recovery_key = repository.add_key(None, label)
    try:
        name = key_path(slot.id)
        sealed = base64.encodebytes(repository.storage.get(name)).decode()
        page = KIT.format(
            url=url,
            identifier=repository.id,
            key=recovery_key,
            made=slot.created_at,
            name=name,
            sealed=sealed.rstrip(),
            root=repository.storage.get(ROOT).decode(),
        )
        files.create_filled(str(path), memoryview(page.encode()), 0o600)
    except OSError as error:
        repository.remove_key(slot.id)
        raise UsageError(
            "the recovery kit cannot be written", where=str(path), why=error.strerror or str(error)
        ) from error
    return slot


KIT = """holdfast recovery kit
=====================

repository:     {url}
repository id:  {identifier}
recovery key:   {key}
made:           {made}

Keep this page apart from the repository and from the machine it protects: in a safe, or with a second
person. Whoever holds it and can read the repository can read every snapshot.

To restore on a bare machine:

  1. install holdfast
  2. export HOLDFAST_PASSPHRASE='{key}'
  3. holdfast --repository '{url}' list
  4. holdfast --repository '{url}' restore ID --to PLACE

Should keys/ or holdfast.json ever be lost from the repository, put these two objects back under their names
(the first is sealed with the recovery key above, the second holds no secret), here as base64 and as text:

--- {name}
{sealed}
--- holdfast.json
{root}---

Store this page's key as the passphrase of no other thing. When it may have been seen by others:
holdfast key add --recovery, note the new key down, then holdfast key remove ID of the old one.
"""
