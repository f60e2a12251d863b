"""Try a store: does it really refuse to overwrite, even in a race, and what does its clock say?"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass

from holdfast.model.errors import ObjectExists
from holdfast.model.ids import new_id
from holdfast.storage.base import Storage
from holdfast.system import clock

FOLDER = "probe/"

_ROUNDS = 3
_WRITERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """``atomic``: of several racing writers exactly one won, every time. ``clock_ahead``: seconds, store minus us."""

    atomic: bool
    clock_ahead: float


def probe(storage: Storage) -> Probe:
    """Write a few small objects, race for their names, and remove them again. StorageError when that fails."""
    atomic, ahead = True, 0.0
    for _ in range(_ROUNDS):
        name = FOLDER + new_id()
        try:
            atomic = _race(storage, name) and atomic
            ahead = storage.stat(name).modified - clock.now().timestamp()
        finally:
            with contextlib.suppress(Exception):
                storage.delete(name)
    return Probe(atomic=atomic, clock_ahead=ahead)


def _race(storage: Storage, name: str) -> bool:
    """Whether one of several writers won the name, and its bytes are what is there."""
    start = threading.Barrier(_WRITERS)
    won: list[int] = []
    failed: list[Exception] = []

    def write(number: int) -> None:
        start.wait()
        try:
            storage.put_new(name, b"written by %d" % number)
            won.append(number)
        except ObjectExists:
            pass
        except Exception as error:  # noqa: BLE001 - carried over to the thread that asked
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(_WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return len(won) == 1 and storage.get(name) == b"written by %d" % won[0]
