"""Identifiers: 16 random bytes written as 32 lower-case hex digits; people use the first eight."""

from __future__ import annotations

import re
import secrets

_HEX32 = re.compile(r"[0-9a-f]{32}\Z")

CHUNK_ID_SIZE = 32


def new_id() -> str:
    """A fresh identifier for a repository, session, snapshot or run."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Whether ``text`` is a whole identifier."""
    return _HEX32.match(text) is not None


def short(identifier: str) -> str:
    """The first eight digits, for people."""
    return identifier[:8]
