"""A run over several sources: what it keeps beside the data, and what it says when the store gives up."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.world import RowsSource, World, cheap, room, rows  # noqa: F401

from holdfast.model.errors import StorageError
from holdfast.sources.base import CaptureNotes
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.show import show

CONFIG = """[repository]
url = "file:///backups"
passphrase = "env:HOLDFAST_PASSPHRASE"
[sources.shop]
url = "postgresql://app:s3cret@localhost/shop"
"""


@pytest.fixture
def world(room: Path, cheap: None) -> World:  # noqa: F811
    return World(room).create()


class Cut(RowsSource):
    """A source during which the line to the repository breaks."""

    def finish(self) -> CaptureNotes:
        raise StorageError("connection lost", why="timed out")


def test_a_broken_store_names_what_was_already_made(world: World) -> None:
    """The first source's snapshot is there, and the error says so."""
    with world.opened() as repository:
        sources = {"one": RowsSource({"t": [rows(1)]}), "two": Cut({"t": [rows(2)]})}
        with pytest.raises(StorageError, match="connection lost") as caught:
            backup(repository, BackupRequest(sources=sources))
        (entry,) = repository.snapshots()
    assert f"{entry.info.id[:8]} of one" in caught.value.why
    assert "timed out" in caught.value.why


def test_the_configuration_travels_in_the_snapshot_without_passwords(world: World) -> None:
    """A bare machine finds out from the snapshot alone how it was configured; a password in a URL is left out."""
    with world.opened() as repository:
        backup(repository, BackupRequest(sources={"one": RowsSource({"t": [rows(1)]})}, config=CONFIG))
    with world.opened() as repository:
        shown = show(repository, "latest")
    assert shown.config == CONFIG.replace(":s3cret", "").replace("app@", "app@")
    assert "s3cret" not in shown.config


def test_a_snapshot_without_a_configuration_shows_none(world: World) -> None:
    """Nothing is made up where there was no file."""
    world.back_up("one", {"t": [rows(1)]})
    with world.opened() as repository:
        assert show(repository, "one").config == ""
