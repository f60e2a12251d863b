"""Between the look at a plan and its deed somebody writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.integration.web.world import World, over, world_of

from holdfast.service import plans


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of(tmp_path_factory.mktemp("between")) as made:
        made.scene.back_up("tickets")
        yield made


@pytest.fixture
def client(world: World) -> Iterator[httpx2.Client]:
    with world.program() as client:
        yield client


_EVENT = 50
_BETWEEN = (
    ("rows", {"what": "snapshot", "snapshot": "latest:tickets", "only": ["attendees"], "where": "event_id = 50",
              "overwrite": True}),
    ("entity-restore", {"what": "entity-restore", "entity": "event", "key": "50", "existing": "overwrite"}),
    ("entity-clone", {"what": "entity-clone", "entity": "event", "key": "50"}),
    ("entity-delete", {"what": "entity-delete", "entity": "event", "key": "50"}),
)  # fmt: skip


@pytest.fixture
def written_between(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes after a plan was looked at again, and before its deed holds the rows."""
    look = plans._require_unchanged

    def slowly(*looked: Any) -> None:
        look(*looked)
        world.scene.execute("update attendees set email = 'written between' where event_id = ?", _EVENT)

    monkeypatch.setattr(plans, "_require_unchanged", slowly)


def _plan(client: httpx2.Client, wanted: dict[str, object]) -> dict[str, object]:
    found: dict[str, object] = client.post("/api/restore-plans", json=wanted).json()
    return found


def _refused(world: World, client: httpx2.Client, plan: dict[str, object]) -> None:
    answer = client.post("/api/restores", json={"plan": plan["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "plan-changed"), answer.text
    found = world.scene.execute("select distinct email from attendees where event_id = ?", _EVENT)
    assert found == [("written between",)]


@pytest.mark.usefixtures("written_between")
@pytest.mark.parametrize("wanted", [each for _, each in _BETWEEN], ids=[name for name, _ in _BETWEEN])
def test_what_is_written_between_the_look_and_the_deed_is_not_lost(
    world: World, client: httpx2.Client, wanted: dict[str, object]
) -> None:
    """The rows a plan showed are looked at once more where they are held: 409, and the newer values stay."""
    world.scene.execute("update attendees set email = 'as planned' where event_id = ?", _EVENT)
    before = world.scene.execute("select count(*) from events")
    _refused(world, client, _plan(client, wanted))
    assert world.scene.execute("select count(*) from events") == before


def test_an_undo_looks_once_more_too(world: World, client: httpx2.Client, request: pytest.FixtureRequest) -> None:
    """Also what was restored is not taken back over what somebody wrote meanwhile."""
    world.scene.execute("update attendees set email = 'before' where event_id = ?", _EVENT)
    plan = _plan(client, _BETWEEN[0][1])
    done = over(client, client.post("/api/restores", json={"plan": plan["id"]}).json())
    back = _plan(client, {"what": "undo", "run": done["id"], "force": True})
    request.getfixturevalue("written_between")
    _refused(world, client, back)
