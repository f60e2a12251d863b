"""The old contracts over the databases that the systems before holdfast ran on: PostgreSQL and MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.web.world import CRON_SECRET, World, over, world_of
from tests.servers import mongodb
from tests.servers.postgres import fresh_database, shared_server

from holdfast.model.secret import split_password

CONFIG = """
[repository]
url = "{folder}/repository"

[sources.shop]
url = "URL"

[entities.event]
source = "shop"
root = "events"
title = "title"
EDGES

[serve]
cron_secret = "file:{folder}/cron-secret"

[[serve.aliases]]
path = "/api/cron/backup-event-store"
answer = "cron"
counts = {{ rowCount = "events", featuredEntryCount = "featured" }}

[[serve.aliases]]
path = "/api/backup/manual"
answer = "manual"
"""
TABLES = {
    "events": [{"id": n, "title": f"Event {n}"} for n in range(1, 6)],
    "registrations": [{"id": n, "event": 1 + n % 5, "name": f"guest {n}"} for n in range(100)],
    "featured": [{"id": n, "event": n} for n in (1, 2, 3)],
}


@dataclass
class Shop:
    """An application and its API. ``name``: how its store calls a table."""

    world: World
    name: Callable[[str], str]
    rows: Callable[[str], list[dict[str, Any]]]
    delete: Callable[[str, str, int], None]
    rename: Callable[[str, int, str], None]

    def restored(self, told: dict[str, Any]) -> dict[str, int]:
        """Rows by table, without what was not touched."""
        return {table: number for table, number in told["restored"].items() if number}


def _postgres(folder: Path) -> Iterator[Shop]:
    server = shared_server("16")
    with fresh_database(server) as base:
        with server.connect(base) as connection:
            connection.execute("create table events (id int primary key, title text)")
            for table, more in (("registrations", ", name text"), ("featured", "")):
                connection.execute(
                    f"create table {table} (id int primary key, event int not null references events{more})"
                )
            for table, rows in TABLES.items():
                for row in rows:
                    marks = ", ".join(["%s"] * len(row))
                    connection.execute(f"insert into {table} values ({marks})", list(row.values()))

        def rows(table: str) -> list[dict[str, Any]]:
            columns = list(TABLES[table][0])
            found = server.run(f"select {', '.join(columns)} from {table} order by id", base)
            return [dict(zip(columns, row, strict=True)) for row in found]

        def changed(statement: str) -> None:
            with server.connect(base) as connection:
                connection.execute(statement)

        url, password = split_password(server.url(base))
        (folder / "password").write_text(password or "")
        url = f'{url}"\npassword = "file:{{folder}}/password'
        with world_of(folder, CONFIG.replace("URL", url).replace("EDGES", "")) as world:
            yield Shop(
                world, "public.{}".format, rows,
                lambda table, column, n: changed(f"delete from {table} where {column} = {n}"),
                lambda table, n, to: changed(f"update {table} set title = '{to}' where id = {n}"),
            )  # fmt: skip


def _mongodb(folder: Path) -> Iterator[Shop]:
    server, base = mongodb.shared(), mongodb.fresh()
    for collection, rows in TABLES.items():
        renamed = [{("_id" if name == "id" else name): value for name, value in row.items()} for row in rows]
        server.fill(base, collection, renamed)
    edges = "".join(
        f'\n[[entities.event.edges]]\nfrom = "{name}.event"\nto = "events"\n' for name in ("registrations", "featured")
    )

    def rows_of(collection: str) -> list[dict[str, Any]]:
        with server.database(base) as found:
            every = [dict(each) for each in found[collection].find().sort("_id")]
        return [{"id": each.pop("_id"), **each} for each in every]

    def delete(collection: str, field: str, value: int) -> None:
        with server.database(base) as found:
            found[collection].delete_many({"_id" if field == "id" else field: value})

    def rename(collection: str, number: int, to: str) -> None:
        with server.database(base) as found:
            found[collection].update_one({"_id": number}, {"$set": {"title": to}})

    with world_of(folder, CONFIG.replace("URL", server.url(base)).replace("EDGES", edges)) as world:
        yield Shop(world, str, rows_of, delete, rename)


@pytest.fixture(scope="module", params=[_postgres, _mongodb], ids=["postgresql", "mongodb"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    yield from request.param(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def client(shop: Shop) -> Iterator[httpx2.Client]:
    with shop.world.program() as client:
        yield client


@pytest.fixture
def entity(client: httpx2.Client) -> str:
    """A backup of event 1 with all that refers to it."""
    run = over(client, client.post("/api/entities/event/1/backup").json())
    return str(run["result"]["snapshot"])


def _restore(client: httpx2.Client, backup: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/api/backups/{backup}/restore", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_cron_and_button_answer_as_they_did(shop: Shop, client: httpx2.Client) -> None:
    """A4 and C5, word for word, with the counts of the tables they were configured for."""
    with shop.world.program(token=CRON_SECRET) as cron:
        told = cron.get("/api/cron/backup-event-store").json()
    assert told.keys() == {"ok", "message", "backup", "backups", "prunedCount"}
    assert told["backup"].keys() == {"id", "createdAt", "rowCount", "featuredEntryCount"}
    assert (told["ok"], told["backup"]["rowCount"], told["backup"]["featuredEntryCount"]) == (True, 5, 3)
    pressed = client.post("/api/backup/manual").json()
    assert pressed.keys() == {"success", "message", "backup", "backups", "prunedCount"}
    assert pressed["backup"].keys() == {"id", "timestamp", "size", "duration"}
    assert (pressed["success"], pressed["backup"]["size"] > 0, pressed["backup"]["duration"] >= 0) == (True,) * 3


def test_a_lost_event_is_looked_at_and_brought_back(shop: Shop, client: httpx2.Client, entity: str) -> None:
    """E4: dryRun changes nothing and counts what comes; then it is there with all that refers to it."""
    before = {table: shop.rows(table) for table in TABLES}
    for table, column in (("registrations", "event"), ("featured", "event"), ("events", "id")):
        shop.delete(table, column, 1)
    lost = {table: shop.rows(table) for table in TABLES}
    wanted = {shop.name("events"): 1, shop.name("registrations"): 20, shop.name("featured"): 1}
    dry = _restore(client, entity, dryRun=True)
    assert (dry["success"], dry["dryRun"], shop.restored(dry), dry["restoredRowCount"]) == (True, True, wanted, 22)
    assert {table: shop.rows(table) for table in TABLES} == lost
    told = _restore(client, entity, dryRun=False)
    assert (shop.restored(told), told["restoredRowCount"], told["restoredFeaturedCount"]) == (wanted, 22, 1)
    assert {table: shop.rows(table) for table in TABLES} == before


def test_some_collections_are_brought_back(shop: Shop, client: httpx2.Client, entity: str) -> None:
    """specificCollections: the others stay as they are; one that is not there is refused."""
    for table in ("registrations", "featured"):
        shop.delete(table, "event", 1)
    told = _restore(client, entity, specificCollections=["registrations"])
    assert shop.restored(told) == {shop.name("registrations"): 20}
    assert [each["event"] for each in shop.rows("featured")] == [2, 3]
    refused = client.post(f"/api/backups/{entity}/restore", json={"specificCollections": ["nosuch"]})
    assert (refused.status_code >= 400, refused.json()["success"]) == (True, False)
    _restore(client, entity)
    assert len(shop.rows("featured")) == 3


def test_an_event_comes_back_under_a_new_id(shop: Shop, client: httpx2.Client, entity: str) -> None:
    """newEventId: a second one, with rows of its own that refer to it; the first stays as it is."""
    told = _restore(client, entity, newEventId="901")
    assert (told["success"], told["newEventId"]) == (True, "901")
    assert {"id": 901, "title": "Event 1"} in shop.rows("events")
    assert len([row for row in shop.rows("registrations") if row["event"] == 901]) == 20
    assert len([row for row in shop.rows("registrations") if row["event"] == 1]) == 20


def test_existing_records_are_skipped(shop: Shop, client: httpx2.Client, entity: str) -> None:
    """skipExistingRecords leaves what differs; without it nothing is done, and that is said."""
    shop.rename("events", 1, "Renamed")
    shop.delete("featured", "event", 1)
    refused = client.post(f"/api/backups/{entity}/restore", json={})
    assert (refused.status_code, refused.json()["success"]) == (409, False)
    assert [row for row in shop.rows("featured") if row["event"] == 1] == []
    told = _restore(client, entity, skipExistingRecords=True)
    assert (told["success"], shop.restored(told)) == (True, {shop.name("featured"): 1})
    assert shop.rows("events")[0]["title"] == "Renamed"
    shop.rename("events", 1, "Event 1")


def test_a_whole_backup_counts_the_rows_it_brings_back(shop: Shop, client: httpx2.Client) -> None:
    """Only what was missing is restored and counted, dry and for real; what differs is left, and said."""
    backup = client.post("/api/backups?wait=1").json()["backup"]["id"]
    for number in (7, 8):
        shop.delete("registrations", "id", number)
    shop.rename("events", 2, "Renamed")
    dry = _restore(client, backup, dryRun=True)
    told = _restore(client, backup)
    again = _restore(client, backup)
    assert [each["restoredRowCount"] for each in (dry, told, again)] == [2, 2, 0]
    assert [shop.restored(each) for each in (dry, told)] == [{shop.name("registrations"): 2}] * 2
    assert all(any("differ" in text for text in each["warnings"]) for each in (dry, told, again))
    assert shop.rows("events")[1]["title"] == "Renamed"
    assert {7, 8} <= {row["id"] for row in shop.rows("registrations")}


def test_plans_are_carried_out_as_long_as_nobody_writes(shop: Shop, client: httpx2.Client, entity: str) -> None:
    """What a look found is found again where the rows are held, in these databases too."""

    def carried_out(**wanted: Any) -> dict[str, Any]:
        plan = client.post("/api/restore-plans", json=wanted).json()
        done = over(client, client.post("/api/restores", json={"plan": plan["id"]}).json())
        assert done["status"] == "succeeded", done
        return done

    before = shop.rows("registrations")
    backup = client.post("/api/backups?wait=1").json()["backup"]["id"]
    shop.delete("registrations", "id", 5)
    key = "_id" if shop.name("x") == "x" else "id"
    rows = {"only": [shop.name("registrations")], "where": f"{key} < 9", "overwrite": True}
    done = carried_out(what="snapshot", snapshot=backup, **rows)
    carried_out(what="undo", run=done["id"])
    carried_out(what="snapshot", snapshot=backup, in_place=True, only=[shop.name("registrations")])
    carried_out(what="entity-delete", entity="event", key="1")
    carried_out(what="entity-restore", entity="event", key="1", from_snapshot=entity)
    carried_out(what="entity-clone", entity="event", key="1", new_id="902")
    shop.delete("registrations", "event", 902)
    assert shop.rows("registrations") == before
