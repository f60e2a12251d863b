"""Who has a database locked: the kernel knows, and a person who waits wants to know too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def holders(path: bytes) -> list[str]:
    """ "name (pid)" of the processes that hold locks on the file or its log; empty where it cannot be told."""
    real = os.path.realpath(path)
    wanted = set(_identities([real, real + b"-shm"]))
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        fields = line.split()
        # "1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 0 EOF"; a waiting one has "->" after the number
        if len(fields) < 8 or fields[1] == "->" or tuple(fields[5].rsplit(":", 1)) not in wanted:
            continue
        pid = int(fields[4])
        if pid > 0 and pid != os.getpid():
            found.append(f"{_command(pid)} ({pid})")
    return sorted(set(found))


def _identities(paths: list[bytes]) -> Iterator[tuple[str, str]]:
    for path in paths:
        try:
            stat = os.stat(path)
        except OSError:
            continue
        yield f"{os.major(stat.st_dev):02x}:{os.minor(stat.st_dev):02x}", str(stat.st_ino)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "process"
