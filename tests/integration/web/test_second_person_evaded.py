"""Nobody is their own second person, by whatever way round; and a consent is for one deed, once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.integration.web.world import GUARDED, RIGHT, World, over, world_of

PATH, BODY = "/api/entities/event/42/restore", {"existing": "skip"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    text = GUARDED.replace('"retention"]', '"delete", "retention"]')
    with world_of(tmp_path_factory.mktemp("evaded"), text) as made:
        made.scene.back_up("tickets")
        for name in ("anna", "ben"):
            made.person(name)
        yield made


@pytest.fixture
def anna(world: World) -> Iterator[httpx2.Client]:
    with _as(world, "anna") as client:
        yield client


@pytest.fixture
def ben(world: World) -> Iterator[httpx2.Client]:
    with _as(world, "ben") as client:
        yield client


def _as(world: World, name: str) -> httpx2.Client:
    return world.browser(world.gate.sessions.open(name, "127.0.0.1", "a test"))


def _waiting(client: httpx2.Client, **body: Any) -> str:
    answer = client.post(PATH, json={**BODY, **body})
    assert (answer.status_code, answer.json()["code"]) == (409, "second-person")
    return str(answer.json()["where"])


def _granted(client: httpx2.Client, consent: str) -> str:
    answer = client.post(f"/api/consents/{consent}/grant")
    return str(answer.json().get("state") or answer.json()["code"])


def test_whoever_rotates_a_token_answers_for_it(world: World, anna: httpx2.Client) -> None:
    """Another's token in one's own hands is one's own, so it cannot agree to one's wish."""
    world.token("restore:in-place", "status:read", owner="ben")
    name = world.gate.tokens.all()[-1].id
    made = anna.post(f"/api/tokens/{name}/rotate", json={}).json()
    assert made["owner"] == "anna"
    with world.program(token=made["secret"]) as program:
        assert _granted(program, _waiting(anna)) == "same-person"


def test_a_program_agrees_to_nothing(world: World, anna: httpx2.Client) -> None:
    """Not even with a token of another person: a consent is given by somebody who is logged in."""
    with world.program(owner="ben") as program:
        assert _granted(program, _waiting(anna)) == "same-person"


def test_nobody_makes_their_own_second_person(world: World, anna: httpx2.Client, ben: httpx2.Client) -> None:
    """Not by an account that an account of theirs made, nor through one that is gone; nor do two such agree."""
    consent = _waiting(anna)
    _made(anna, "carl")
    with _as(world, "carl") as carl:
        _made(carl, "dora")
        _made(carl, "emil")
        assert _granted(carl, consent) == "same-person"
    assert ben.delete("/api/people/carl").status_code == 200
    with _as(world, "dora") as dora, _as(world, "emil") as emil:
        assert _granted(dora, consent) == "same-person"
        assert _granted(emil, _waiting(dora, create_parents=True)) == "same-person"
    assert _granted(ben, consent) == "granted"


def test_a_password_made_at_the_machine_makes_somebody_their_own(world: World, anna: httpx2.Client) -> None:
    """Whoever made the account does not know it any more."""
    _made(anna, "fay")
    world.gate.people.set_password("fay", RIGHT, by="machine:root")
    with _as(world, "fay") as fay:
        assert _granted(fay, _waiting(anna, drop_columns=True)) == "granted"


def _made(client: httpx2.Client, name: str) -> None:
    answer = client.post("/api/people", json={"name": name, "password": RIGHT, "role": "admin"})
    assert answer.status_code == 201, answer.text


def test_a_consent_fits_one_plan_and_no_other(anna: httpx2.Client, ben: httpx2.Client) -> None:
    """Another entity, or other values, is another deed; whoever agrees sees which."""
    plans = [_plan(anna, key="5"), _plan(anna, key="25"), _plan(anna, key="5", values={"name": "MALLORY"})]
    assert len({each["digest"] for each in plans}) == 3
    consent = anna.post("/api/restores", json={"plan": plans[0]["id"]}).json()["where"]
    (told,) = [each for each in ben.get("/api/consents").json()["consents"] if each["id"] == consent]
    assert (told["what"], told["command"]) == ("copy of event 5 within tickets", "holdfast entity clone event 5")
    assert _granted(ben, consent) == "granted"
    for other in plans[1:]:
        assert anna.post("/api/restores", json={"plan": other["id"]}).json()["code"] == "second-person"


def _plan(client: httpx2.Client, **wanted: Any) -> dict[str, Any]:
    made = client.post("/api/restore-plans", json={"what": "entity-clone", "entity": "event", **wanted})
    assert made.status_code == 201, made.text
    return dict(made.json())


def test_a_consent_is_not_used_up_by_what_did_not_begin(
    world: World, anna: httpx2.Client, ben: httpx2.Client
) -> None:
    """Neither by a source that is busy, nor by a world that is not as the plan saw it."""
    world.scene.execute("delete from attendees where event_id = 9")
    wanted = {"what": "snapshot", "snapshot": "latest:tickets", "only": ["attendees"], "where": "event_id = 9"}
    plan = anna.post("/api/restore-plans", json=wanted).json()
    consent = anna.post("/api/restores", json={"plan": plan["id"]}).json()["where"]
    assert _granted(ben, consent) == "granted"
    keys = world.scene.service.work._keys
    keys["write:tickets"] = "another run"
    assert anna.post("/api/restores", json={"plan": plan["id"]}).json()["code"] == "busy"
    del keys["write:tickets"]
    assert _state(anna, consent) == "granted"
    world.scene.execute("insert into attendees values (8, 9, 'new@example.org', 1, '2026-10-01')")
    assert anna.post("/api/restores", json={"plan": plan["id"]}).json()["code"] == "plan-changed"
    assert _state(anna, consent) == "granted"
    world.scene.execute("delete from attendees where event_id = 9")
    done = anna.post("/api/restores", json={"plan": plan["id"]})
    assert over(anna, done.json())["status"] == "succeeded"
    assert _state(anna, consent) == "used"


def test_deleting_needs_a_second_person_too(world: World, anna: httpx2.Client, ben: httpx2.Client) -> None:
    """An entity, a snapshot, the freed space: nothing is deleted by one alone, by the API or by a form."""
    before, backup = world.state(), anna.get("/api/backups/latest:tickets").json()["id"]
    asked = [
        anna.delete("/api/entities/event/17"), anna.delete(f"/api/backups/{backup}"), anna.post("/api/prunes"),
    ]  # fmt: skip
    assert [(each.status_code, each.json()["code"]) for each in asked] == [(409, "second-person")] * 3
    wanted = {"what": "entity-delete", "entity": "event", "key": "17"}
    plan = anna.post("/api/restore-plans", json=wanted).json()["id"]
    assert anna.post(f"/plans/{plan}").status_code == 409
    assert world.scene.execute("select count(*) from events where id = 17") == [(1,)]
    assert _granted(ben, asked[1].json()["where"]) == "granted"
    assert anna.delete(f"/api/backups/{backup}").status_code == 200
    assert world.state() != before


def _state(client: httpx2.Client, consent: str) -> str:
    found = client.get("/api/consents", params={"waiting": "false"}).json()["consents"]
    return next(str(each["state"]) for each in found if each["id"] == consent)
