"""What users added to the tables of an extension is restored in place; the extension's own rows are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.world import World, cheap, room
from tests.servers.postgres import PostgresServer, shared_server

from holdfast.sources.base import RestoreRequest
from holdfast.sources.postgres.source import PostgresSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.restore import RestoreOrder, RestoreResult, restore
from holdfast.usecases.undo import UndoOrder, undo

__all__ = ["cheap", "room"]

# what pg_extension_config_dump notes down; it may be called by the scripts of extensions only
SETTINGS = """
CREATE TABLE settings (KEY, own bool); INSERT INTO settings VALUES (1, 'shipped', true);
ALTER EXTENSION plpgsql ADD TABLE settings;
UPDATE pg_extension SET extconfig = ARRAY['settings'::regclass::oid], extcondition = ARRAY['WHERE NOT own']
 WHERE extname = 'plpgsql';
INSERT INTO settings VALUES (2, 'mine', false), (3, 'mine too', false);
"""
ROWS = "SELECT id, v FROM settings ORDER BY id"


@pytest.fixture
def world(room: Path, cheap: None) -> World:
    return World(room).create()


@pytest.fixture
def server() -> PostgresServer:
    return shared_server("16")


def back(world: World, source: PostgresSource, **more: bool) -> RestoreResult:
    with world.opened() as repository:
        entry = next(entry for entry in repository.snapshots() if entry.info.name == "then")
        request = RestoreRequest(label="then", in_place=True, verify="content", **more)
        return restore(repository, RestoreOrder(entry=entry, source=source, request=request))


@pytest.mark.parametrize("key", ["id int PRIMARY KEY, v text", "id int, v text"])
def test_rows_added_to_an_extension_come_back(world: World, server: PostgresServer, shop: str, key: str) -> None:
    """Missing rows are added, exact takes newer ones away, undo brings back what was; shipped rows stay as now."""
    server.run(SETTINGS.replace("KEY", key), shop)
    source = PostgresSource(server.url(shop))
    with world.opened() as repository:
        backup(repository, BackupRequest(sources={"app": source}, name="then"))
    server.run("DELETE FROM settings WHERE id = 2; INSERT INTO settings VALUES (4, 'newer', false)", shop)
    server.run("UPDATE settings SET v = 'shipped anew' WHERE id = 1", shop)
    now = server.run(ROWS, shop)
    added = back(world, source)
    assert added.verified, added.items
    assert server.run(ROWS, shop) == [(1, "shipped anew"), (2, "mine"), (3, "mine too"), (4, "newer")]
    exact = back(world, source, overwrite=True, exact=True)
    assert exact.verified, exact.items
    assert server.run(ROWS, shop) == [(1, "shipped anew"), (2, "mine"), (3, "mine too")]
    for run in (exact.run, added.run):
        with world.opened() as repository:
            assert undo(repository, UndoOrder(run=run, source=lambda _: source)).verified
    assert server.run(ROWS, shop) == now
