"""An open repository on a store in memory, for tests of its rooms."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from tests.faults.world import World, cheap, room, rows, touched

from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository
from holdfast.storage.memory import MemoryStorage

__all__ = ["cheap", "info", "memory", "repository", "room", "rows", "touched", "world"]


@pytest.fixture
def memory() -> MemoryStorage:
    """The store."""
    return MemoryStorage("opened")


@pytest.fixture
def world(room, memory: MemoryStorage, cheap) -> World:
    """A repository in it."""
    made = World(room / "w")
    made.store = lambda: memory
    return made.create()


@pytest.fixture
def repository(world: World) -> Iterator[Repository]:
    """That repository, open."""
    with contextlib.closing(world.open("client")) as opened:
        yield opened


def info(snapshot: str = "5" * 32) -> SnapshotInfo:
    """Facts of a snapshot."""
    return SnapshotInfo(
        id=snapshot, run="r", source="s", kind="files", trigger="manual", status="complete",
        created_at="2026-01-01T00:00:00Z", rows=None, item_count=1, bytes_source=1, bytes_read=1, bytes_new=1,
        bytes_stored=1, seconds=0.1, not_protected=[], warnings=[],
    )  # fmt: skip
