"""Durations such as ``26h`` and sizes such as ``1MiB``, as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

from holdfast.model.errors import UsageError

_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.IGNORECASE)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)\Z", re.IGNORECASE)

_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = {
    "": 1, "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip


_LONGEST, _LARGEST = timedelta(days=36525), 1 << 63
"""What is longer or larger is a slip, and no calendar or file system knows it."""


def parse_duration(text: str) -> timedelta:
    """``90s``, ``15min``, ``26h``, ``30d``, ``2w``, ``1h30m``. A bare number is refused: nobody agrees on its unit."""
    position, seconds = 0, 0.0
    while position < len(text):
        part = _DURATION_PART.match(text, position)
        if part is None or part[2].lower() not in _SECONDS:
            break
        seconds += float(part[1]) * _SECONDS[part[2].lower()]
        position = part.end()
    if position != len(text) or not text:
        raise UsageError(f"{text!r} is not a duration", hint="write 90s, 15min, 26h, 30d, 2w or 1h30m")
    if seconds > _LONGEST.total_seconds():
        raise UsageError(f"{text!r} is longer than a hundred years", hint="leave it out, or write at most 36525d")
    return timedelta(seconds=seconds)


def parse_size(text: str) -> int:
    """``1MiB`` and ``1M`` are 1048576 bytes, ``1MB`` is 1000000, a bare number is bytes."""
    found = _SIZE.match(text.strip())
    if found is None or found[2].lower() not in _BYTES:
        raise UsageError(f"{text!r} is not a size", hint="write 500000, 64KiB, 1MiB, 20GB")
    size = float(found[1]) * _BYTES[found[2].lower()]
    if size >= _LARGEST:
        raise UsageError(f"{text!r} is more than any store holds", hint="write 20GB, or leave it out")
    return int(size)


def duration_text(value: timedelta) -> str:
    """A duration as it would be written in holdfast.toml: the largest unit that leaves no rest."""
    seconds = value.total_seconds()
    for unit in ("w", "d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds:g}s"
