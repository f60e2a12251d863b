"""Trying again after passing faults, for clients which do not do that by themselves."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from holdfast.model.errors import ObjectExists, StorageError

T = TypeVar("T")

RETRIES = 8
"""With the pauses between them about half a minute."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 15.0


def repeated(call: Callable[[bool], T], *, retries: int = RETRIES) -> T:
    """``call`` until it succeeds, fails for good, or has failed ``retries`` + 1 times.

    It is told whether it is a repetition: then an earlier call may have taken effect although it failed.
    """
    pause = FIRST_PAUSE
    for attempt in range(retries):
        try:
            return call(attempt > 0)
        except StorageError as error:
            if not error.retryable:
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, LONGEST_PAUSE)
    return call(retries > 0)


def is_own(read_back: Callable[[], bytes], data: bytes | bytearray | memoryview, taken: ObjectExists) -> None:
    """After a repeated write found its name taken: return when the object is ours after all, else raise ``taken``."""
    if read_back() != memoryview(data):
        raise taken
