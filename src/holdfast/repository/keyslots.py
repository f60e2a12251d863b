"""Key slots in storage: write one, find the one a secret opens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from holdfast.crypto import keys
from holdfast.crypto.keys import Keyring, Slot
from holdfast.crypto.seal import ObjectSealer
from holdfast.model.errors import Damaged, HoldfastError, NewerFormat, ObjectMissing, UsageError, WrongKey
from holdfast.model.ids import new_id
from holdfast.repository import records as rec
from holdfast.repository.layout import KEYS, key_path, log_path
from holdfast.repository.state import LogState
from holdfast.storage.base import Storage
from holdfast.system import clock

__all__ = ["KeySlot", "check_passphrase", "key_path", "refuse_removed", "unlock", "write", "write_recovery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySlot:
    """One way to open the repository. ``kind`` "passphrase" or "recovery"."""

    id: str
    kind: str
    label: str
    created_at: str

    def record(self) -> rec.KeyAdded:
        """The log record that makes it known."""
        return rec.KeyAdded(slot=self.id, slot_kind=self.kind, label=self.label, time=self.created_at)


def check_passphrase(passphrase: str) -> None:
    """UsageError for a passphrase that protects nothing."""
    if len(passphrase) < 8:
        raise UsageError("the passphrase is too short", hint="use at least 8 characters; a sentence is better")


def write(storage: Storage, keyring: Keyring, kind: str, secret: str, label: str) -> KeySlot:
    """Store a slot that opens with ``secret``."""
    slot = Slot(
        version=keys.SLOT_VERSION,
        id=new_id(),
        repository=keyring.repository,
        kind=kind,
        label=label,
        created_at=clock.stamp(),
        memory=keys.ARGON2_MEMORY_KIB,
        passes=keys.ARGON2_PASSES,
        lanes=keys.ARGON2_LANES,
        salt=secrets.token_bytes(32),
        wrapped=b"",
    )
    storage.put_new(key_path(slot.id), keys.seal_slot(slot, secret, keyring.master))
    return KeySlot(id=slot.id, kind=kind, label=label, created_at=slot.created_at)


def write_recovery(storage: Storage, keyring: Keyring, label: str) -> tuple[KeySlot, str]:
    """Store a recovery slot; returns it and the recovery key that opens it."""
    recovery_key = keys.new_recovery_key()
    return write(storage, keyring, "recovery", recovery_key, label), recovery_key


def unlock(storage: Storage, repository: bytes, secret: str) -> tuple[Keyring, str]:
    """(keyring, slot id) of the first slot ``secret`` opens; WrongKey when none does."""
    slots, problems = _read(storage)
    is_recovery = keys.parse_recovery_key(secret) is not None
    slots.sort(key=lambda slot: ((slot.kind == "recovery") != is_recovery, slot.created_at))
    for slot in slots:
        if slot.kind == "recovery" and not is_recovery:
            continue
        if slot.repository != repository:
            problems.append(Damaged("a key slot of another repository", where=key_path(slot.id)))
            continue
        try:
            master = keys.open_slot(slot, secret)
        except Damaged as error:
            problems.append(error)
            continue
        if master is not None:
            keyring = Keyring.derive(master, repository)
            if _opens_log(storage, keyring):
                return keyring, slot.id
    if problems and not slots:
        raise problems[0]
    raise WrongKey(
        "the passphrase or recovery key does not open this repository",
        where=storage.url,
        why="; ".join(f"{problem.where}: {problem.what}" for problem in problems),
        hint="check HOLDFAST_PASSPHRASE or [repository] passphrase; the recovery key from init opens it too",
    )


def refuse_removed(state: LogState, slot: str) -> None:
    """WrongKey for a slot that was removed: somebody put the object back."""
    if slot not in state.keys:
        raise WrongKey(
            "this key was removed from the repository",
            where=key_path(slot),
            why="the log says so, although the object is there",
            hint="open with a key that `holdfast key list` shows",
        )


def _read(storage: Storage) -> tuple[list[Slot], list[HoldfastError]]:
    slots: list[Slot] = []
    problems: list[HoldfastError] = []
    for stat in storage.list(KEYS):
        try:
            slots.append(keys.parse_slot(storage.get(stat.name), stat.name))
        except (Damaged, NewerFormat, ObjectMissing) as error:
            problems.append(error)
    if not slots and not problems:
        problems.append(
            Damaged(
                "the repository has no key slots",
                where=f"{storage.url} {KEYS}",
                hint="bring keys/ back from a copy, or from `holdfast key export`",
            )
        )
    return slots, problems


def _opens_log(storage: Storage, keyring: Keyring) -> bool:
    """Whether this is the master key of the log; an interrupted init leaves slots of a key that never came to be."""
    name = log_path(1)
    try:
        ObjectSealer(keyring).open("log", name, storage.get(name))
    except ObjectMissing as error:
        raise Damaged("the repository has no log", where=name, hint="was init interrupted? run it again") from error
    except Damaged:
        return False
    return True
