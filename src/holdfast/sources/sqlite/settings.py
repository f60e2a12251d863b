"""How a SQLite source is read, with the defaults that suit most."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

SEGMENT = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Choices of one SQLite source.

    ``wait`` seconds at most for writers that hold the database. ``scratch`` the folder for temporary copies.
    ``full_check_limit`` databases up to so many bytes get integrity_check, larger ones quick_check.
    ``count_limit`` databases up to so many bytes have their rows counted. ``encrypted``: that nothing here can read the
    file is as it should be.
    """

    wait: float = 60.0
    scratch: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    full_check_limit: int = 1 << 30
    count_limit: int = 512 << 20
    encrypted: bool = False
