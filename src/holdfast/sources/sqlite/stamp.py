"""Proof that a database is still what an earlier snapshot holds.

Every commit of SQLite either writes the database file (which moves the kernel's change time, and the change counter
in its header) or appends frames to the log (which moves its frame count, salts and running checksum). A stamp is all
of that together, taken while the state is held. Equal stamps mean equal bytes, except where a clock is too coarse to
tell two writes apart: a file written less than two seconds before gives no stamp.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

_COARSEST_CLOCK = 2_000_000_000


def take(facts: dict[str, Any]) -> bytes:
    """The stamp of a held state; empty when it would prove nothing."""
    *_, modified, changed = facts["stat"]
    age = time.time_ns() - max(modified, changed)
    if not facts["provable"] or age < _COARSEST_CLOCK:
        return b""
    told = repr((facts["stat"], facts["first"], facts["log"], facts["size"]))
    return hashlib.sha256(told.encode()).digest()
