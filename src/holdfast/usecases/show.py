"""Show one snapshot and, item by item as they are read, what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.model.snapshot import Item
from holdfast.planning import names
from holdfast.repository.repository import Repository, SnapshotEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A snapshot; ``items`` reads the manifest while it is drained, in the manifest's order."""

    entry: SnapshotEntry
    items: Iterator[Item]


def show(repository: Repository, name: str) -> Shown:
    """The snapshot that ``name`` means. UsageError when it means none or several."""
    entries = {entry.info.id: entry for entry in repository.snapshots()}
    info = names.one(name, [entry.info for entry in entries.values()])
    entry = entries[info.id]
    return Shown(entry=entry, items=repository.manifest(entry).items())
