"""The event of a realistic application, with cycles, self references and JSON, is deleted through holdfast and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.world import World
from tests.integration.entities.event_application import fill_postgres
from tests.integration.entities.promises import Held, Site, differing
from tests.integration.entities.test_postgres import PostgresSite
from tests.integration.entities.test_sqlite import SqliteSite, template
from tests.servers.postgres import fresh_database, shared_server

from holdfast.usecases.entity_delete import EntityDeleteOrder, entity_delete
from holdfast.usecases.trash import TrashOrder, trash
from holdfast.usecases.trash_restore import TrashRestoreOrder, trash_restore

__all__ = ["template"]


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, template: Path, tmp_path: Path) -> Iterator[Site]:
    """The application."""
    if request.param == "sqlite":
        path = tmp_path / "app.db"
        path.write_bytes(template.read_bytes())
        yield SqliteSite(path)
        return
    server = shared_server("18")
    with fresh_database(server) as name:
        fill_postgres(server, name)
        yield PostgresSite(server, name)


def test_thousands_of_rows_are_deleted_and_come_back(site: Site, world: World) -> None:
    """What the database counts is what was captured, however the rows hang together; restored, all is as before."""
    before = site.state()
    with world.opened() as repository:
        held = Held(site, repository)
        result = entity_delete(repository, EntityDeleteOrder(subject=held.subject(), force=True))
        assert sum(result.deleted.values()) > 1000
        after = site.state()
        gone = sum(len(rows) for rows in before.values()) - sum(len(rows) for rows in after.values())
        assert gone == sum(result.deleted.values())
        (entry,) = trash(repository, TrashOrder(sources={result.snapshot.source: site.source}))  # type: ignore[union-attr]
        restored = TrashRestoreOrder(
            discarded=entry, source=site.source, entities=lambda: {"event": held.subject().declaration}
        )
        trash_restore(repository, restored)
    assert differing(before, site.state()) == []
