"""Rights that a route can ask for only once it knows what it is about: requests as they are really sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from tests.integration.web.world import CONFIG, World, over, world_of

from holdfast.wiring.sections import SCOPES

_ROWS = {"what": "snapshot", "snapshot": "latest:tickets", "in_place": True, "only": ["attendees"], "where": "id < 5"}


@dataclass(frozen=True)
class Theirs:
    """What there is of tickets. ``restored``: a run that restored some of it."""

    world: World
    backup: str
    run: str
    plan: str
    restored: str


@pytest.fixture(scope="module")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    with world_of(tmp_path_factory.mktemp("within"), CONFIG) as world:
        run = world.scene.back_up("tickets")
        world.scene.back_up("media")
        world.person("somebody")
        with world.program() as root:
            done = root.post("/api/restores", json={"plan": root.post("/api/restore-plans", json=_ROWS).json()["id"]})
            restored = over(root, done.json())["id"]
            world.scene.execute("delete from attendees where id = 3")
            plan = root.post("/api/restore-plans", json=_ROWS).json()["id"]
            backup = root.get("/api/backups/latest:tickets").json()["id"]
        yield Theirs(world, backup, run.id, plan, restored)


def _requests(of: Theirs) -> list[tuple[str, dict[str, Any]]]:
    """POSTs with everything in them that a route needs to go on."""
    row = {"snapshot": of.backup, "item": "attendees", "key": "3"}
    return [
        (f"/plans/{of.plan}", {"data": {"typed": "tickets"}}),
        ("/api/restores", {"json": {"plan": of.plan}}),
        ("/api/restore-plans", {"json": _ROWS}),
        ("/api/restore-plans", {"json": {"what": "entity-delete", "entity": "event", "key": "1"}}),
        ("/api/restore-plans", {"json": {"what": "undo", "run": of.restored}}),
        ("/settings/schedules/tickets", {"data": {"what": "pause"}}),
        ("/api/sources/tickets/pause", {}),
        ("/restore", {"data": {"snapshot": of.backup, "where": "place"}}),
        ("/explore/restore", {"data": row}),
        (f"/undo/{of.restored}", {"data": {}}),
        (f"/api/restores/{of.restored}/undo", {}),
        (f"/backups/{of.backup}/pin", {"data": {"pin": "yes"}}),
        (f"/backups/{of.backup}/forget", {"data": {}}),
        (f"/api/backups/{of.backup}/restore", {"json": {"dryRun": False}}),
        ("/sources/tickets/backup", {"data": {}}),
        ("/api/backups", {"json": {"sources": ["tickets"]}}),
        ("/api/entities/event/1/backup", {"json": {}}),
        ("/api/entities/event/1/clone", {"json": {}}),
        ("/api/retention/tickets/confirm", {"json": {"digest": "0" * 32}}),
        ("/api/tokens", {"json": {"name": "wide", "scopes": ["status:read"], "sources": ["tickets"]}}),
        ("/api/tokens", {"json": {"name": "all", "scopes": ["status:read"]}}),
    ]  # fmt: skip


def _looks(of: Theirs) -> list[str]:
    at = f"/backups/{of.backup}"
    return [
        at, f"{at}/tables", f"{at}/rows?item=events", f"{at}/download?item=events", f"{at}/changes",
        f"/api{at}/rows?item=events", f"/plans/{of.plan}", f"/api/restore-plans/{of.plan}", f"/runs/{of.run}",
        "/explore?source=tickets&item=events&key=1", "/explore?entity=event&key=1",
        "/api/sources/tickets/versions?item=events&key=1", "/api/entities/event/1/versions",
    ]  # fmt: skip


def _not_refused(client: httpx2.Client, sent: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [f"{path}: {found.status_code}" for path, body in sent
            if (found := client.post(path, **body)).status_code not in (403, 404, 422)]  # fmt: skip


def test_whoever_has_every_right_on_another_source_does_nothing_to_this_one(tickets: Theirs) -> None:
    """Complete requests, so that nothing but the right is missing: refused, and nothing is changed."""
    with tickets.world.program(*SCOPES, sources=("media",)) as client:
        before = tickets.world.state()
        assert _not_refused(client, _requests(tickets)) == []
    assert tickets.world.state() == before


def test_the_same_requests_are_good_ones(tickets: Theirs) -> None:
    """With the right they are not refused as malformed: the test above is one of rights."""
    with tickets.world.program() as client:
        tried = [
            ("/api/restore-plans", {"json": _ROWS}), ("/settings/schedules/tickets", {"data": {"what": "resume"}}),
            ("/api/sources/tickets/resume", {}),
        ]  # fmt: skip
        assert {client.post(path, **body).status_code for path, body in tried} <= {200, 201, 303}
        assert [path for path in _looks(tickets) if client.get(path).status_code not in (200, 404)] == []


def test_whoever_has_every_right_on_another_source_sees_nothing_of_this_one(tickets: Theirs) -> None:
    """Neither tables, nor rows, nor files, nor plans."""
    with tickets.world.program(*SCOPES, sources=("media",)) as client:
        found = {path: client.get(path) for path in _looks(tickets)}
    assert [path for path, each in found.items() if each.status_code not in (403, 404)] == []
    assert [path for path, each in found.items() if "Spring" in each.text or "guest" in each.text] == []


@pytest.mark.parametrize("scopes", [("status:read",), ("status:read", "restore:new-place", "snapshot:read")])
def test_a_plan_is_carried_out_with_the_right_its_deed_needs(tickets: Theirs, scopes: tuple[str, ...]) -> None:
    """To know the id of a plan is not enough, by a page or the API."""
    with tickets.world.program(*scopes) as client:
        before = tickets.world.state()
        assert client.post(f"/plans/{tickets.plan}", data={"typed": "tickets"}).status_code == 403
        assert client.post("/api/restores", json={"plan": tickets.plan}).status_code == 403
    assert tickets.world.state() == before


def test_a_run_is_stopped_with_the_right_to_begin_the_like(tickets: Theirs) -> None:
    """A backup by who may back up; a restore by who may restore; whether it runs still or not."""
    stops = [f"/api/runs/{tickets.restored}/cancel", f"/runs/{tickets.restored}/stop"]
    with tickets.world.program("status:read", "backup:run") as client:
        assert [client.post(path).status_code for path in stops] == [403, 403]
        assert client.post(f"/api/runs/{tickets.run}/cancel").status_code == 409
    with tickets.world.program("status:read", "backup:run", sources=("media",)) as client:
        assert client.post(f"/api/runs/{tickets.run}/cancel").status_code == 404
