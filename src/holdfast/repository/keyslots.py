"""Key slots in storage: write one, find the one a secret opens."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.crypto import keys
from holdfast.crypto.keys import Keyring, Slot
from holdfast.crypto.seal import ObjectSealer
from holdfast.model.errors import Damaged, HoldfastError, NewerFormat, ObjectMissing, UsageError, WrongKey
from holdfast.model.ids import new_id
from holdfast.repository import records as rec
from holdfast.repository.fetching import fetch
from holdfast.repository.layout import INDEX, KEYS, LOG, PACKS, key_path, log_path
from holdfast.repository.state import LogState
from holdfast.storage.base import Storage
from holdfast.system import clock

__all__ = ["KeySlot", "check_passphrase", "key_path", "require_known", "unlock", "write", "write_recovery"]

_TRIED = 8


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


def unlock(storage: Storage, repository: bytes, secret: str) -> Iterator[tuple[Keyring, str]]:
    """(keyring, slot id) of every slot ``secret`` opens, each when it is asked for; WrongKey when there is none.

    Several slots may have one passphrase, and only the log, which is read with the keyring, tells which of them count.
    """
    slots, problems = _read(storage)
    is_recovery = keys.parse_recovery_key(secret) is not None
    slots.sort(key=lambda slot: ((slot.kind == "recovery") != is_recovery, slot.created_at))
    if slots and all(slot.repository != repository for slot in slots):
        raise Damaged("holdfast.json and the key slots belong to different repositories", where=storage.url,
                      hint="bring the one that was changed back from a copy of the repository")  # fmt: skip
    opened = found = False
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
            opened = True
            keyring = Keyring.derive(master, repository)
            if _opens_log(storage, keyring):
                found = True
                yield keyring, slot.id
    if not found:
        raise _refusal(storage, secret, slots, problems) if not opened else _log_foreign()


def _log_foreign() -> Damaged:
    return Damaged("the key is right, but the first log record does not open with it", where=log_path(1),
                   hint="bring the object back from a copy of the repository")  # fmt: skip


def _refusal(storage: Storage, secret: str, slots: list[Slot], problems: list[HoldfastError]) -> HoldfastError:
    if problems and not slots:
        return problems[0]
    why = "; ".join(f"{problem.where}: {problem.what}" for problem in problems)
    if keys.parse_recovery_key(secret) is None and all(slot.kind == "recovery" for slot in slots):
        return WrongKey(
            "no passphrase can open this repository: it has only recovery keys, or the slot of its passphrase was lost",
            where=f"{storage.url} {KEYS}",
            why=why,
            hint="open it with the recovery key printed at init and add a passphrase (holdfast key add), or bring the"
            " slot back from a copy of the repository",
        )
    return WrongKey(
        "the passphrase or recovery key does not open this repository",
        where=storage.url,
        why=why,
        hint="check HOLDFAST_PASSPHRASE or [repository] passphrase; the recovery key from init opens it too. If it is"
        " certainly right, its slot is missing from keys/: bring that back from a copy of the repository",
    )


def require_known(state: LogState, slot: str, others: Iterator[tuple[Keyring, str]]) -> None:
    """WrongKey when neither ``slot`` nor any of ``others`` counts: it was removed, and somebody put the object back."""
    if slot in state.keys or any(other in state.keys for _, other in others):
        return
    raise WrongKey(
        "this key was removed from the repository, or was never added to the end",
        where=key_path(slot),
        why="the log does not know it, although the object is there",
        hint="open with a key that `holdfast key list` shows",
    )


def _read(storage: Storage) -> tuple[list[Slot], list[HoldfastError]]:
    slots: list[Slot] = []
    problems: list[HoldfastError] = []
    for stat in storage.list(KEYS):
        try:
            slot = keys.parse_slot(fetch(storage, stat.name), stat.name)
            if stat.name != key_path(slot.id):
                problems.append(Damaged("another key slot stands in this place", where=stat.name))
            slots.append(slot)
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
    """Whether this is the master key of the log; an interrupted init leaves slots of a key that never came to be.

    The first record tells; where it is lost, any other does. Damaged when there is none at all.
    """
    sealer, first = ObjectSealer(keyring), log_path(1)
    if any(_opens(storage, sealer, first) for _ in range(2)):  # damage is believed when it is seen twice
        return True
    records = sorted(stat.name for stat in storage.list(LOG) if stat.name[len(LOG) :].isdigit())
    if not records:
        raise _no_log(storage)
    return any(_opens(storage, sealer, name) for name in (*records[:_TRIED], *records[-_TRIED:]))


def _no_log(storage: Storage) -> Damaged:
    if any(next(storage.list(prefix), None) is not None for prefix in (PACKS, INDEX)):
        return Damaged("the log of this repository is gone, although its data is there", where=LOG,
                       hint="bring log/ back from a copy of the repository")  # fmt: skip
    return Damaged(
        "the repository has no log and no data: its init did not come to an end",
        where=LOG,
        hint="run holdfast init again, which completes it; if it held backups, bring all of it back from a copy",
    )


def _opens(storage: Storage, sealer: ObjectSealer, name: str) -> bool:
    try:
        sealer.open("log", name, fetch(storage, name))
    except (ObjectMissing, Damaged):
        return False
    return True
