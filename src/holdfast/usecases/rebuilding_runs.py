"""Backup runs of a lost journal made anew, from the snapshots of the repository."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from msgspec.structs import replace

from holdfast.model.run import Run, RunStatus
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository
from holdfast.system import clock

NUMBERS = ("rows", "bytes_source", "bytes_read", "bytes_new", "bytes_stored")
REBUILT = "rebuilt"
_KINDS = {"pre-restore": "restore", "guard": "ship", "import": "import"}


def runs_of(repository: Repository) -> list[Run]:
    """One run for each that made snapshots, oldest first; forgotten snapshots are told of too while they are known.

    Runs that failed left none, nor does any log: ``more["rebuilt"]`` marks what is only a rest.
    """
    infos = [entry.info for entry in repository.snapshots(forgotten=True)]
    found = [_run(list(made)) for _, made in groupby(sorted(infos, key=_by_run), key=lambda info: info.run)]
    return sorted(found, key=lambda run: (run.created_at, run.id))


def run_of(repository: Repository, run: str, known: Run | None = None) -> Run | None:
    """What the snapshots of one run tell of it, with what is ``known`` beside; None when it made none."""
    infos = [entry.info for entry in repository.snapshots(forgotten=True) if entry.info.run == run]
    if not infos:
        return None
    told = _run(infos)
    if known is None:
        return told
    names = ("status", "ended_at", "seconds", "snapshots", "items", *NUMBERS)
    return replace(known, error=None, **{name: getattr(told, name) for name in names})


def numbers_of(info: SnapshotInfo) -> dict[str, Any]:
    """The numbers of one snapshot that a run keeps."""
    return {name: getattr(info, name) for name in NUMBERS}


def _by_run(info: SnapshotInfo) -> tuple[str, str]:
    return info.run, info.created_at


def _run(infos: list[SnapshotInfo]) -> Run:
    first, last = infos[0], infos[-1]
    complete = all(info.status == "complete" for info in infos)
    ended = datetime.fromisoformat(last.created_at) + timedelta(seconds=last.seconds)
    by_source = {info.source: {"status": _status(info.status == "complete"), **numbers_of(info)} for info in infos}
    more: dict[str, Any] = {REBUILT: True, **({"sources": by_source} if len(by_source) > 1 else {})}
    sums: dict[str, Any] = {name: _sum(getattr(info, name) for info in infos) for name in NUMBERS}
    return Run(
        id=first.run, kind=_KINDS.get(first.trigger, "backup"), status=RunStatus(_status(complete)),
        created_at=first.created_at, started_at=first.created_at, ended_at=clock.stamp(ended),
        seconds=round((ended - datetime.fromisoformat(first.created_at)).total_seconds(), 3),
        sources=list(by_source), trigger=first.trigger, who=first.created_by,
        snapshots=[info.id for info in infos], items=sum(info.item_count for info in infos),
        warnings=list(dict.fromkeys(text for info in infos for text in info.warnings)), more=more,
        **sums,
    )  # fmt: skip


def _status(complete: bool) -> str:
    return "succeeded" if complete else "incomplete"


def _sum(values: Iterable[int | None]) -> int | None:
    given = list(values)
    known = [value for value in given if value is not None]
    return sum(known) if len(known) == len(given) else None
