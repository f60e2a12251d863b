"""What needs a second person is not begun by one alone, whichever way it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.web.world import CONFIG, World, over, world_of

from holdfast.web.security.people import Newcomer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    text = CONFIG.replace("[serve]", '[serve]\nsecond_person = ["restore:in-place"]')
    with world_of(tmp_path_factory.mktemp("api"), text) as made:
        made.scene.back_up("tickets")
        for name in ("anna", "ben"):
            made.gate.people.add(
                Newcomer(name=name, password="correct horse battery", role="admin", vouched_by="machine:test")
            )
        yield made


def test_every_way_into_the_application_waits_for_consent(world: World) -> None:
    """Plans, undo, entities, trash and the old restore: 409 second-person, and nothing is changed."""
    with world.program(owner="anna") as anna:
        backup = anna.get("/api/backups/latest:tickets").json()["id"]
        world.scene.execute("delete from attendees where event_id = 8")
        wanted = {"what": "snapshot", "snapshot": backup, "only": ["attendees"], "where": "event_id = 8"}
        plan = anna.post("/api/restore-plans", json=wanted).json()
        asked = [
            anna.post("/api/restores", json={"plan": plan["id"]}),
            anna.post("/api/entities/event/8/restore", json={"existing": "skip"}),
            anna.post("/api/entities/event/8/clone"),
            anna.post(f"/api/backups/{backup}/restore", json={}),
        ]
        assert [each.status_code for each in asked] == [409] * 4
        assert {each.json()["code"] for each in asked} == {"second-person"}
        assert world.scene.execute("select count(*) from attendees where event_id = 8") == [(0,)]
        consent = asked[0].json()["where"]
        with world.browser(world.gate.sessions.open("ben", "127.0.0.1", "a test")) as ben:
            assert ben.post(f"/api/consents/{consent}/grant").status_code == 200
        done = anna.post("/api/restores", json={"plan": plan["id"]})
        assert over(anna, done.json())["status"] == "succeeded"
        assert world.scene.execute("select count(*) from attendees where event_id = 8") == [(20,)]


def test_a_dry_run_the_old_way_needs_nobody(world: World) -> None:
    """Looking changes nothing."""
    with world.program(owner="anna") as anna:
        assert anna.post("/api/backups/latest:tickets/restore", json={"dryRun": True}).json()["success"] is True
