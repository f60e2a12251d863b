"""Restoring over the application waits for a second person, over the API."""

from __future__ import annotations

from pathlib import Path

from tests.integration.web.security_world import Guarded, guarded


def test_a_restore_in_place_waits_for_another_admin(tmp_path: Path) -> None:
    """Asked by one, refused to them, to a viewer and to their token, granted by another; then it happens, once."""
    with guarded(tmp_path / "world") as world:
        world.scene.back_up("tickets")
        ada, bo, eve = world.person("ada"), world.person("bo"), world.person("eve", "viewer")
        world.scene.lose_an_event()
        own = world.token("restore:in-place", "status:read", owner="ada")
        path, body = "/api/entities/event/42/restore", {"existing": "skip"}
        with world.client(ada) as client:
            refused = client.post(path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (409, "second-person"), refused.text
            (waiting,) = client.get("/api/consents").json()["consents"]
            assert waiting["asked_by"] == "ada"
            assert client.post(f"/api/consents/{waiting['id']}/grant").json()["code"] == "same-person"
        with world.client(None, authorization=f"Bearer {own}") as client:
            assert client.post(f"/api/consents/{waiting['id']}/grant").json()["code"] == "same-person"
        with world.client(eve) as client:
            assert client.get("/api/consents").json()["consents"] == []
            assert client.post(f"/api/consents/{waiting['id']}/grant").status_code == 403
        assert not _event_is_there(world)
        with world.client(bo) as client:
            assert client.post(f"/api/consents/{waiting['id']}/grant").json()["state"] == "granted"
        with world.client(ada) as client:
            done = client.post(path, json=body)
            assert done.status_code == 202, done.text
            world.scene.service.work.wait(done.json()["id"], 30)
            assert client.post(path, json=body).status_code == 409
        assert _event_is_there(world)
        assert {"consent:ask", "consent:grant", "consent:use"} <= {each["deed"] for each in world.acts()}


def _event_is_there(world: Guarded) -> bool:
    return bool(world.scene.execute("select 1 from events where id = 42"))
