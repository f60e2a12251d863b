"""Where a database does not tell when its data changed, a snapshot tells since which other it did not."""

from __future__ import annotations

from tests.faults.world import World
from tests.integration.looking.conftest import OnPostgres
from tests.servers import postgres

from holdfast.usecases.show import show


def test_a_snapshot_tells_since_which_other_nothing_changed(world: World) -> None:
    """The first of those that hold the same; none after a change, even one that leaves every size as it was."""
    server = postgres.shared_server("18")
    with postgres.fresh_database(server) as name, world.opened() as repository:
        app = OnPostgres(server, name)
        app.run("CREATE SEQUENCE tickets")
        first, second, third = (app.taken(repository) for _ in range(3))
        assert show(repository, first.id).unchanged_since is None
        for each in (second, third):
            since = show(repository, each.id).unchanged_since
            assert since is not None and since.id == first.id
        app.run("UPDATE users SET name = reverse(name) WHERE name <> reverse(name)")
        changed = app.taken(repository)
        assert show(repository, changed.id).unchanged_since is None
        app.run("SELECT nextval('tickets')")
        drawn = app.taken(repository)
        assert show(repository, drawn.id).unchanged_since is None
        again = show(repository, app.taken(repository).id).unchanged_since
        assert again is not None and again.id == drawn.id
