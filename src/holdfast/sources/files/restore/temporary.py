"""Names for entries that are not complete yet, and how a later restore knows those that a killed one left behind."""

from __future__ import annotations

import os
import re
import secrets
import zlib
from itertools import count

_MACHINE = b"%08x" % zlib.crc32(os.fsencode(os.uname().nodename))
_TOKEN = secrets.token_hex(4).encode()
_NUMBERS = count()
_OURS = re.compile(rb"\.holdfast-(?P<machine>[0-9a-f]{8})-(?P<process>\d{1,9})-(?P<token>[0-9a-f]{8})-\d+").fullmatch


def temporary_name() -> bytes:
    """A name that nothing in the folder has. It tells which process makes the entry."""
    return b".holdfast-%s-%d-%s-%d" % (_MACHINE, os.getpid(), _TOKEN, next(_NUMBERS))


def is_leftover(name: bytes) -> bool:
    """Whether an entry was left behind by a restore on this machine whose process is gone."""
    known = _OURS(name) if name.startswith(b".holdfast-") else None
    if known is None or known["machine"] != _MACHINE:
        return False
    process = int(known["process"])
    return known["token"] != _TOKEN if process == os.getpid() else not _lives(process)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
