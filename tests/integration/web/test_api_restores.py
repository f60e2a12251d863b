"""Restores over HTTP: looked at first, done as looked at, told live, taken back; the same request is done once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import httpx2
import pytest
import time_machine
from tests.integration.web.scene import LOST
from tests.integration.web.world import World, over, world_of


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of(tmp_path_factory.mktemp("api")) as made:
        made.scene.back_up("tickets")
        made.scene.back_up("media")
        yield made


@pytest.fixture
def client(world: World) -> Iterator[httpx2.Client]:
    with world.program() as client:
        yield client


def _plan(client: httpx2.Client, **wanted: object) -> dict[str, object]:
    answer = client.post("/api/restore-plans", json=wanted)
    assert answer.status_code == 201, answer.text
    found: dict[str, object] = answer.json()
    assert answer.headers["location"] == f"/api/restore-plans/{found['id']}"
    return found


def _events(world: World) -> int:
    return int(world.scene.execute("select count(*) from events")[0][0])


def test_a_restore_does_what_its_plan_showed_and_can_be_taken_back(world: World, client: httpx2.Client) -> None:
    """Plan, restore, undo: rows of one table."""
    world.scene.execute("delete from attendees where event_id = ?", LOST)
    wanted = {"snapshot": "latest:tickets", "only": ["attendees"], "where": f"event_id = {LOST}"}
    plan = _plan(client, what="snapshot", **wanted)
    assert (plan["kind"], plan["source"], plan["refusals"]) == ("restore", "tickets", [])
    assert plan["preview"]["counts"]["create"] == 20, plan["preview"]["counts"]  # type: ignore[index]
    assert str(plan["command"]).startswith("holdfast restore ")
    assert client.get(f"/api/restore-plans/{plan['id']}").json()["digest"] == plan["digest"]
    answer = client.post("/api/restores", json={"plan": plan["id"], "digest": plan["digest"]})
    assert answer.status_code == 202
    done = over(client, answer.json())
    assert done["status"] == "succeeded", done
    assert world.scene.execute("select count(*) from attendees where event_id = ?", LOST) == [(20,)]
    assert "rows" not in done["result"]
    undone = over(client, client.post(f"/api/restores/{done['id']}/undo").json())
    assert undone["status"] == "succeeded", undone
    assert world.scene.execute("select count(*) from attendees where event_id = ?", LOST) == [(0,)]
    assert {run["kind"] for run in client.get("/api/restores").json()["runs"]} >= {"restore", "undo"}
    deeds = {(act["deed"], act["outcome"]) for act in client.get("/api/audit").json()["acts"]}
    assert {("restore:in-place", "begun"), ("restore:in-place", "ok"), ("restore:undo", "ok")} <= deeds


def test_a_plan_is_refused_when_the_world_changed(world: World, client: httpx2.Client) -> None:
    """What would happen now is not what was shown: 409, and nothing is changed."""
    world.scene.execute("delete from attendees where event_id = 3")
    plan = _plan(client, what="snapshot", snapshot="latest:tickets", only=["attendees"], where="event_id = 3")
    world.scene.execute("insert into attendees values (2, 3, 'somebody@else.example', 0, '2026-11-20')")
    before = world.scene.execute("select * from attendees where event_id = 3")
    answer = client.post("/api/restores", json={"plan": plan["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "plan-changed")
    assert world.scene.execute("select * from attendees where event_id = 3") == before


def test_what_cannot_be_planned_is_refused_with_its_reason(client: httpx2.Client) -> None:
    """No plan is kept; the error is that of the command line."""
    wanted = {"what": "snapshot", "snapshot": "latest:tickets", "only": ["attendees"], "where": "nothing = 1"}
    answer = client.post("/api/restore-plans", json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (422, "usage")
    assert "nothing" in answer.text


def test_a_digest_of_another_plan_is_refused(client: httpx2.Client) -> None:
    """One restores only what one saw."""
    plan = _plan(client, what="snapshot", snapshot="latest:tickets")
    answer = client.post("/api/restores", json={"plan": plan["id"], "digest": "0" * 32})
    assert answer.status_code == 422
    assert client.post("/api/restores", json={"plan": "0" * 32}).status_code == 404


def test_a_restore_into_a_new_place_needs_no_right_in_place(world: World) -> None:
    """restore:new-place is enough for a copy beside, and not for more."""
    with world.program("restore:new-place", "snapshot:read", "status:read") as client:
        plan = _plan(client, what="snapshot", snapshot="latest:tickets")
        done = over(client, client.post("/api/restores", json={"plan": plan["id"]}).json())
        assert (done["status"], done["result"]["verified"]) == ("succeeded", True)
        in_place = {"what": "snapshot", "snapshot": "latest:tickets", "in_place": True}
        assert client.post("/api/restore-plans", json=in_place).status_code == 403
        assert client.post(f"/api/restores/{done['id']}/undo").status_code == 403


def test_row_values_are_shown_to_readers_of_data_only(world: World) -> None:
    """A plan keeps them from everybody else."""
    world.scene.execute("delete from attendees where event_id = 5")
    wanted = {"what": "snapshot", "snapshot": "latest:tickets", "only": ["attendees"], "where": "event_id = 5"}
    with world.program("restore:new-place", "restore:in-place", "snapshot:read") as blind, world.program() as reader:
        hidden, shown = _plan(blind, **wanted), _plan(reader, **wanted)
    assert "@example.org" not in json.dumps(hidden)
    assert "@example.org" in json.dumps(shown)


def test_no_row_value_is_kept_in_the_journal(world: World, client: httpx2.Client) -> None:
    """Plans lie in memory only, also when their request has a key."""
    world.scene.execute("delete from attendees where event_id = 6")
    wanted = {"what": "snapshot", "snapshot": "latest:tickets", "only": ["attendees"], "where": "event_id = 6"}
    first = client.post("/api/restore-plans", json=wanted, headers={"Idempotency-Key": "plan-1"})
    again = client.post("/api/restore-plans", json=wanted, headers={"Idempotency-Key": "plan-1"})
    assert first.json() == again.json()
    assert "guest" in first.text
    kept = [path.read_bytes() for path in (world.scene.folder / "state").rglob("journal.db*")]
    assert kept
    assert all(b"guest" not in each for each in kept)


def test_an_entity_is_planned_deleted_and_brought_back_from_the_trash(world: World, client: httpx2.Client) -> None:
    """Delete is captured first; the trash has it; it comes back whole."""
    plan = _plan(client, what="entity-delete", entity="event", key="20")
    assert plan["preview"]["deleted"] == {"events": 1, "attendees": 20}  # type: ignore[index]
    before = _events(world)
    deleted = over(client, client.delete("/api/entities/event/20").json())
    assert (deleted["status"], _events(world)) == ("succeeded", before - 1)
    (found,) = [each for each in client.get("/api/trash").json()["trash"] if each["key"] == "20"]
    assert (found["entity"], found["rows"]) == ("event", 21)
    back = over(client, client.post(f"/api/trash/{found['id']}/restore").json())
    assert (back["status"], _events(world)) == ("succeeded", before)
    assert client.get("/api/entities/event/20/versions").json()["versions"][0]["of"] == "entity"


def test_an_entity_is_cloned(world: World, client: httpx2.Client) -> None:
    """A second one, with a column of its own."""
    before = _events(world)
    run = client.post("/api/entities/event/30/clone", json={"values": {"name": "Copy of it"}}).json()
    assert over(client, run)["status"] == "succeeded"
    assert world.scene.execute("select count(*) from events where name = 'Copy of it'") == [(1,)]
    assert _events(world) == before + 1


def test_an_unknown_entity_and_an_unknown_trash_are_not_found(client: httpx2.Client) -> None:
    """404 with the nearest names."""
    for path in ("/api/entities/nothing/1/backup", "/api/trash/ffffffffffff/restore"):
        assert client.post(path).status_code == 404


def test_the_same_request_with_the_same_key_is_done_once(world: World, client: httpx2.Client) -> None:
    """Sent again it is answered again; with another body it is refused; for another token it is another key."""
    headers = {"Idempotency-Key": "nightly-2026-11-21"}
    first = client.post("/api/backups", json={"sources": ["tickets"]}, headers=headers)
    over(client, first.json()["runs"][0])
    again = client.post("/api/backups", json={"sources": ["tickets"]}, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    other = client.post("/api/backups", json={"sources": ["media"]}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "key-reused")
    with world.program() as stranger:
        theirs = stranger.post("/api/backups", json={"sources": ["tickets"]}, headers=headers)
        assert theirs.json() != first.json()
        over(stranger, theirs.json()["runs"][0])


def test_a_key_is_forgotten_after_a_day(client: httpx2.Client) -> None:
    """24 hours later the same request is done again."""
    headers = {"Idempotency-Key": "once-a-day"}
    first = client.post("/api/backups?wait=1", json={"sources": ["media"]}, headers=headers).json()
    with time_machine.travel(time.time() + 25 * 3600, tick=True):
        later = client.post("/api/backups?wait=1", json={"sources": ["media"]}, headers=headers).json()
    assert later["backup"]["id"] != first["backup"]["id"]


def test_a_run_is_told_while_it_goes_on(client: httpx2.Client) -> None:
    """Server-sent events: how it stands at once, and the end of it."""
    run = client.post("/api/backups", json={"sources": ["media"]}).json()["runs"][0]
    told: list[dict[str, object]] = []
    with client.stream("GET", f"/api/runs/{run['id']}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told += [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    assert told[-1]["status"] == "succeeded"
    assert {each["id"] for each in told} == {run["id"]}
    lines = client.get(f"/api/runs/{run['id']}/log").json()
    assert lines["next"] is None
    assert [line["number"] for line in lines["lines"]] == list(range(1, len(lines["lines"]) + 1))


def test_listeners_hold_no_thread_each(world: World, client: httpx2.Client) -> None:
    """A hundred open streams cost no hundred threads, and all of them hear of a run."""
    before = threading.active_count()
    heard = threading.Semaphore(0)
    streams = [_listen(world, heard) for _ in range(3)]
    import asyncio

    async def many() -> int:
        async with httpx2.AsyncClient(
            base_url=world.scene.url, headers=dict(client.headers), limits=httpx2.Limits(max_connections=None),
            trust_env=False, timeout=60,
        ) as asynchronous:  # fmt: skip

            async def one() -> None:
                async with asynchronous.stream("GET", "/api/events") as answer:
                    async for line in answer.aiter_lines():
                        if line.startswith("event: run"):
                            return

            waiting = [asyncio.create_task(one()) for _ in range(100)]
            await asyncio.sleep(1.5)
            most = threading.active_count()
            await asynchronous.post("/api/backups?wait=1", json={"sources": ["media"]})
            await asyncio.wait_for(asyncio.gather(*waiting), 20)
            return most

    most = asyncio.run(many())
    for each in streams:
        each.join(20)
    assert most - before < 60, (before, most)


def _listen(world: World, heard: threading.Semaphore) -> threading.Thread:
    def work() -> None:
        with world.program("status:read") as client, client.stream("GET", "/api/events") as answer:
            for line in answer.iter_lines():
                if line.startswith("event: run"):
                    heard.release()
                    return

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_run_that_is_over_cannot_be_stopped(world: World, client: httpx2.Client) -> None:
    """409, and the run stays as it ended."""
    run = world.scene.back_up("media")
    answer = client.post(f"/api/runs/{run.id}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "not-stoppable")


def test_the_system_tells_how_it_stands(client: httpx2.Client) -> None:
    """Status, sources, schedules, alerts, audit: each in its documented shape."""
    status = client.get("/api/status").json()
    assert {each["source"] for each in status["sources"]} == {"tickets", "media"}
    assert client.get("/api/sources/tickets").json()["newest"] is not None
    assert client.get("/api/sources/nothing").status_code == 404
    schedules = client.get("/api/schedules").json()["schedules"]
    assert "daily at 04:20 (UTC)" in {each["words"] for each in schedules}
    assert client.get("/api/alerts").json() == {"alerts": []}
    assert client.get("/api/audit/verify").json()["ok"] is True


def test_a_paused_source_is_told_and_resumed(client: httpx2.Client) -> None:
    """Its schedules begin nothing until somebody lets them go on."""
    assert client.post("/api/sources/tickets/pause").status_code == 200
    assert "tickets" in client.get("/api/schedules").json()["paused"]
    assert client.post("/api/sources/tickets/resume").status_code == 200
    assert client.get("/api/schedules").json()["paused"] == {}


def test_the_repository_is_checked_and_pruned(client: httpx2.Client) -> None:
    """Long work answers 202 with a run."""
    for path in ("/api/checks", "/api/prunes"):
        answer = client.post(path)
        assert answer.status_code == 202
        assert over(client, answer.json())["status"] == "succeeded"


def test_pages_of_the_audit_hold_every_act_once(client: httpx2.Client) -> None:
    """A page ends between entries."""
    whole = [act["id"] for act in client.get("/api/audit?limit=500").json()["acts"]]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = client.get("/api/audit", params=params).json()
        seen += [act["id"] for act in page["acts"]]
        cursor = page["next"]
    assert [each for each in seen if each in whole] == whole
