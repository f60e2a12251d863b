"""What the forms of the dashboard do, by plain HTTP, and what of it the audit trail tells."""

from __future__ import annotations

import io
import json
import re
import time
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.integration.web.scene import LOST, Scene, scene, served
from tests.integration.web.test_pages import get

from holdfast.model.alert import Alert
from holdfast.usecases.audit import ActQuery, acts
from holdfast.web.security.doorkeeper import Gate
from holdfast.web.security.people import Newcomer
from holdfast.wiring.reporting import system_report


def post(url: str, **fields: str) -> tuple[int, str, str]:
    """Send a form and follow where it leads: status, address, body."""
    data = urllib.parse.urlencode(fields).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:
            return answer.status, answer.url, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, url, error.read().decode()


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        made.back_up("tickets")
        made.execute("update events set name = 'Renamed' where id = 3")
        made.back_up("tickets")
        with served(made):
            yield made


def _snapshots(made: Scene, *, forgotten: bool = False) -> list[str]:
    with made.service.reading() as app:
        found = app.repository.snapshots(forgotten=forgotten)
        return [each.info.id for each in found if each.forgotten == forgotten]


def _deeds(made: Scene) -> list[str]:
    with made.service.reading() as app:
        return [each.act.deed for each in acts(app.repository, ActQuery())]


def _done(made: Scene, url: str, button: str) -> str:
    """The body of a page that looks or works, once ``button`` or word is there."""
    for _ in range(100):
        body = get(url)[1]
        if button in body:
            return body
        time.sleep(0.1)
    raise AssertionError(body)


def test_a_snapshot_is_forgotten_only_after_a_preview_and_can_come_back(living: Scene) -> None:
    """The first form shows the plan; the second forgets, and the snapshot is still among the forgotten ones."""
    oldest = _snapshots(living)[0]
    status, url, _body = post(f"{living.url}/backups/{oldest}/forget")
    assert status == 200
    _done(living, url, "Do it")
    assert oldest in _snapshots(living)
    status, url, _body = post(url)
    _done(living, url, "Done</span>")
    assert oldest not in _snapshots(living)
    assert oldest in _snapshots(living, forgotten=True)


def test_a_pin_is_set_and_taken_away_and_both_are_in_the_audit_trail(living: Scene) -> None:
    """The page tells how it stands."""
    newest = _snapshots(living)[-1]
    assert "kept whatever the policy says" in post(f"{living.url}/backups/{newest}/pin", pinned="yes")[2]
    assert "kept whatever the policy says" not in post(f"{living.url}/backups/{newest}/pin", pinned="no")[2]
    assert {"pin:add", "pin:remove"} <= set(_deeds(living))


def test_every_look_at_rows_is_in_the_audit_trail(living: Scene) -> None:
    """Leafing, changes, versions and downloads; tables and counts of the manifest are no look."""
    newest = _snapshots(living)[-1]
    before = len(_deeds(living))
    looks = (
        f"/backups/{newest}/rows?item=events", f"/backups/{newest}/changes",
        "/explore?source=tickets&item=events&key=3",
    )  # fmt: skip
    for number, path in enumerate(looks, 1):
        assert get(living.url + path)[0] == 200
        assert len(_deeds(living)) == before + number, path
    assert get(f"{living.url}/backups/{newest}")[0] == 200
    assert len(_deeds(living)) == before + len(looks)


def test_what_changed_since_the_one_before_is_told_by_table_and_by_field(living: Scene) -> None:
    """One row of one table, both values."""
    newest = _snapshots(living)[-1]
    body = get(f"{living.url}/backups/{newest}/changes")[1]
    assert re.search(r">events</a></td><td>rows differ</td><td class=\"num\">0</td><td class=\"num\">1</td>", body)
    assert "<ins>Renamed</ins>" in get(f"{living.url}/backups/{newest}/changes?table=events")[1]


def test_a_snapshot_is_downloaded_whole_and_by_table(living: Scene) -> None:
    """json is one document, csv of many tables one archive, one table one file; and it is noted."""
    newest = _snapshots(living)[-1]
    with urllib.request.urlopen(f"{living.url}/backups/{newest}/download?format=json") as answer:
        document = json.loads(answer.read())
    assert "Renamed" in json.dumps(document)
    with urllib.request.urlopen(f"{living.url}/backups/{newest}/download?format=csv") as answer:
        names = zipfile.ZipFile(io.BytesIO(answer.read())).namelist()
    assert {"events.csv", "attendees.csv"} <= {Path(name).name for name in names}
    with urllib.request.urlopen(f"{living.url}/backups/{newest}/download?format=jsonl&item=events") as answer:
        assert len(answer.read().splitlines()) == 120
    assert "data:export" in _deeds(living)


