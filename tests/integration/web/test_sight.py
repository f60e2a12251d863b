"""Whoever has some of the sources learns nothing of the others, and changes nothing there: by the API and by pages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.integration.web.world import CONFIG, World, world_of

from holdfast.model.audit import Act
from holdfast.model.run import Run
from holdfast.service.recording import Outcome
from holdfast.service.work import Order
from holdfast.system import clock
from holdfast.usecases.audit import note as note_acts
from holdfast.wiring.sections import SCOPES

RESTORES = ("restore:new-place", "restore:in-place", "snapshot:read", "status:read")
ROWS = {"what": "snapshot", "snapshot": "latest:tickets", "in_place": True, "only": ["attendees"], "where": "id < 5"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    text = CONFIG.replace("[serve]", '[serve]\nrestore_to = ["{folder}/restores"]')
    with world_of(tmp_path_factory.mktemp("sight"), text) as made:
        made.scene.back_up("media")
        made.scene.back_up("tickets", name="before-the-fair")
        yield made


@pytest.fixture
def everything(world: World) -> Iterator[httpx2.Client]:
    with world.program() as client:
        yield client


@pytest.fixture
def media(world: World) -> Iterator[httpx2.Client]:
    with world.program(*SCOPES, sources=("media",)) as client:
        yield client


def test_what_is_of_others_is_not_there(world: World, media: httpx2.Client, everything: httpx2.Client) -> None:
    """The same answer, word for word, as for what does not exist; and "latest" is the latest of theirs."""
    theirs = everything.get("/api/backups/latest:tickets").json()["id"]
    plan = everything.post("/api/restore-plans", json=ROWS).json()["id"]
    pairs = [
        (f"/api/backups/{theirs}", f"/api/backups/{theirs[::-1]}"),
        ("/api/backups/before-the-fair", "/api/backups/no-such-label"),
        ("/api/backups/latest:tickets", "/api/backups/latest:nowhere"),
        (f"/api/restore-plans/{plan}", f"/api/restore-plans/{plan[::-1]}"),
        ("/api/entities/event/1/versions", "/api/entities/nothing/1/versions"),
    ]
    for real, none in pairs:
        found, missing = media.get(real), media.get(none)
        assert (found.status_code, missing.status_code) == (404, 404), (real, found.text)
        typed = real.rpartition("/")[2].rpartition(":")[2]
        assert "tickets" not in found.text.replace(typed, "")
    assert media.get("/api/backups/latest").json()["source"] == "media"
    undo = media.post("/api/restore-plans", json={"what": "undo", "run": plan})
    assert (undo.status_code, "tickets" in undo.text) == (422, False)


def test_keys_of_one_source_tell_of_those_alone(world: World, media: httpx2.Client) -> None:
    """Tokens, people and sessions with more reach are neither told nor touched."""
    whole = world.person("whole")
    world.person("half")
    world.gate.people.change("half", "admin", ("media",))
    own = world.gate.sessions.open("half", "", "")
    assert all(each["sources"] == ["media"] for each in media.get("/api/tokens").json()["tokens"])
    assert [each["name"] for each in media.get("/api/people").json()["people"]] == ["half"]
    with world.browser(own) as half:
        assert {each["person"] for each in half.get("/api/sessions").json()["sessions"]} == {"half"}
        assert half.delete(f"/api/sessions/{whole.session.id}").status_code == 404
        assert half.delete("/api/people/whole").status_code == 404
        world.gate.register.change("update sessions set confirmed_at = '' where id = ?", own.session.id)
        other = world.gate.sessions.open("half", "", "")
        assert half.delete(f"/api/sessions/{other.session.id}").status_code == 200
    assert world.gate.sessions.all("whole") != []


def test_pages_tell_no_more_than_the_api(world: World) -> None:
    """Settings, alerts, audit, consents and plans, to an admin of media alone: nothing names the other source."""
    world.person("max")
    world.gate.people.change("max", "admin", ("media",))
    note(world, 3, source="", deed="quiet")
    world.scene.service.pause("tickets", "ada")
    with world.browser(world.gate.sessions.open("max", "", "")) as client:
        pages = {path: client.get(path) for path in ("/settings", "/alerts", "/audit", "/consents", "/trash", "/runs")}
    world.scene.service.resume("tickets")
    assert {path: each.status_code for path, each in pages.items() if each.status_code != 200} == {}
    told = {path: each.text.partition("tickets")[0][-120:] for path, each in pages.items() if "tickets" in each.text}
    assert told == {}
    assert "a thing that happened" not in pages["/audit"].text


def test_nobody_stops_what_is_not_theirs(world: World, media: httpx2.Client) -> None:
    """A run of the whole repository, by the API or by the form: it is not there, and goes on."""
    stopped: list[str] = []

    def work(_app: Any, _report: Any, run: Run) -> Outcome:
        while not stopped:
            time.sleep(0.02)
        return Outcome()

    run = world.scene.service.start(Order(kind="check", work=work))
    try:
        answers = [media.post(f"/api/runs/{run.id}/cancel"), media.post(f"/runs/{run.id}/stop")]
    finally:
        stopped.append("")
    found = world.scene.service.work.wait(run.id, 10)
    assert [each.status_code for each in answers] == [404, 404]
    assert found is not None
    assert found.status == "succeeded"


def test_a_restore_is_stopped_by_who_may_restore(world: World) -> None:
    """backup:run alone stops no restore."""
    run = world.scene.service.start(Order(kind="restore", work=lambda *_: Outcome(), sources=("tickets",)))
    with world.program("backup:run", "status:read") as client:
        assert client.post(f"/api/runs/{run.id}/cancel").status_code == 403
    world.scene.service.work.wait(run.id, 10)


def test_a_pin_is_taken_away_by_who_may_delete(world: World, everything: httpx2.Client) -> None:
    """An operator pins by the form of the page, and cannot unpin by it."""
    backup = everything.get("/api/backups/latest:tickets").json()["id"]
    with world.browser(world.person("olga", "operator")) as olga:
        assert olga.post(f"/backups/{backup}/pin", data={"pinned": "yes"}).status_code == 303
        assert olga.post(f"/backups/{backup}/pin", data={"pinned": "no"}).status_code == 403
    assert everything.get(f"/api/backups/{backup}").json()["pinned"] is True
    assert everything.post(f"/api/backups/{backup}/unpin").status_code == 200


def test_a_plan_shows_rows_to_who_may_read_data_and_that_is_noted(world: World, everything: httpx2.Client) -> None:
    """By the API and by the page; who may only restore sees counts, and a plan that failed is not told to others."""
    world.scene.execute("update attendees set email = 'changed@example.org' where id < 5")
    before = len(world.acts())
    plan = everything.post("/api/restore-plans", json={**ROWS, "overwrite": True}).json()
    assert "guest1@example.org" in str(plan["preview"])
    everything.get(f"/api/restore-plans/{plan['id']}")
    looks = [each for each in world.acts()[: len(world.acts()) - before] if each["deed"] == "data:read"]
    assert len(looks) == 1
    with world.program(*RESTORES) as blind:
        page, told = blind.get(f"/plans/{plan['id']}"), blind.get(f"/api/restore-plans/{plan['id']}")
    assert (page.status_code, told.status_code) == (200, 200)
    assert "guest1@example.org" not in page.text + told.text
    failed = everything.post("/api/restore-plans", json={**ROWS, "where": "no_such_column = 'secret'"})
    assert failed.status_code >= 400
    run = everything.get("/api/runs?kind=plan&limit=1").json()["runs"][0]["id"]
    with world.program("status:read", sources=("media",)) as stranger:
        assert stranger.get(f"/plans/{run}").status_code == 404


def test_the_trash_tells_keys_to_who_may_read_data_and_that_is_noted(world: World, everything: httpx2.Client) -> None:
    """The others learn that an event was deleted, and how much; not which."""
    run = everything.delete("/api/entities/event/33").json()
    world.scene.service.work.wait(run["id"], 30)
    (told,) = everything.get("/api/trash").json()["trash"]
    assert (told["entity"], told["key"], bool(told["title"])) == ("event", "33", True)
    assert world.acts()[0]["what"] == "the trash"
    with world.program("snapshot:read", "status:read") as viewer:
        (told,) = viewer.get("/api/trash").json()["trash"]
        assert (told["entity"], told["key"], told["title"]) == ("event", "", None)
        assert "Spring" not in viewer.get("/trash").text


def test_a_plan_is_carried_out_by_who_may(world: World, everything: httpx2.Client) -> None:
    """Whoever knows the id of a plan does not have the right that its deed needs."""
    plan = everything.post("/api/restore-plans", json=ROWS).json()["id"]
    vera, blind = world.person("vera", "viewer"), world.token("restore:new-place", "snapshot:read", "status:read")
    before = world.state()
    with world.browser(vera) as viewer, world.program(token=blind) as program:
        assert viewer.post(f"/plans/{plan}").status_code == 403
        assert program.post("/api/restores", json={"plan": plan}).status_code == 403
    assert world.state() == before


def test_every_way_asks_for_the_source_too(world: World, media: httpx2.Client, everything: httpx2.Client) -> None:
    """Rights for one source open neither rows, nor downloads, nor schedules of another."""
    backup = everything.get("/api/backups/latest:tickets").json()["id"]
    for path in ("tables", "rows?item=events", "download?item=events", "changes", "items"):
        assert media.get(f"/backups/{backup}/{path}").status_code >= 400, path
    assert media.post("/settings/schedules/tickets", data={"what": "pause"}).status_code >= 400
    assert media.post("/api/sources/tickets/pause").status_code == 404
    assert world.scene.service.paused() == {}


def test_a_restore_goes_where_it_may(world: World, everything: httpx2.Client) -> None:
    """A place of one's own choice is for those who may restore and read everything, unless it is configured."""
    wanted = {"what": "snapshot", "snapshot": "latest:media", "to": str(world.scene.folder / ".ssh")}
    with world.program("restore:new-place", "snapshot:read") as client:
        assert client.post("/api/restore-plans", json=wanted).status_code == 403
        beside = {"what": "snapshot", "snapshot": "latest:media"}
        assert client.post("/api/restore-plans", json=beside).status_code == 201
        inside = {**wanted, "to": str(world.scene.folder / "restores" / "one")}
        assert client.post("/api/restore-plans", json=inside).status_code == 201
        out = {**wanted, "to": str(world.scene.folder / "restores" / ".." / ".ssh")}
        assert client.post("/api/restore-plans", json=out).status_code == 403
        for to in ("postgresql://u:tickets.db@h/x", "mongodb://u:tickets.db@h/x", "files://u:tickets.db@h/x"):
            assert client.post("/api/restore-plans", json={**wanted, "to": to}).status_code in (403, 422)
        assert world.scene.service.configuration.around.redactor.clean("tickets.db") == "tickets.db"
    with world.program(*SCOPES, sources=("tickets",)) as client:
        other = {**ROWS, "in_place": False, "to": f"sqlite:{world.scene.folder}/accounts.db"}
        assert client.post("/api/restore-plans", json=other).status_code == 403


def test_pages_of_the_audit_trail_miss_nothing(world: World, everything: httpx2.Client) -> None:
    """Also where one entry holds more acts than a page, by the API and by the page."""
    note(world, 120)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = everything.get("/api/audit", params={"limit": 50, "deed": "test", **more}).json()
        seen += [each["id"] for each in page["acts"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert (len(seen), len(set(seen))) == (120, 120)
    path, shown = "/audit?deed=test", 0
    with world.browser(world.person("auditor")) as client:
        while path:
            text = client.get(path).text
            shown += text.count("a thing that happened")
            _, found, rest = text.partition("/audit?deed=test&amp;before=")
            cursor = rest.partition('"')[0]
            path = f"/audit?deed=test&before={cursor}" if found else ""
    assert shown == 120


def note(world: World, number: int, source: str = "tickets", deed: str = "test") -> None:
    """Acts as the doors carry them: many in one entry."""
    act = Act(at=clock.stamp(), deed=deed, who="ada", via="api", what="a thing that happened", source=source)
    with world.scene.service.reading() as app:
        note_acts(app.repository, *[act] * number)
