"""The machine and the versions the numbers belong to."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

from bench.tools import version_of


def describe(work: Path, holdfast: str, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """(what, value) pairs. ``environ`` has the measured server's programs first on its path."""
    return [
        ("date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())),
        ("processor", f"{_processor()}, {os.cpu_count()} cores shared by client and server"),
        ("memory", f"{_memory() / 2**30:.0f} GiB"),
        ("disk", _disk(work)),
        ("system", f"{platform.system()} {platform.release()}"),
        ("holdfast", f"{version_of(holdfast, 'version') or 'not installed'}, Python {platform.python_version()}"),
        ("PostgreSQL", version_of("pg_dump", "--version", environ=environ) or "not installed"),
        ("restic", version_of("restic", "version") or "not installed: its lines are missing"),
        ("borg", version_of("borg", "--version") or "not installed: its lines are missing"),
    ]


def load() -> str:
    """How busy the machine is with other things (one, five minutes)."""
    return " ".join(f"{each:.1f}" for each in os.getloadavg()[:2])


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _disk(work: Path) -> str:
    best = ("", "", "")
    for line in Path("/proc/mounts").read_text().splitlines():
        device, point, kind = line.split()[:3]
        if (str(work) + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best[1]):
            best = (device, point, kind)
    device, _, kind = best
    spins = Path(f"/sys/block/{Path(device).name}/queue/rotational")
    said = spins.read_text().strip() if spins.exists() else ""
    turning = {"0": ", not rotating", "1": ", says it rotates"}.get(said, "")
    return f"{kind} on {device}{turning}, everything on the same one"