def test_the_trash_brings_back_what_a_guard_kept(living: Scene) -> None:
    """By preview and yes; the page says that it is back."""
    living.put_under_guard()
    living.lose_an_event()
    body = get(living.url + "/trash")[1]
    found = re.search(r'action="(/trash/[^"]+)"', body)
    assert found
    url = post(living.url + found[1])[1]
    _done(living, url, "Do it")
    _done(living, post(url)[1], "Done</span>")
    assert living.execute("select 1 from events where id = ?", LOST)
    assert "is back" in get(living.url + "/trash")[1]


def test_a_plan_is_refused_when_the_world_changed_meanwhile(living: Scene) -> None:
    """What was seen is what is done, or nothing is."""
    oldest = _snapshots(living)[0]
    url = post(f"{living.url}/explore/restore", snapshot=oldest, item="events", key="3", overwrite="yes")[1]
    _done(living, url, "Do it")
    living.execute("update events set name = 'Renamed again' where id = 3")
    assert "nothing was changed" in _done(living, post(url, typed="tickets")[1], "Failed")
    assert living.execute("select name from events where id = 3") == [("Renamed again",)]


def test_who_may_only_look_is_offered_and_allowed_no_deed(living: Scene) -> None:
    """No button, and no way around it."""
    living.identity = replace(living.identity, scopes=frozenset({"status:read", "snapshot:read"}))
    newest = _snapshots(living)[-1]
    for path in ("/", "/sources", f"/backups/{newest}", f"/restore?snapshot={newest}", "/trash"):
        assert not re.search(
            r'action="/(?!logout|restore|$)[^"]*(?:backup|pin|forget|trash/)', get(living.url + path)[1]
        )
    for path in (f"/backups/{newest}/forget", f"/backups/{newest}/pin", "/sources/tickets/backup", "/settings/tokens"):
        assert post(living.url + path, name="x")[0] == 403
    assert get(f"{living.url}/backups/{newest}/rows?item=events")[0] == 403


def test_schedules_are_paused_and_go_on(living: Scene) -> None:
    """The page tells which."""
    assert "Go on" in post(f"{living.url}/settings/schedules/tickets", what="pause")[2]
    assert "tickets" in living.service.paused()
    assert "Go on" not in post(f"{living.url}/settings/schedules/tickets", what="resume")[2]


def test_the_audit_page_verifies_the_chain(living: Scene) -> None:
    """It reads every entry and says so."""
    get(living.url + "/explore?source=tickets&item=events&key=3")
    assert "The trail is whole" in get(living.url + "/audit?check=1")[1]


def test_a_token_is_shown_once_and_revoked(tmp_path: Path) -> None:
    """The page that makes it shows the secret, no later one does; a revoked one opens nothing."""
    with scene(tmp_path) as made:
        gate = Gate(made.service.configuration)
        gate.people.add(Newcomer(name="anna", password="correct horse battery", role="admin", vouched_by="test"))
        opened = gate.sessions.open("anna", "127.0.0.1", "test")
        with served(made, gate):
            cookie = {"Cookie": f"holdfast={opened.secret}"}

            def sent(path: str, **fields: str) -> str:
                data = urllib.parse.urlencode({**fields, "csrf": opened.csrf}).encode() if fields else None
                with urllib.request.urlopen(urllib.request.Request(made.url + path, data, cookie)) as answer:
                    return answer.read().decode()

            body = sent("/settings/tokens", name="ci", scope="status:read", days="30")
            secret = re.search(r"hf_[\w-]+", body)
            assert secret
            assert secret[0] not in sent("/settings")
            bearer = {"Authorization": f"Bearer {secret[0]}"}
            with urllib.request.urlopen(urllib.request.Request(made.url + "/api/status", None, bearer)) as answer:
                assert answer.status == 200
            sent("/settings/tokens/ci/revoke", yes="yes")
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(made.url + "/api/status", None, bearer))
            refused.value.close()
            assert refused.value.code == 401
        gate.close()


def test_an_alert_is_taken_care_of_by_somebody(living: Scene) -> None:
    """Its line says who; it stays until its cause is gone."""
    with living.service.reading() as app:
        finding = next(
            each
            for source in system_report(app, living.service.journal).sources
            for each in source.findings
            if source.source == "media"
        )
    alert = Alert(
        finding=finding, since="2026-11-21T00:00:00Z", seen_at="2026-11-21T00:00:00Z", told={"mail": "critical"}
    )
    living.service.journal.remember(f"alert/{alert.key}", msgspec.json.encode(alert).decode())
    assert "I take care of it" in get(living.url + "/alerts")[1]
    body = post(living.url + "/alerts/take", key=alert.key)[2]
    assert "seen by anna" in body
    assert "told to mail" in body
    assert "I take care of it" not in body
