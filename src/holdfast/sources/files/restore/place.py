"""Where a restored tree goes: a new folder beside the original unless somebody says otherwise."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count

from holdfast.sources.base import RestoreRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """``fresh``: nothing stands there, everything is made. ``refusals``: why it must not be used."""

    path: str
    fresh: bool
    refusals: tuple[str, ...] = ()


def find_place(source: str, request: RestoreRequest, own: frozenset[tuple[int, int]]) -> Place:
    """The folder a restore goes to, looked at but not touched."""
    path = os.path.abspath((request.to or "").removeprefix("files:")) if request.to else source
    if request.to is None and not request.in_place:
        path = _unused(f"{source}-restored-{request.label}")
    refusals = (*_inside_own(path, own), *(_too_wide(path, source) if request.exact and request.to else ()))
    if not os.path.lexists(path):
        return Place(path=path, fresh=True, refusals=refusals)
    if not os.path.isdir(path):
        return Place(path=path, fresh=False, refusals=(*refusals, f"{path} exists and is not a folder"))
    empty = _is_empty(path)
    if not request.in_place and not empty:
        refusals = (
            *refusals,
            f"{path} is not empty; name a new folder with --to, or add --in-place to restore into what is there",
        )
    return Place(path=path, fresh=False, refusals=refusals)


def _unused(path: str) -> str:
    """The path itself, or with the first free number after it."""
    if not os.path.lexists(path):
        return path
    return next(numbered for n in count(2) if not os.path.lexists(numbered := f"{path}-{n}"))


def _is_empty(path: str) -> bool:
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def _too_wide(path: str, source: str) -> tuple[str, ...]:
    """--exact deletes what the snapshot has not: never all the rest of a disk, or of what the source lies in."""
    real, tree = os.path.realpath(path), os.path.realpath(source)
    if real == tree:
        return ()
    if os.path.ismount(real):
        return (f"{path} is a whole file system, and --exact would delete everything else in it",)
    if tree.startswith(real + os.sep):
        return (f"{path} contains the source {source}, and --exact would delete everything else in it",)
    return ()


def _inside_own(path: str, own: frozenset[tuple[int, int]]) -> tuple[str, ...]:
    """A restore into the repository or cache would destroy what it restores from."""
    at = path
    while at:
        try:
            stat = os.stat(at)
        except OSError:
            pass
        else:
            if (stat.st_dev, stat.st_ino) in own:
                return (f"{path} lies in {at}, a folder of holdfast itself",)
        above = os.path.dirname(at)
        at = "" if above == at else above
    return ()
