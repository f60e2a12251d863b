"""A comparison that leaves most of a table unread tells exactly what the server tells."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.faults.world import World
from tests.integration.looking.conftest import OnPostgres, OnSqlite
from tests.servers import postgres

from holdfast.usecases.diff import DiffOrder, diff

_ROWS = 20_000


def _changes(chance: random.Random, *, keyed: bool) -> list[str]:
    """Updates, deletes and inserts here and there and in stretches, in keyed tables and without key."""
    table = "keyed" if keyed else "keyless"
    spots = [chance.randrange(1, _ROWS) for _ in range(30)]
    start = chance.randrange(1, _ROWS - 3000)
    return [
        f"UPDATE {table} SET text = 'changed' WHERE id IN ({', '.join(map(str, spots[:10]))})",
        f"DELETE FROM {table} WHERE id IN ({', '.join(map(str, spots[10:20]))})",
        f"DELETE FROM {table} WHERE id BETWEEN {start} AND {start + 2500}",
        *(f"INSERT INTO {table} VALUES ({_ROWS + 10 + n}, 'new')" for n in range(chance.randrange(20))),
        f"UPDATE {table} SET text = text WHERE id % 997 = {chance.randrange(997)}",
        *([] if keyed else [f"INSERT INTO {table} SELECT * FROM {table} WHERE id BETWEEN {start - 50} AND {start}"]),
    ]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("seed", [1, 3])
def test_what_is_left_unread_does_not_differ(world: World, tmp_path: Path, kind: str, seed: int) -> None:
    """Counts of every table equal those of a full comparison, after random changes and, once, a rewrite."""
    chance = random.Random(seed)
    server = postgres.shared_server("18") if kind == "postgres" else None
    with postgres.fresh_database(server) if server else _Nothing() as name:
        app = OnPostgres(server, name) if server else OnSqlite(tmp_path / "shop.db")
        count = f"(WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {_ROWS}) SELECT i FROM c)"
        for table, key in (("keyed", "PRIMARY KEY"), ("keyless", "")):
            app.run(f"CREATE TABLE {table} (id int {key}, text text)")
            app.run(f"INSERT INTO {table} SELECT i, 'some text that is long enough ' || (i * 7919) FROM {count} s")
            app.run(f"CREATE TABLE old_{table} AS SELECT * FROM {table}")
        with world.opened() as repository:
            first = app.taken(repository)
            for keyed in (True, False):
                for statement in _changes(chance, keyed=keyed):
                    app.run(statement)
            if seed == 3:
                app.run("VACUUM FULL" if server else "VACUUM")
            second = app.taken(repository)
            order = DiffOrder(
                before=first.id, after=second.id, items=("*keyed", "*keyless"), limit=0,
                source=lambda _info: app.source, live=lambda _name: app.source,
            )  # fmt: skip
            found = {each.table.rpartition(".")[2]: each for each in diff(repository, order).tables}
            full = DiffOrder(
                before=first.id, after="live", items=("*keyed", "*keyless"), limit=0,
                source=lambda _info: app.source, live=lambda _name: app.source,
            )  # fmt: skip
            truth = {each.table.rpartition(".")[2]: each for each in diff(repository, full).tables}
    for name in ("keyed", "keyless"):
        one, two = found[name], truth[name]
        assert (one.added, one.removed, one.changed) == (two.added, two.removed, two.changed), name
        assert one.removed > 2400
    assert found["old_keyed"].status == "same"


class _Nothing:
    def __enter__(self) -> str:
        return ""

    def __exit__(self, *_: object) -> None:
        pass
