"""Show one snapshot and, item by item as they are read, what is in it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.model.snapshot import Item, SnapshotInfo
from holdfast.planning import names
from holdfast.repository.repository import Repository, SnapshotEntry

_LOOKED_BACK = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A snapshot; ``items`` reads the manifest while it is drained, in the manifest's order.

    ``config``: the text of the configuration it was made with; may be empty. ``unchanged_since``: where the source
    does not tell when its data changed, the earliest snapshot of it, without a gap, that holds the very same.
    """

    entry: SnapshotEntry
    items: Iterator[Item]
    config: str
    unchanged_since: SnapshotInfo | None = None


def show(repository: Repository, name: str) -> Shown:
    """The snapshot that ``name`` means. UsageError when it means none or several."""
    entries = {entry.info.id: entry for entry in repository.snapshots()}
    info = names.one(name, [entry.info for entry in entries.values()])
    entry = entries[info.id]
    manifest = repository.manifest(entry)
    return Shown(
        entry=entry,
        items=manifest.items(),
        config=manifest.root.head.config,
        unchanged_since=_unchanged_since(repository, entry, list(entries.values())),
    )


def _unchanged_since(repository: Repository, entry: SnapshotEntry, entries: list[SnapshotEntry]) -> SnapshotInfo | None:
    info = entry.info
    if info.source_changed_at or not _is_whole(info):
        return None
    before = entries[: next(at for at, each in enumerate(entries) if each.info.id == info.id)]
    alike = [each for each in before if (each.info.source, each.info.kind) == (info.source, info.kind)]
    held, since = b"", None
    for other in itertools.islice((each for each in reversed(alike) if _is_whole(each.info)), _LOOKED_BACK):
        if _sizes(other.info) != _sizes(info):
            break
        held = held or _content(repository, entry)
        if _content(repository, other) != held:
            break
        since = other.info
    return since


def _is_whole(info: SnapshotInfo) -> bool:
    return info.status == "complete" and not info.partial


def _sizes(info: SnapshotInfo) -> tuple[int | None, int, int]:
    return info.rows, info.item_count, info.bytes_source


def _content(repository: Repository, entry: SnapshotEntry) -> bytes:
    """The same for snapshots that hold the same in every byte, and the same of what has no bytes, such as sequences."""
    found = hashlib.blake2b(digest_size=16)
    for item in repository.manifest(entry).items():
        notes = None if item.segments else sorted((item.notes or {}).items())
        slices = [(each.chunk, each.offset, each.length) for one in item.segments for each in one.slices]
        found.update(repr((item.name, item.kind, item.part, item.rows, notes, slices)).encode())
    return found.digest()
