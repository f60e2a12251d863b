"""Verify the audit trail: is every act that was noted still there, as it was noted, where it was noted?"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from holdfast.model.errors import Damaged, ObjectMissing
from holdfast.model.ids import short
from holdfast.repository.audit import UNKNOWN, Entry, Head, Trail, anchor_of
from holdfast.repository.findings import Found
from holdfast.repository.layout import AUDIT, audit_path, parse_audit_path
from holdfast.repository.vault import Vault

_FIRST, _WIDEST = 32, 1024
"""Entries that are read at once, at first and in the end."""
_COPY = "bring the object back from a copy of the repository; nothing else can tell what stood there"
_ALTERED = "somebody who has a key of the repository wrote this part of the trail anew: compare with a copy"


@dataclass(slots=True)
class TrailCheck:
    """``entries`` and ``acts`` that were read; ``head`` the newest entry; ``found`` what is wrong."""

    entries: int = 0
    acts: int = 0
    head: Head = field(default_factory=Head)
    found: Found = field(default_factory=Found)


def verify(vault: Vault) -> TrailCheck:
    """Read the whole trail, from the first entry on, and hold it against every head somebody kept."""
    check = TrailCheck()
    heads = _known_heads(vault)
    numbers = _numbers(vault, check.found)
    hashes = dict[int, bytes]()
    before, previous = 0, UNKNOWN
    for number, read in _entries(vault.trail, numbers):
        _gap(check.found, before + 1, number - 1)
        if number != before + 1:
            previous = UNKNOWN
        if isinstance(read, Damaged):
            check.found.add(read.what, audit_path(number), hint=_COPY)
            digest = UNKNOWN
        else:
            entry, digest = read
            _judge(check, number, entry, previous)
        before, previous, hashes[number] = number, digest, digest
    check.head = Head(number=before, hash=previous)
    for whose, head in heads:
        _hold_against(check, whose, head, hashes)
    return check


def read_all(trail: Trail, numbers: range) -> Iterator[tuple[int, tuple[Entry, bytes] | Damaged]]:
    """Entries in the order of ``numbers``, with their hashes; a lost one is told as Damaged."""
    return _entries(trail, numbers)


def _numbers(vault: Vault, found: Found) -> list[int]:
    numbers = []
    for stat in vault.storage.list(AUDIT):
        if number := parse_audit_path(stat.name):
            numbers.append(number)
        else:
            found.add("an object that is no entry stands in the audit trail", stat.name)
    return sorted(numbers)


def _entries(trail: Trail, numbers: list[int] | range) -> Iterator[tuple[int, tuple[Entry, bytes] | Damaged]]:
    with ThreadPoolExecutor(max_workers=trail.parallel) as pool:
        at, width = 0, _FIRST
        while at < len(numbers):  # whoever stops early has not asked for all of them
            some = numbers[at : at + width]
            yield from zip(some, pool.map(lambda number: _read(trail, number), some), strict=True)
            at, width = at + width, min(2 * width, _WIDEST)


def _read(trail: Trail, number: int) -> tuple[Entry, bytes] | Damaged:
    try:
        return trail.read(number)
    except ObjectMissing:
        return Damaged(f"entry {number} of the audit trail is missing", where=audit_path(number), hint=_COPY)
    except Damaged as error:  # believed when it is seen twice: a store or a wire may give wrong bytes once
        try:
            return trail.read(number)
        except (Damaged, ObjectMissing):
            return error


def _gap(found: Found, first: int, last: int) -> None:
    if first > last:
        return
    which = f"entry {first}" if first == last else f"entries {first} to {last}"
    verb = "is" if first == last else "are"
    found.add(f"{which} of the audit trail {verb} missing", audit_path(first), hint=_COPY)


def _judge(check: TrailCheck, number: int, entry: Entry, previous: bytes) -> None:
    """An entry behind one that cannot be read may name its hash or none; it cannot be told which is right."""
    check.entries += 1
    check.acts += len(entry.acts)
    if entry.number != number:
        check.found.add(f"entry {number} of the audit trail was written as entry {entry.number}", audit_path(number))
    elif previous not in (UNKNOWN, entry.previous):
        check.found.add(
            f"entry {number} of the audit trail does not follow the one before it", audit_path(number), hint=_ALTERED
        )
    elif number == 1 and entry.previous != UNKNOWN:
        check.found.add("the first entry of the audit trail follows another", audit_path(number), hint=_ALTERED)


def _known_heads(vault: Vault) -> list[tuple[str, Head]]:
    """Heads that were kept: by snapshots, and by this client. Asked before the trail is listed, which only grows."""
    infos = [each.info for each in vault.log.state.snapshots.values()]
    heads = [("this client", head) for head in (vault.trail.remembered(), *vault.trail.witnesses())]
    heads += [(f"snapshot {short(info.id)} of {info.source}", anchor_of(info)) for info in infos]
    return [(whose, head) for whose, head in heads if head.number]


def _hold_against(check: TrailCheck, whose: str, head: Head, hashes: dict[int, bytes]) -> None:
    if head.number > check.head.number:
        check.found.add(
            f"the end of the audit trail was cut off: {whose} knows entry {head.number},"
            f" the last one is {check.head.number}",
            audit_path(head.number), hint=_COPY,
        )  # fmt: skip
    elif UNKNOWN not in (head.hash, hashes.get(head.number, UNKNOWN)) and hashes[head.number] != head.hash:
        check.found.add(
            f"entry {head.number} of the audit trail is not the one that {whose} knows",
            audit_path(head.number), hint=_ALTERED,
        )  # fmt: skip
