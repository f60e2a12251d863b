"""A request with an Idempotency-Key is done once, also when the server ended before it was answered."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.integration.web.world import World, over, world_of

from holdfast.web.api import once


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of(tmp_path_factory.mktemp("once")) as made:
        made.scene.back_up("media")
        yield made


@pytest.fixture
def client(world: World) -> Iterator[httpx2.Client]:
    with world.program() as client:
        yield client


@pytest.fixture(autouse=True)
def _quiet(world: World) -> None:
    while world.scene.service.work.busy():
        time.sleep(0.02)


def _asked(client: httpx2.Client, key: str, path: str = "/api/backups", **body: Any) -> httpx2.Response:
    wanted = body or ({"sources": ["media"]} if path == "/api/backups" else None)
    return client.post(path, json=wanted, headers={"Idempotency-Key": key})


def _facts(world: World) -> dict[str, dict[str, Any]]:
    told = world.scene.service.journal.recall("idempotency/")
    return {name: json.loads(text) for name, text in told.items()}


def _killed(
    world: World, monkeypatch: pytest.MonkeyPatch, client: httpx2.Client, key: str, path: str
) -> httpx2.Response:
    """The request carried out by a server that is killed before the answer is kept: what it wrote until then stays."""

    async def gone(*_: Any) -> None:
        return None

    before = set(_facts(world))
    with monkeypatch.context() as patched:
        patched.setattr(once._Shelf, "keep", gone)
        answer = _asked(client, key, path)
    ((fact, left),) = [(name, each) for name, each in _facts(world).items() if name not in before]
    assert left["answer"] == ""
    left["by"].update(started="1", seen_at="2026-01-01T00:00:00.000Z")
    world.scene.service.journal.remember(fact, json.dumps(left))
    return answer


def test_what_was_cut_off_is_told_and_not_done_again(
    world: World, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that was begun, as it stands; and for an answer that is no run, that nobody knows: 409."""
    first = _killed(world, monkeypatch, client, "killed", "/api/backups")
    (run,) = first.json()["runs"]
    over(client, run)
    again = _asked(client, "killed")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert [(each["id"], each["status"]) for each in again.json()["runs"]] == [(run["id"], "succeeded")]
    assert again.headers["location"] == f"/api/runs/{run['id']}"
    check = _killed(world, monkeypatch, client, "checked", "/api/checks").json()
    assert _asked(client, "checked", "/api/checks").json()["id"] == check["id"]
    waited = _killed(world, monkeypatch, client, "waited", "/api/backup/manual")
    assert waited.json()["success"] is True
    _killed(world, monkeypatch, client, "asked to wait", "/api/backups?wait=1")
    before = client.get("/api/runs").json()["runs"][0]["id"]
    for key, path in (("waited", "/api/backup/manual"), ("asked to wait", "/api/backups?wait=1")):
        unknown = _asked(client, key, path).json()
        assert (unknown["success"], unknown["code"]) == (False, "outcome-unknown")
    assert before in unknown["error"]
    assert client.get("/api/runs").json()["runs"][0]["id"] == before


def test_a_request_that_may_still_go_on_elsewhere_is_busy(
    world: World, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server with the same journal, not heard of to be gone: nothing is begun beside it."""
    _killed(world, monkeypatch, client, "elsewhere", "/api/backups")
    fact, left = next((name, each) for name, each in _facts(world).items() if not each["answer"] and each["runs"])
    left["by"].update(host="another", seen_at="2999-01-01T00:00:00.000Z")
    world.scene.service.journal.remember(fact, json.dumps(left))
    told = [_asked(client, key) for key in ("killed", "elsewhere")]
    assert "busy" in {each.json().get("code") for each in told}
    world.scene.service.journal.remember(fact, None)


def test_the_journal_does_not_tell_what_was_answered(world: World, client: httpx2.Client) -> None:
    """Answers are sealed with what only the asker has; another asker with the same key is another request."""
    answer = _asked(client, "sealed")
    over(client, answer.json()["runs"][0])
    assert _asked(client, "sealed").json() == answer.json()
    kept = str(_facts(world))
    assert "media" not in kept.replace(str(world.scene.folder), "")
    with world.program() as other:
        assert _asked(other, "sealed").headers.get("idempotency-replayed") is None


def test_an_answer_is_not_given_to_fewer_rights(world: World) -> None:
    """What was answered to an admin is not answered again to the viewer they became."""
    world.person("boss")
    world.person("ada")
    with world.program("backup:run", "status:read", owner="ada") as client:
        assert _asked(client, "rights").status_code == 202
        world.gate.people.change("ada", "operator", ("tickets",))
        refused = _asked(client, "rights")
    assert (refused.status_code, refused.json()["code"]) == (422, "key-reused")


def test_nothing_is_begun_that_the_journal_cannot_remember(
    world: World, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key promises that it is done once: without a journal it is not begun; and what is done stays done."""
    from holdfast.journal.base import JournalFailed

    def broken(*_: Any) -> None:
        raise JournalFailed("the journal does not answer")

    before = client.get("/api/runs").json()["runs"][0]["id"]
    with monkeypatch.context() as patched:
        patched.setattr(once._Shelf, "write", broken)
        refused = _asked(client, "no journal")
    assert (refused.status_code, refused.json()["code"]) == (503, "journal")
    assert client.get("/api/runs").json()["runs"][0]["id"] == before
