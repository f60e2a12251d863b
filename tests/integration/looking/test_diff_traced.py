"""What came and went in a living table, told by transaction numbers, is what reading everything tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from tests.faults.world import World
from tests.servers import postgres

from holdfast.model.errors import MissingTool
from holdfast.records import contrast
from holdfast.repository.repository import Repository
from holdfast.sources.postgres import PostgresSource
from holdfast.sources.postgres.records import standing, tracing
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.diff import DiffOrder, diff

_ROWS = 40_000
_MADE = (
    "CREATE TABLE numbered (id bigint PRIMARY KEY, note text, filler text) WITH (fillfactor = 90)",
    "CREATE TABLE scattered (id uuid PRIMARY KEY, note text, filler text) WITH (fillfactor = 90)",
    "CREATE TABLE keyless (id int, note text, filler text)",
    "CREATE TABLE parts (id int PRIMARY KEY, note text, filler text) PARTITION BY RANGE (id)",
    f"CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO ({_ROWS // 2})",
    f"CREATE TABLE high PARTITION OF parts FOR VALUES FROM ({_ROWS // 2}) TO (99999999)",
)
_FILLED = {"numbered": "n", "scattered": "md5(n::text)::uuid", "keyless": "n % 5000", "parts": "n"}


@dataclass
class Scene:
    """A database with large enough tables, its repository, and two ways to compare with it."""

    server: postgres.PostgresServer
    database: str
    repository: Repository
    traced: list[str]

    @property
    def source(self) -> PostgresSource:
        return PostgresSource(self.server.url(self.database))

    def run(self, statement: str) -> None:
        self.server.run(statement, self.database)

    def snapshot(self) -> None:
        assert not backup(self.repository, BackupRequest(sources={"shop": self.source})).failures

    def told(self, before: str, after: str) -> dict[str, dict[str, Any]]:
        order = DiffOrder(
            before=before, after=after, limit=None, source=lambda _info: self.source, live=lambda _name: self.source
        )
        found = {each.table: asdict(each) for each in diff(self.repository, order).tables}
        for table in found.values():
            table["rows"].sort(key=repr)
            table.pop("same")
        return found


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[postgres.PostgresServer, str]]:
    shared = postgres.shared_server("16")
    with postgres.fresh_database(shared) as name:
        for statement in _MADE:
            shared.run(statement, name)
        for table, key in _FILLED.items():
            shared.run(
                f"INSERT INTO {table} SELECT {key}, 'note ' || n, repeat('x', 150) FROM generate_series(1, {_ROWS}) n",
                name,
            )
        yield shared, name


@pytest.fixture
def scene(
    world: World, server: tuple[postgres.PostgresServer, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    """``traced``: the tables whose comparison went by transaction numbers to its end."""
    traced: list[str] = []
    counted = tracing.Tracer._counted

    def noted(self: tracing.Tracer, one: standing.Standing, old: str, key: tuple[str, ...]) -> Any:
        traced.append(one.part.item.label)
        return counted(self, one, old, key)

    monkeypatch.setattr(tracing.Tracer, "_counted", noted)
    with world.opened() as repository:
        yield Scene(*server, repository, traced)


def test_any_changes_are_told_as_a_second_backup_would_tell_them(scene: Scene) -> None:
    """Updates, deletes, inserts, keys that move, rolled-back work, whole stretches gone: with every kind of key."""
    scene.snapshot()
    for table, key in (("numbered", "id"), ("scattered", "id"), ("keyless", "id"), ("parts", "id")):
        scene.run(f"UPDATE {table} SET note = 'changed' WHERE abs(hashtext({key}::text)) % 3000 = 1")
        scene.run(f"DELETE FROM {table} WHERE abs(hashtext({key}::text)) % 9000 = 2")
        scene.run(f"UPDATE {table} SET note = note WHERE abs(hashtext({key}::text)) % 5000 = 3")
        scene.run(f"BEGIN; UPDATE {table} SET note = 'never'; ROLLBACK")
        scene.run(f"VACUUM {table}")
        scene.run(f"INSERT INTO {table} SELECT {_FILLED[table]}, 'later', '' FROM generate_series(90001, 90010) n")
    scene.run("UPDATE numbered SET id = id + 1000000 WHERE id % 10007 = 1")
    scene.run("DELETE FROM numbered WHERE id BETWEEN 20000 AND 33000")
    live = scene.told("latest:shop", "live")
    back = scene.told("live", "latest:shop")
    assert set(scene.traced) == {"public.numbered", "public.scattered", "public.keyless", "public.low", "public.high"}
    before = scene.repository.snapshots()[-1].info.id
    scene.snapshot()
    after = scene.repository.snapshots()[-1].info.id
    assert before != after
    assert live == scene.told(before, after)
    assert {name: (one["removed"], one["added"], one["changed"]) for name, one in back.items()} == {
        name: (one["added"], one["removed"], one["changed"]) for name, one in live.items()
    }
    assert live["public.numbered"]["changed"] > 0
    assert live["public.numbered"]["removed"] > 13_000


def test_a_transaction_that_ran_during_the_snapshot_hides_nothing(scene: Scene) -> None:
    """What it wrote has a smaller number than rows the snapshot saw, and its parts have larger ones."""
    with scene.server.connect(scene.database) as running:
        running.execute("BEGIN")
        running.execute("UPDATE numbered SET note = 'slow' WHERE id = 100")
        running.execute("SAVEPOINT later")
        running.execute("DELETE FROM numbered WHERE id = 39000")
        scene.run("UPDATE numbered SET note = 'quick' WHERE id = 102")
        scene.snapshot()
        running.execute("SAVEPOINT more")
        running.execute("UPDATE numbered SET note = 'inner' WHERE id = 103")
        running.execute("COMMIT")
    table = scene.told("latest:shop", "live")["public.numbered"]
    assert "public.numbered" in scene.traced
    assert (table["added"], table["removed"], table["changed"]) == (0, 1, 2)


@pytest.mark.parametrize("rewrite", ["VACUUM FULL numbered", "CLUSTER numbered USING numbered_pkey"])
def test_a_rewritten_table_is_read_in_full(scene: Scene, rewrite: str) -> None:
    """Its rows lie elsewhere: nothing can be concluded from where they were."""
    scene.snapshot()
    scene.run(rewrite)
    scene.run(f"UPDATE numbered SET note = 'after {rewrite[0]}' WHERE id = 200")
    table = scene.told("latest:shop", "live")["public.numbered"]
    assert "public.numbered" not in scene.traced
    assert (table["added"], table["removed"], table["changed"]) == (0, 0, 1)


def test_numbers_that_contradict_the_snapshot_are_not_believed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """When less is stored than the server says still stands, everything is compared row by row."""
    scene.snapshot()
    scene.run("UPDATE numbered SET note = 'doubted' WHERE id = 300")
    tally = tracing._tally

    def wrong(one: standing.Standing, counted: Any, explaining: Any) -> Any:
        return tally(one, [(start, stood + 1, total + 1) for start, stood, total in counted], explaining)

    monkeypatch.setattr(tracing, "_tally", wrong)
    read_in_full: list[bool] = []
    put_all = contrast.Contrast._put_all
    monkeypatch.setattr(
        contrast.Contrast, "_put_all", lambda self: (read_in_full.append(True), put_all(self))[1]
    )
    table = scene.told("latest:shop", "live")["public.numbered"]
    assert read_in_full
    assert (table["added"], table["removed"], table["changed"]) == (0, 0, 1)


def test_without_psql_everything_is_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison never needed the program, and is not refused for the want of it."""
    scene.snapshot()
    scene.run("UPDATE numbered SET note = 'no psql' WHERE id = 400")

    def none(*_: Any) -> Any:
        raise MissingTool("psql of version 12 or newer was not found")

    monkeypatch.setattr(tracing, "tool", none)
    table = scene.told("latest:shop", "live")["public.numbered"]
    assert scene.traced == []
    assert (table["added"], table["removed"], table["changed"]) == (0, 0, 1)
