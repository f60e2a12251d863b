"""The contracts of the systems before holdfast, as their callers know them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2
import pytest
from tests.integration.web.scene import LOST
from tests.integration.web.world import CRON_SECRET, World, world_of


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of(tmp_path_factory.mktemp("api")) as made:
        yield made


@pytest.fixture
def client(world: World) -> Iterator[httpx2.Client]:
    with world.program() as client:
        yield client


@pytest.fixture
def cron(world: World) -> Iterator[httpx2.Client]:
    with world.program(token=CRON_SECRET) as client:
        yield client


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_cron_waits_and_answers_complete(cron: httpx2.Client, client: httpx2.Client, method: str) -> None:
    """A4: ok, message, backup with its four fields, prunedCount; the snapshot is there when it answers."""
    answer = cron.request(method, "/api/cron/backup")
    assert answer.status_code == 200
    told = answer.json()
    assert told.keys() == {"ok", "message", "backup", "backups", "prunedCount"}
    assert told["ok"] is True
    assert told["backup"].keys() == {"id", "createdAt", "rowCount", "featuredEntryCount"}
    made = client.get(f"/api/backups/{told['backup']['id']}").json()
    assert (made["trigger"], made["created_at"]) == ("cron", told["backup"]["createdAt"])
    assert [client.get(f"/api/backups/{each['id']}").json()["source"] for each in told["backups"]] == [
        "tickets", "media",
    ]  # fmt: skip


def test_an_alias_counts_the_tables_it_names(cron: httpx2.Client) -> None:
    """Counts come from the manifest of the snapshot, under the names of the old system."""
    told = cron.get("/api/cron/backup-event-store").json()
    assert (told["backup"]["rowCount"], told["backup"]["featuredEntryCount"]) == (120, 8)


def test_cron_prunes_what_the_rules_no_longer_keep(cron: httpx2.Client, client: httpx2.Client) -> None:
    """A5: the count is kept after each backup, and told."""
    counts = [cron.get("/api/cron/backup-event-store").json()["prunedCount"] for _ in range(5)]
    assert counts[-1] == 1
    assert client.get("/api/backups?source=tickets").json()["total"] == 3


def test_cron_refuses_whoever_does_not_know_the_secret(world: World) -> None:
    """401 in the old words, for nothing and for anything else."""
    for token in ("", "wrong", CRON_SECRET[:-1]):
        with world.program(token=token) as stranger:
            answer = stranger.get("/api/cron/backup")
        assert answer.status_code == 401
        assert answer.json()["ok"] is False
        assert answer.json().keys() >= {"ok", "message", "error"}


def test_the_cron_secret_opens_nothing_else(cron: httpx2.Client) -> None:
    """It is for its paths only."""
    assert cron.get("/api/backups").status_code == 401
    assert cron.post("/api/backups", json={}).status_code == 401


def test_cron_tells_a_failure(world: World, cron: httpx2.Client) -> None:
    """500 with ok false, what happened and why; nothing counts as a backup."""
    hidden = world.scene.folder / "hidden.db"
    world.scene.database.rename(hidden)
    try:
        answer = cron.get("/api/cron/backup-event-store")
    finally:
        hidden.rename(world.scene.database)
    assert answer.status_code == 500
    told = answer.json()
    assert (told["ok"], bool(told["message"]), bool(told["error"])) == (False, True, True)


def test_cron_over_several_sources_names_the_one_that_failed(world: World, cron: httpx2.Client) -> None:
    """And the snapshots that the others made meanwhile."""
    hidden = world.scene.folder / "hidden.db"
    world.scene.database.rename(hidden)
    try:
        told = cron.get("/api/cron/backup").json()
    finally:
        hidden.rename(world.scene.database)
    assert told["message"].startswith("tickets: ")
    assert "made were" in told["error"]


def test_the_manual_alias_answers_with_size_and_duration(client: httpx2.Client, world: World) -> None:
    """C5: success, message, backup with id, timestamp, size, duration; a token is required."""
    told = client.post("/api/backup/manual").json()
    assert told["success"] is True
    assert told["backup"].keys() == {"id", "timestamp", "size", "duration"}
    assert told["backup"]["size"] == world.scene.database.stat().st_size
    with world.program(token="") as stranger:
        refused = stranger.post("/api/backup/manual")
    assert (refused.status_code, refused.json()["success"]) == (401, False)


def test_the_scheduled_alias_is_called_by_get(cron: httpx2.Client) -> None:
    """C1: GET with the secret, for the sources it names."""
    told = cron.get("/api/backup/scheduled").json()
    assert (told["ok"], len(told["backups"])) == (True, 1)


def test_a_backup_waits_when_it_is_asked_to(client: httpx2.Client) -> None:
    """POST /api/backups?wait=1 answers when the snapshot is there."""
    told = client.post("/api/backups?wait=1", json={"sources": ["tickets"]})
    assert told.status_code == 200
    assert client.get(f"/api/backups/{told.json()['backup']['id']}").status_code == 200


def test_a_client_that_goes_away_does_not_stop_the_backup(world: World, client: httpx2.Client) -> None:
    """The run goes on and ends well."""
    before = {each["id"] for each in client.get("/api/runs?kind=backup").json()["runs"]}
    with world.program(token=CRON_SECRET) as hasty, pytest.raises(httpx2.TimeoutException):
        hasty.get("/api/backup/scheduled", timeout=httpx2.Timeout(5, read=0.001))
    end = time.monotonic() + 30
    while True:
        new = [run for run in client.get("/api/runs?kind=backup").json()["runs"] if run["id"] not in before]
        if new and new[0]["status"] == "succeeded":
            break
        assert time.monotonic() < end, new
        time.sleep(0.1)


def test_the_test_route_looks_whether_a_backup_could_be_made(world: World, client: httpx2.Client) -> None:
    """E4: success, and each thing looked at; a source that is gone is named."""
    told = client.post("/api/backups/test").json()
    assert told["success"] is True, told
    hidden = world.scene.folder / "hidden.db"
    world.scene.database.rename(hidden)
    try:
        told = client.post("/api/backups/test").json()
    finally:
        hidden.rename(world.scene.database)
    assert told["success"] is False
    assert "tickets" in told["message"]


def test_an_event_is_restored_the_old_way(world: World, client: httpx2.Client) -> None:
    """E4: dryRun changes nothing, then it is back with everything that belongs to it, and can be taken back."""
    run = client.post(f"/api/entities/event/{LOST}/backup").json()
    backup = _snapshot(client, run)
    world.scene.lose_an_event()
    dry = client.post(f"/api/backups/{backup}/restore", json={"dryRun": True}).json()
    assert (dry["success"], dry["dryRun"], dry["restored"]) == (True, True, {"events": 1, "attendees": 20})
    assert world.scene.execute("select count(*) from events where id = ?", LOST) == [(0,)]
    told = client.post(f"/api/backups/{backup}/restore", json={}).json()
    assert (told["success"], told["restoredRowCount"], told["restored"]) == (True, 21, dry["restored"])
    assert told["restoredFeaturedCount"] == 0
    assert world.scene.execute("select count(*) from attendees where event_id = ?", LOST) == [(20,)]
    undone = client.post(f"/api/restores/{told['undo']}/undo").json()
    assert _ended(client, undone)["status"] == "succeeded"
    assert world.scene.execute("select count(*) from events where id = ?", LOST) == [(0,)]
    client.post(f"/api/backups/{backup}/restore", json={})


def test_an_event_is_restored_under_a_new_id(world: World, client: httpx2.Client) -> None:
    """E6: newEventId makes a second one whose rows refer to it."""
    backup = _snapshot(client, client.post("/api/entities/event/7/backup").json())
    told = client.post(f"/api/backups/{backup}/restore", json={"newEventId": 1042}).json()
    assert (told["success"], told["newEventId"]) == (True, "1042"), told
    assert world.scene.execute("select count(*) from attendees where event_id = 1042") == [(20,)]


def test_existing_records_are_skipped_or_refused(world: World, client: httpx2.Client) -> None:
    """Rows that differ stand against a restore, unless they are to be skipped."""
    backup = _snapshot(client, client.post("/api/entities/event/9/backup").json())
    world.scene.execute("update events set status = 'changed' where id = 9")
    refused = client.post(f"/api/backups/{backup}/restore", json={})
    assert (refused.status_code, refused.json()["success"]) == (409, False)
    told = client.post(f"/api/backups/{backup}/restore", json={"skipExistingRecords": True}).json()
    assert told["success"] is True
    assert world.scene.execute("select status from events where id = 9") == [("changed",)]


def test_only_some_collections_are_restored(world: World, client: httpx2.Client) -> None:
    """specificCollections leaves the others alone."""
    backup = _snapshot(client, client.post("/api/entities/event/11/backup").json())
    world.scene.execute("delete from attendees where event_id = 11")
    told = client.post(f"/api/backups/{backup}/restore", json={"specificCollections": ["attendees"]}).json()
    assert told["restored"] == {"attendees": 20}


def test_what_is_not_brought_back_is_not_said_to_be(world: World, client: httpx2.Client) -> None:
    """An SQLite database comes back whole or not at all: one that differs is refused, dry and for real."""
    backup = client.post("/api/backups?wait=1", json={"sources": ["tickets"]}).json()["backup"]["id"]
    world.scene.execute("delete from attendees where event_id = 12")
    for body in ({"dryRun": True}, {}, {"specificCollections": ["attendees"]}):
        told = client.post(f"/api/backups/{backup}/restore", json=body)
        assert (told.status_code, told.json()["success"]) == (409, False), told.text


def test_a_backup_that_is_waited_for_fails_in_the_old_words(world: World, client: httpx2.Client) -> None:
    """success, message and error, whatever is wrong; without waiting as everywhere."""
    with world.program(token="") as stranger:
        unknown = client.post("/api/backups?wait=true", json={"sources": ["no"]})
        answers = [stranger.post("/api/backups?wait=1"), unknown]
        usual = stranger.post("/api/backups")
    assert [(each.status_code, each.json()["success"], bool(each.json()["message"])) for each in answers] == [
        (401, False, True), (422, False, True),
    ]  # fmt: skip
    assert usual.headers["content-type"] == "application/problem+json"


def test_the_cron_of_a_button_is_told_apart(client: httpx2.Client, cron: httpx2.Client) -> None:
    """C1: what the secret asks for under the path of a button is made by a cron job, not by hand."""
    made = [each.post("/api/backup/manual").json()["backup"] for each in (cron, client)]
    assert [client.get(f"/api/backups/{each['id']}").json()["trigger"] for each in made] == ["cron", "manual"]


def test_a_backup_is_deleted_the_old_way(client: httpx2.Client) -> None:
    """E4: DELETE answers success, and the backup is gone from the list."""
    backup = client.post("/api/backup/manual").json()["backup"]["id"]
    assert client.delete(f"/api/backups/{backup}").json()["success"] is True
    assert backup not in {each["id"] for each in client.get("/api/backups").json()["backups"]}


def _snapshot(client: httpx2.Client, run: dict[str, object]) -> str:
    return str(_ended(client, run)["result"]["snapshot"])


def _ended(client: httpx2.Client, run: dict[str, object]) -> dict[str, object]:
    end = time.monotonic() + 30
    while True:
        now = client.get(f"/api/runs/{run['id']}").json()
        if now["status"] not in ("queued", "running"):
            return now
        assert time.monotonic() < end
        time.sleep(0.05)
