"""Restoring over the application waits for a second person, over the API."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.integration.web.world import GUARDED, World, world_of


def test_a_restore_in_place_waits_for_another_admin(tmp_path: Path) -> None:
    """Asked by one, refused to them, to a viewer and to their token, granted by another; then it happens, once."""
    with world_of(tmp_path / "world", GUARDED) as world:
        world.scene.back_up("tickets")
        ada, bo, eve = world.person("ada"), world.person("bo"), world.person("eve", "viewer")
        world.scene.lose_an_event()
        own = world.token("restore:in-place", "status:read", owner="ada")
        path, body = "/api/entities/event/42/restore", {"existing": "skip"}
        with world.browser(ada) as client:
            refused = client.post(path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (409, "second-person"), refused.text
            (waiting,) = client.get("/api/consents").json()["consents"]
            assert waiting["asked_by"] == "ada"
            assert client.post(f"/api/consents/{waiting['id']}/grant").json()["code"] == "same-person"
        with world.browser(None, authorization=f"Bearer {own}") as client:
            assert client.post(f"/api/consents/{waiting['id']}/grant").json()["code"] == "same-person"
        with world.browser(eve) as client:
            assert client.get("/api/consents").json()["consents"] == []
            assert client.post(f"/api/consents/{waiting['id']}/grant").status_code == 403
        assert not _event_is_there(world)
        with world.browser(bo) as client:
            assert client.post(f"/api/consents/{waiting['id']}/grant").json()["state"] == "granted"
        with world.browser(ada) as client:
            done = client.post(path, json=body)
            assert done.status_code == 202, done.text
            world.scene.service.work.wait(done.json()["id"], 30)
            assert client.post(path, json=body).status_code == 409
        assert _event_is_there(world)
        assert {"consent:ask", "consent:grant", "consent:use"} <= {each["deed"] for each in world.acts()}


def test_shortened_retention_waits_for_another_admin(tmp_path: Path) -> None:
    """What new rules would drop is held; agreeing to it needs a second person, and fits exactly those snapshots."""
    text = GUARDED.replace("[sources.media]", "keep = {{ last = 2 }}\n\n[sources.media]")
    with world_of(tmp_path / "world", text) as world:
        for _ in range(9):
            world.scene.back_up("tickets")
        shutil.rmtree(world.scene.folder / "repository" / "retention")  # as if they had been others until now
        ada, bo = world.person("ada"), world.person("bo")
        limited = world.token("config", "status:read")
        with world.browser(None, authorization=f"Bearer {limited}") as client:
            body = {"digest": "0" * 32}
            assert client.post("/api/retention/tickets/confirm", json=body).status_code == 403
        with world.browser(ada) as client:
            (held,) = client.get("/api/retention").json()["held"]
            assert (held["source"], held["kept"], len(held["drop"])) == ("tickets", 2, 7)
            wrong = client.post("/api/retention/tickets/confirm", json={"digest": "0" * 32})
            assert wrong.json()["code"] == "plan-changed"
            body = {"digest": held["digest"]}
            assert client.post("/api/retention/tickets/confirm", json=body).json()["code"] == "second-person"
            (waiting,) = client.get("/api/consents").json()["consents"]
            assert waiting["what"] in client.get("/consents").text
            own = client.post(f"/consents/{waiting['id']}", data={"what": "grant"})
            assert own.status_code == 403
        with world.browser(bo) as client:
            assert waiting["what"] in client.get("/consents").text
            assert client.post(f"/consents/{waiting['id']}", data={"what": "grant"}).status_code == 303
        assert _alive(world) == 9
        with world.browser(ada) as client:
            done = client.post("/api/retention/tickets/confirm", json=body)
            assert done.status_code == 202, done.text
            world.scene.service.work.wait(done.json()["id"], 30)
            assert client.get("/api/retention").json()["held"] == []
            forgotten = client.post(f"/api/backups/{held['drop'][0]}/unforget")
            assert forgotten.status_code < 300, forgotten.text
        assert _alive(world) == 3


def _alive(world: World) -> int:
    with world.scene.service.reading() as app:
        return len(app.repository.snapshots())


def _event_is_there(world: World) -> bool:
    return bool(world.scene.execute("select 1 from events where id = 42"))
