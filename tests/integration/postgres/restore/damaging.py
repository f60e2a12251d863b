"""A shop's database to damage and to mend, a role that may do little, and the way back after mending."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.postgres.restore.applying import Outcome, restore
from tests.integration.postgres.restore.fixture_snapshot import FixtureSnapshot, snapshot_of
from tests.servers.postgres import PostgresServer, fresh_database

EXACT = {"in_place": True, "overwrite": True, "exact": True}


@pytest.fixture
def server(pg: PostgresServer) -> PostgresServer:
    """Every version in turn; a module whose promise does not depend on it names one of its own."""
    return pg


@pytest.fixture
def shop(server: PostgresServer) -> Iterator[str]:
    """The name of an empty database."""
    with fresh_database(server) as name:
        yield name


@pytest.fixture
def owner(server: PostgresServer, shop: str) -> Iterator[str]:
    """The shop's URL for hf_plain: a role that is no superuser and may make things."""
    server.run(f"CREATE ROLE hf_plain LOGIN PASSWORD 'pw'; GRANT CREATE ON DATABASE {shop} TO hf_plain", shop)
    server.run("GRANT CREATE ON SCHEMA public TO hf_plain", shop)
    yield server.url(shop, user="hf_plain", password="pw")
    server.run("REASSIGN OWNED BY hf_plain TO postgres; DROP OWNED BY hf_plain; DROP ROLE hf_plain", shop)


def saved_before(server: PostgresServer, shop: str, damage: str) -> FixtureSnapshot:
    """The snapshot of the shop as it was before ``damage`` was done to it."""
    saved = snapshot_of(server, shop)
    server.run(damage, shop)
    return saved


def taken_back(url: str, done: Outcome, before: FixtureSnapshot) -> Outcome:
    """What a restore did, taken back as undo does it."""
    created = tuple(step.item for step in done.plan.steps if step.action.value == "create")
    touched = tuple(step.label for step in done.plan.touched())
    return restore(url, before, **EXACT, only=touched or ("-",), undo_created=created)


def undone(server: PostgresServer, shop: str, script: str) -> tuple[Outcome, Outcome]:
    """Damage done by ``script`` is mended, and the mending taken back."""
    saved = saved_before(server, shop, script)
    before = snapshot_of(server, shop)
    done = restore(server.url(shop), saved, in_place=True)
    kept = before.only(*(step.item for step in done.plan.touched()))
    return done, taken_back(server.url(shop), done, kept)
