"""Which object names are allowed, so that what one store takes every other store takes too."""

from __future__ import annotations

import re

_PART = r"(?!\.{1,2}(?:/|\Z))[a-z0-9._-]{1,200}"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*\Z")
_LONGEST = 700  # S3 and Azure end at 1024 bytes, and a bucket prefix comes before the name


def is_name(name: str) -> bool:
    """Whether ``name`` is made of ``[a-z0-9._-]`` parts joined by ``/``, none of them ``.`` or ``..``."""
    return len(name) <= _LONGEST and _NAME.match(name) is not None


def check_name(name: str) -> None:
    """Refuse with ValueError what is not an object name."""
    if not is_name(name):
        raise ValueError(f"not an object name: {name[:100]!r}")


def check_prefix(prefix: str) -> None:
    """Refuse with ValueError what is neither empty nor a name followed by ``/``."""
    if prefix and not (prefix.endswith("/") and is_name(prefix[:-1])):
        raise ValueError(f"not an object prefix: {prefix[:100]!r}")


def check_range(offset: int, length: int | None) -> None:
    """Refuse with ValueError a range that no object can have."""
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"not a range: offset {offset}, length {length}")


def bounds(prefix: str) -> tuple[str, str]:
    """Every name with this prefix lies strictly between these two, in byte order."""
    return (prefix, prefix[:-1] + "0") if prefix else ("", "{")  # "0" follows "/", "{" follows "z"
