"""A database under guard is backed up and restored as it is, and its copy is under guard too."""

from __future__ import annotations

from tests.faults.world import World, cheap, room  # noqa: F401
from tests.integration.postgres.guard.test_triggers import _ALL, _TABLES, kept
from tests.servers.postgres import PostgresServer

from holdfast.sources.base import RestoreRequest
from holdfast.sources.postgres import PostgresSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.guard import ShipOrder, ship
from holdfast.usecases.restore import RestoreOrder, restore
from holdfast.usecases.trash import TrashOrder, trash


def test_a_copy_is_under_guard_and_ships_by_itself(pg: PostgresServer, database: str, room, cheap) -> None:  # noqa: F811
    """Waiting rows are in the backup; in the copy deletes are kept, numbered on, and shipped without a mix-up."""
    pg.run(_TABLES, database)
    source = PostgresSource(pg.url(database))
    with source.guard() as guard:
        guard.install(_ALL)
    pg.run("DELETE FROM registrations WHERE id = 1", database)
    world = World(room / "w").create()
    copied = f"{database}_copy"
    with world.opened() as repository:
        info = backup(repository, BackupRequest(sources={"shop": source})).snapshots[0]
        assert info.status == "complete"
        entry = next(each for each in repository.snapshots() if each.info.id == info.id)
        request = RestoreRequest(label="x", to=pg.url(copied))
        try:
            result = restore(repository, RestoreOrder(entry=entry, source=source, request=request))
            assert not result.warnings
            copy = PostgresSource(pg.url(copied))
            assert [each.row.values["id"] for each in kept(copy)] == ["1"]
            pg.run("DELETE FROM events WHERE id = 1; TRUNCATE lines", copied)
            assert len(kept(copy)) > 20
            with copy.guard() as guard:
                assert not [gap for table in guard.state().watched for gap in table.gaps]
            pg.run("DELETE FROM registrations WHERE id = 2", database)
            assert ship(repository, ShipOrder(sources={"shop": source})).rows == 2
            shipped = ship(repository, ShipOrder(sources={"other": copy})).rows
            found = trash(repository, TrashOrder(sources={"shop": source, "other": copy}))
            assert sum(each.rows for each in found if each.source == "shop") == 2
            assert sum(each.rows for each in found if each.source == "other") == shipped > 20
        finally:
            pg.drop_database(copied)
