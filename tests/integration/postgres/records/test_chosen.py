"""Chosen rows are a snapshot that stands alone: an ordinary restore makes tables of them in a new place."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contracts.book_contract import cheap, room  # noqa: F401
from tests.faults.world import World
from tests.integration.postgres.restore.applying import EVERYTHING
from tests.servers.postgres import PostgresServer

from holdfast.model.events import silent
from holdfast.sources.base import RestoreRequest
from holdfast.sources.postgres import PostgresSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.looking import open_book, open_live


@pytest.mark.usefixtures("cheap")
def test_chosen_rows_restore_into_a_new_database(pg: PostgresServer, database: str, room: Path) -> None:  # noqa: F811
    """From the application and from a snapshot of it; partitioned tables too, large ones too."""
    pg.run(EVERYTHING, database)
    pg.run("INSERT INTO part SELECT '2026-01-01', i FROM generate_series(1, 40000) i", database)
    source = PostgresSource(pg.url(database), allow_write_token=False)  # an event trigger forbids new tables
    with World(room / "world").create().opened("client") as repository:

        def taken(what: object) -> object:
            made = backup(repository, BackupRequest(sources={"app": what}))  # type: ignore[dict-item]
            assert not made.failures, made.failures
            return next(one for one in repository.snapshots() if one.info.id == made.snapshots[0].id)

        first = taken(source)
        with open_live(source) as live:
            rows = {name: list(live.rows(live.tables[name])) for name in ("venue", "event", "part", "tree")}
            kept = taken(source.of_rows(live, rows))
        with open_book(repository, first, source) as book:  # type: ignore[arg-type]
            rows = {name: list(book.rows(book.tables[name])) for name in ("venue", "event", "part", "tree")}
            again = taken(source.of_rows(book, rows))
        for number, entry in enumerate((kept, again)):
            name = f"{database}_{number}"
            target = source.target(RestoreRequest(label="x", to=pg.url(name), report=silent))
            from holdfast.flow.content import SnapshotContent
            from holdfast.usecases.protection import protected

            with protected(repository, "restore", silent, [entry.info.id]) as reader:  # type: ignore[attr-defined]
                manifest = repository.manifest(entry, reader)  # type: ignore[arg-type]
                content = SnapshotContent(reader, local=True)
                plan = target.plan(manifest)
                assert not plan.refusals
                results = target.apply(plan, manifest, content)
                assert {one.name: one.status for one in results if one.status not in ("ok", "skipped")} == {}
            try:
                for table in ("venue", "event", "part", "tree"):
                    text = f"SELECT count(*), sum(hashtext(t::text)) FROM {table} t"
                    assert pg.run(text, name) == pg.run(text, database), table
                assert pg.run("SELECT count(*) FROM noted", name) == [(0,)]
            finally:
                pg.drop_database(name)


def test_definitions_are_read_once(pg: PostgresServer, database: str, room: Path) -> None:  # noqa: F811
    """A snapshot of rows uses those of the last whole one while no definition changed."""
    pg.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)", database)
    source = PostgresSource(pg.url(database))
    with World(room / "world").create().opened("client") as repository:
        backup(repository, BackupRequest(sources={"app": source}))
        with open_live(source) as live:
            chosen = source.of_rows(live, {"t": list(live.rows(live.tables["t"]))})
            made = backup(repository, BackupRequest(sources={"app": chosen}))
        assert made.snapshots[0].bytes_read < 100
