"""Backups over HTTP: taken, listed, looked into, forgotten and brought back."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from tests.integration.web.world import World, over, world_of

from holdfast.web.api import paging


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of(tmp_path_factory.mktemp("api")) as made:
        for _ in range(4):
            made.scene.back_up("tickets")
        made.scene.back_up("media")
        yield made


@pytest.fixture
def client(world: World) -> Iterator[httpx2.Client]:
    with world.program() as client:
        yield client


def test_a_backup_answers_at_once_with_a_run_for_each_source(world: World, client: httpx2.Client) -> None:
    """202, Location of the run, and a snapshot when it is over."""
    answer = client.post("/api/backups", json={"sources": ["tickets", "media"], "name": "before-the-fair"})
    assert answer.status_code == 202
    runs = answer.json()["runs"]
    assert [run["sources"] for run in runs] == [["tickets"], ["media"]]
    assert answer.headers["location"] == f"/api/runs/{runs[0]['id']}"
    done = [over(client, run) for run in runs]
    assert [run["status"] for run in done] == ["succeeded", "succeeded"]
    made = client.get(f"/api/backups/{done[0]['snapshots'][0]}").json()
    assert (made["source"], made["name"], made["trigger"]) == ("tickets", "before-the-fair", "api")
    assert {table["name"]: table["rows"] for table in made["tables"]}["events"] == 120


def test_pages_of_backups_hold_each_once_while_others_are_made(world: World, client: httpx2.Client) -> None:
    """A cursor stays where it was although newer snapshots come in front of it."""
    expected = [each["id"] for each in client.get("/api/backups", params={"source": "tickets"}).json()["backups"]]
    first = client.get("/api/backups", params={"source": "tickets", "limit": 2}).json()
    assert first["total"] == len(expected)
    world.scene.back_up("tickets")
    seen, cursor = [each["id"] for each in first["backups"]], first["next"]
    while cursor:
        page = client.get("/api/backups", params={"source": "tickets", "limit": 2, "cursor": cursor}).json()
        seen += [each["id"] for each in page["backups"]]
        cursor = page["next"]
    assert seen == expected


def test_filters_choose_backups(client: httpx2.Client) -> None:
    """By source, by trigger, by time."""
    assert {each["source"] for each in client.get("/api/backups?source=media").json()["backups"]} == {"media"}
    assert client.get("/api/backups?trigger=cron").json()["total"] == 0
    assert client.get("/api/backups?until=2020").json()["total"] == 0
    far = client.get("/api/backups/latest:media/items", params={"cursor": paging.cursor(10**30)})
    assert far.status_code == 422
    unknown = client.get("/api/backups?cursor=nonsense")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "usage")


@pytest.mark.parametrize("path", ["/api/backups", "/api/runs", "/api/audit"])
def test_times_are_understood_or_refused(client: httpx2.Client, path: str) -> None:
    """ISO 8601 with any zone, beginnings of it, "36h"; what is no time is 422, never an empty list."""
    name = path.rpartition("/")[2].replace("audit", "acts")
    client.get("/api/backups/latest:tickets/rows?item=events&limit=1")  # an act
    for since in ("36h", "30d", "2 hours ago", "2026-01", "2026", "2026-11-01T00:00:00+09:00"):
        assert client.get(path, params={"since": since}).json()[name] != [], since
    assert client.get(path, params={"since": "2999"}).json()[name] == []
    for wrong in ("bogus", "yesterday", "2026-13", "10:00"):
        refused = client.get(path, params={"since": wrong})
        assert (refused.status_code, refused.json()["code"]) == (422, "usage"), wrong


def test_the_rules_are_followed_as_a_plan_showed(world: World, client: httpx2.Client) -> None:
    """Each snapshot is told why it stays or goes; exactly that is done, once noted; without delete it is refused."""
    made = [each for _ in range(5) for each in world.scene.back_up("media").snapshots]
    wanted = {"what": "retention", "source": "media"}
    plan = client.post("/api/restore-plans", json=wanted).json()
    assert plan["command"] == "holdfast forget --policy media"
    gone, told = plan["preview"]["forgotten"], plan["preview"]["decisions"]
    assert set(made[2:]).isdisjoint(gone)
    assert {each["words"].partition(":")[0] for each in told if each["snapshot"] in gone} == {"dropped"}
    with world.program("restore:new-place", "snapshot:read") as other:
        assert other.post("/api/restore-plans", json=wanted).status_code == 403
    done = over(client, client.post("/api/restores", json={"plan": plan["id"], "digest": plan["digest"]}).json())
    assert (done["status"], done["result"]["forgotten"]) == ("succeeded", gone)
    left = [each["id"] for each in client.get("/api/backups?source=media").json()["backups"]]
    assert (len(left), left[0]) == (3, made[-1])
    noted = client.get("/api/audit?deed=delete&source=media").json()["acts"]
    assert [each["outcome"] for each in noted] == ["ok", "begun"]


def test_an_unknown_backup_is_a_problem_with_a_code(client: httpx2.Client) -> None:
    """404 as application/problem+json, with what to do."""
    answer = client.get("/api/backups/no-such-thing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert (answer.json()["code"], answer.json()["hint"] != "") == ("not-found", True)


def test_items_are_paged(client: httpx2.Client) -> None:
    """Every file of a snapshot, a page at a time."""
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 15, **({"cursor": cursor} if cursor else {})}
        page = client.get("/api/backups/latest:media/items", params=params).json()
        seen += [each["name"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len([name for name in seen if name.startswith("poster-")]) == 40
    assert len(seen) == len(set(seen))


def test_a_deleted_backup_can_be_brought_back(world: World, client: httpx2.Client) -> None:
    """DELETE forgets softly; it is listed as forgotten and unforget brings it back."""
    (snapshot,) = world.scene.back_up("tickets").snapshots
    gone = client.delete(f"/api/backups/{snapshot}")
    assert (gone.status_code, gone.json()["success"]) == (200, True)
    assert client.get(f"/api/backups/{snapshot}").status_code == 404
    assert snapshot in {each["id"] for each in client.get("/api/backups?forgotten=true").json()["backups"]}
    assert client.post(f"/api/backups/{snapshot}/unforget").status_code == 200
    assert client.get(f"/api/backups/{snapshot}").status_code == 200


def test_a_pinned_backup_is_not_deleted(world: World, client: httpx2.Client) -> None:
    """A pin holds until it is taken away."""
    (snapshot,) = world.scene.back_up("tickets").snapshots
    assert client.post(f"/api/backups/{snapshot}/pin").status_code == 200
    assert client.get(f"/api/backups/{snapshot}").json()["pinned"] is True
    refused = client.delete(f"/api/backups/{snapshot}")
    assert (refused.status_code, refused.json()["code"]) == (422, "usage")
    assert client.post(f"/api/backups/{snapshot}/unpin").status_code == 200
    assert client.delete(f"/api/backups/{snapshot}").status_code == 200


def test_a_token_of_one_source_sees_and_touches_no_other(world: World) -> None:
    """Lists are filtered, single things are refused, nothing is begun."""
    with world.program(sources=("media",)) as client:
        assert {each["source"] for each in client.get("/api/backups").json()["backups"]} == {"media"}
        assert client.get("/api/backups/latest:tickets").status_code == 404
        assert client.get("/api/backups/latest:tickets/rows?item=events").status_code == 404
        assert client.post("/api/backups", json={"sources": ["tickets"]}).status_code == 403
        assert client.post("/api/backups", json={}).status_code == 403
        assert {each["source"] for each in client.get("/api/sources").json()["sources"]} == {"media"}
        assert all(run["sources"] == ["media"] for run in client.get("/api/runs").json()["runs"])
        assert client.get("/api/sources/tickets/versions?item=events&key=1").status_code == 404


def test_rows_are_found_by_key_by_condition_and_browsed(world: World, client: httpx2.Client) -> None:
    """A look inside needs no restore, and is in the audit trail."""
    one = client.get("/api/backups/latest:tickets/rows", params={"item": "events", "key": "42"}).json()
    assert [row["id"] for row in one["rows"]] == [42]
    some = client.get("/api/backups/latest:tickets/rows", params={"item": "events", "where": "id <= 3"}).json()
    assert [row["id"] for row in some["rows"]] == [1, 2, 3]
    first = client.get("/api/backups/latest:tickets/rows", params={"item": "events", "limit": 5}).json()
    assert (len(first["rows"]), first["more"]) == (5, True)
    acts = client.get("/api/audit?deed=data:read").json()["acts"]
    assert acts[0]["what"] == "rows of events"
    assert acts[0]["who"].startswith("token:")


def test_versions_of_a_row_are_told(world: World, client: httpx2.Client) -> None:
    """Each state with its snapshots, and the living one."""
    world.scene.execute("update events set status = 'cancelled' where id = 7")
    found = client.get("/api/sources/tickets/versions", params={"item": "events", "key": "7", "live": True}).json()
    assert [version["status"] for version in found["versions"]] == ["added", "changed"]
    assert found["versions"][1]["snapshot"] == "live"
    assert found["versions"][1]["changed"]["status"] == ["published", "cancelled"]


def test_a_busy_source_is_told(world: World, client: httpx2.Client) -> None:
    """A second backup of a source that is at it is 409, not a second run."""
    answers = [client.post("/api/backups", json={"sources": ["tickets"]}) for _ in range(6)]
    assert {each.status_code for each in answers} <= {202, 409}
    assert all(each.json()["code"] == "busy" for each in answers if each.status_code == 409)
    for each in answers:
        if each.status_code == 202:
            over(client, each.json()["runs"][0])
