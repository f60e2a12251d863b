"""Does this store keep its promises? Asked once, before a repository is trusted to it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from holdfast.model.errors import ObjectExists, ObjectMissing
from holdfast.storage.base import Storage

_WRITERS = 6
_ROUNDS = 4
_SIZE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What was found out.

    ``atomic_put_new`` False: of two writers of one name both succeed, or the later one replaces the object;
    safe for a single writer only. ``problems`` are sentences, each a reason not to use the store at all.
    ``clock_ahead`` is how many seconds the store's clock is before ours (behind: negative), to the second.
    """

    atomic_put_new: bool
    problems: tuple[str, ...]
    clock_ahead: float


def probe(storage: Storage) -> ProbeResult:
    """Try every promise with a handful of small objects below ``probe/`` and remove them again.

    StorageError when the store cannot be used at all: unreachable, not allowed, full.
    """
    place = f"probe/{secrets.token_hex(8)}"
    try:
        began = time.time()
        atomic = _refuses_second_write(storage, f"{place}/once")
        ahead = _clock_ahead(storage, f"{place}/once", began)
        atomic &= all(_has_one_winner(storage, f"{place}/race-{turn}") for turn in range(_ROUNDS))
        checks: tuple[Callable[[Storage, str], str | None], ...] = (_reads_ranges, _lists, _deletes)
        problems = [told for check in checks if (told := check(storage, f"{place}/{check.__name__.strip('_')}"))]
    finally:
        _remove(storage, place)
    return ProbeResult(atomic_put_new=atomic, problems=tuple(problems), clock_ahead=ahead)


def _refuses_second_write(storage: Storage, name: str) -> bool:
    storage.put_new(name, b"first")
    try:
        storage.put_new(name, b"second")
    except ObjectExists:
        return storage.get(name) == b"first"
    return False


def _has_one_winner(storage: Storage, name: str) -> bool:
    """Several writers start at once; exactly one may succeed, and the object must be that one's."""
    start = threading.Barrier(_WRITERS)

    def write(number: int) -> int | None:
        start.wait()
        try:
            storage.put_new(name, _body(number))
        except ObjectExists:
            return None
        return number

    with ThreadPoolExecutor(_WRITERS) as threads:
        winners = [number for number in threads.map(write, range(_WRITERS)) if number is not None]
    return len(winners) == 1 and storage.get(name) == _body(winners[0])


def _body(number: int) -> bytes:
    """Different for each writer in every byte and in length."""
    return bytes([number]) * (_SIZE + number)


def _clock_ahead(storage: Storage, name: str, began: float) -> float:
    """Zero when the object's time lies between the start of its writing and now, give or take the store's grain."""
    written, now = storage.stat(name).modified, time.time()
    if began - 1 <= written <= now + 1:
        return 0.0
    return round(written - now if written > now else written - began)


def _reads_ranges(storage: Storage, name: str) -> str | None:
    body = secrets.token_bytes(_SIZE)
    storage.put_new(name, body)
    if storage.get(name) != body or storage.stat(name).size != len(body):
        return "an object is not read back as it was written"
    for offset, length in ((0, 1), (100, 5_000), (_SIZE - 10, 100), (_SIZE + 5, 10)):
        if storage.get(name, offset, length) != body[offset : offset + length]:
            return "a range of an object is read wrongly"
    return None


def _lists(storage: Storage, name: str) -> str | None:
    names = {f"{name}/{number}" for number in range(5)}
    for each in names:
        storage.put_new(each, b"x")
    listed = {each.name: each.size for each in storage.list(f"{name}/")}
    return None if listed == dict.fromkeys(names, 1) else "new objects are missing from listings, or listed wrongly"


def _deletes(storage: Storage, name: str) -> str | None:
    storage.put_new(name, b"x")
    storage.delete(name)
    storage.delete(name)
    try:
        storage.get(name)
    except ObjectMissing:
        storage.put_new(name, b"again")
        return None if storage.get(name) == b"again" else "an old object is read after a delete and a new write"
    return "a deleted object can still be read"


def _remove(storage: Storage, place: str) -> None:
    for each in list(storage.list(f"{place}/")):
        storage.delete(each.name)
