"""The self-test after an installation: everything once for real, and then what was proved and what was not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from holdfast.flow.content import SnapshotContent
from holdfast.model.errors import HoldfastError
from holdfast.model.events import silent
from holdfast.model.ids import short
from holdfast.model.snapshot import Item, SnapshotInfo
from holdfast.planning import saying
from holdfast.repository.reader import ChunkReader
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.usecases.backup import BackupResult
from holdfast.usecases.doctor import Line, failed
from holdfast.usecases.protection import protected

_LOOKED_AT = 16 << 20
_AREA = "self-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a look into a snapshot gave."""

    items: int
    bytes: int


def backed_up(take: Callable[[], BackupResult]) -> tuple[list[Line], list[SnapshotInfo]]:
    """A real backup of every source; its lines, and the snapshots made."""
    try:
        result = take()
    except HoldfastError as error:
        return [failed(_AREA, error)], []
    lines = [
        Line(
            area=_AREA, level="ok" if info.status == "complete" else "warn",
            what=f"{info.source}: snapshot {short(info.id)} is {info.status}, {saying.size(info.bytes_source)} of data",
            mend="" if info.status == "complete" else f"holdfast show {short(info.id)}",
        )
        for info in result.snapshots
    ]  # fmt: skip
    return [*lines, *(failed(f"{_AREA}: {name}", error) for name, error in result.failures.items())], result.snapshots


def looked_into(repository: Repository, infos: Sequence[SnapshotInfo]) -> Iterator[Line]:
    """Each snapshot is opened anew from the store: every item counted, up to 16 MiB of the smallest read back."""
    entries = {entry.info.id: entry for entry in repository.snapshots()}
    with protected(repository, "restore", silent, [info.id for info in infos]) as reader:
        for info in infos:
            try:
                read = _look(repository, entries[info.id], reader)
            except HoldfastError as error:
                yield failed(f"{_AREA}: {info.source}", error)
                continue
            if read.items != info.item_count:
                what = f"{info.source}: {read.items} items are in the snapshot, {info.item_count} were backed up"
                yield Line(area=_AREA, level="fail", what=what, mend="holdfast check --read-data")
                continue
            what = f"{info.source}: {read.items} items are in the snapshot, {saying.size(read.bytes)} were read back"
            yield Line(area=_AREA, level="ok", what=what)


def messages(results: Mapping[str, HoldfastError | None]) -> Iterator[Line]:
    """A test message through every channel."""
    if not results:
        mend = 'add to holdfast.toml: [alerts.channels.ops] and url = "env:OPS_URL"'
        yield Line(area=_AREA, level="warn", what="no channel is configured: nobody is told of anything", mend=mend)
    for name, error in results.items():
        if error is None:
            yield Line(area=_AREA, level="ok", what=f"a test message went out through {name}; did it arrive?")
        else:
            yield failed(f"{_AREA}: channel {name}", error)


def _look(repository: Repository, entry: SnapshotEntry, reader: ChunkReader) -> Read:
    count, small = 0, list[Item]()
    for item in repository.manifest(entry, reader).items():
        count += 1
        small.append(item)
        if len(small) > 2000:
            small = sorted(small, key=lambda each: each.size)[:1000]
    total = 0
    with contextlib.closing(SnapshotContent(reader, local=repository.storage.traits.local)) as content:
        for item in sorted(small, key=lambda each: each.size):
            if total and total + item.size > _LOOKED_AT:
                break
            for segment in item.segments:
                total += sum(len(block) for block in content.blocks(segment))
    return Read(items=count, bytes=total)
