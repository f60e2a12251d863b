"""A shelf in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.integration.mongodb.taking import Taken

from holdfast.sources.records import SnapshotView


@dataclass
class MemoryShelf:
    """``put`` counts as one each."""

    kept: dict[str, bytes] = field(default_factory=dict)

    def get(self, name: str) -> bytes | None:
        return self.kept.get(name)

    def put(self, name: str, data: bytes) -> None:
        self.kept[name] = data


def view(taken: Taken, shelf: MemoryShelf | None = None) -> SnapshotView:
    """What a source is given of a snapshot in memory."""
    return SnapshotView(id="0" * 32, manifest=taken, content=taken, shelf=shelf or MemoryShelf())
