"""Prune frees what nobody needs, and leaves what somebody may still go on from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.world import RowsSource, World, cheap, require_tidy, require_whole, room, rows  # noqa: F401

from holdfast.usecases.backup import BackupRequest, backup


@pytest.fixture
def world(room: Path, cheap: None) -> World:  # noqa: F811
    return World(room).create()


def test_an_interrupted_backup_goes_on_after_a_prune(world: World) -> None:
    """What the unfinished run had stored survives the prune, is not read again, and goes once a backup committed."""
    data = {"t": [rows(number, 400_000) for number in range(20)]}
    source = RowsSource(data, keep=False, stop_after=6_000_000)
    with world.opened("client") as repository, pytest.raises(InterruptedError):
        backup(repository, BackupRequest(sources={"app": source}))
    before = world.objects("packs/")
    assert before
    world.prune(client="client")
    assert world.objects("packs/") == before
    again = world.back_up("whole", data, "client")
    assert again.read < 6_000_000
    world.back_up("other", {"u": [rows(99)]}, "client")
    world.forget("whole", client="client")
    world.prune(client="client")
    require_whole(world)
    require_tidy(world)
