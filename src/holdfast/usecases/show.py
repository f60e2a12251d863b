"""Show one snapshot and, item by item as they are read, what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.model.snapshot import Item
from holdfast.planning import names
from holdfast.repository.repository import Repository, SnapshotEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A snapshot; ``items`` reads the manifest while it is drained, in the manifest's order.

    ``config``: the text of the configuration it was made with; may be empty.
    """

    entry: SnapshotEntry
    items: Iterator[Item]
    config: str


def show(repository: Repository, name: str) -> Shown:
    """The snapshot that ``name`` means. UsageError when it means none or several."""
    entries = {entry.info.id: entry for entry in repository.snapshots()}
    info = names.one(name, [entry.info for entry in entries.values()])
    entry = entries[info.id]
    manifest = repository.manifest(entry)
    return Shown(entry=entry, items=manifest.items(), config=manifest.root.head.config)
