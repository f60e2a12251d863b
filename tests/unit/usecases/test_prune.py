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
    """What the unfinished run had stored survives the prune, is not stored again, and goes once a backup committed."""
    data = {"t": [rows(number, 400_000) for number in range(20)]}
    source = RowsSource(data, keep=False, stop_after=6_000_000)
    with world.opened("client") as repository, pytest.raises(InterruptedError):
        backup(repository, BackupRequest(sources={"app": source}))
    before = world.objects("packs/")
    assert before
    world.prune(client="client")
    assert world.objects("packs/") == before
    world.back_up("whole", data, "client")
    with world.opened("client") as repository:
        assert repository.snapshots()[0].info.bytes_new < sum(map(len, data["t"])) - 500_000
    world.back_up("other", {"u": [rows(99)]}, "client")
    world.forget("whole", client="client")
    world.prune(client="client")
    require_whole(world)
    require_tidy(world)


def test_the_log_lets_go_of_snapshots_that_cannot_come_back(world: World) -> None:
    """What was forgotten can be regretted until its data is swept; then nobody carries it along any more."""
    world.back_up("one", {"t": [rows(1)]}, "client")
    world.back_up("two", {"t": [rows(2)]}, "client")
    world.forget("one", client="client")
    with world.opened("client") as repository:
        assert len(repository.snapshots(forgotten=True)) == 2
    world.prune(client="client")
    with world.opened() as repository:
        assert [entry.info.name for entry in repository.snapshots(forgotten=True)] == ["two"]
    require_whole(world)
