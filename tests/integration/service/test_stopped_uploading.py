"""A backup that has read everything and still uploads stops when it is told to, and what arrived is used again."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.faults.world import PASSPHRASE, World, cheap  # noqa: F401

from holdfast.model.errors import Interrupted
from holdfast.model.events import Event
from holdfast.repository.repository import Repository
from holdfast.sources.files import FilesSource
from holdfast.storage.throttle import Allowance, Throttled
from holdfast.usecases.backup import BackupRequest, backup

_RATE = 1 << 20
_SIZE = 16 << 20


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world").create()


def test_a_stop_is_heard_between_packs(world: World, tmp_path: Path) -> None:
    """Fifteen seconds of uploading are left when somebody stops it: what is on the line goes out, and no more."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "large.bin").write_bytes(os.urandom(_SIZE))
    source = FilesSource(folder)
    begun = time.monotonic()

    def stop_soon(_event: Event) -> None:
        if time.monotonic() - begun > 0.5:
            raise Interrupted("the run was asked to stop")

    line = Throttled(world.storage(), Allowance(_RATE), Allowance(_RATE))
    with closing(Repository.open(line, PASSPHRASE, world.places(""))) as repository:
        with pytest.raises(Interrupted):
            backup(repository, BackupRequest(sources={"slow": source}, report=stop_soon))
        took = time.monotonic() - begun
        assert took < 11, f"it went on for {took:.1f} s"
        assert not repository.snapshots()
    with world.opened() as repository:
        made = backup(repository, BackupRequest(sources={"slow": source})).snapshots[0]
        assert made.bytes_stored < _SIZE - (1 << 20)
