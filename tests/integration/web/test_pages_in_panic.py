"""What a person in panic does with the dashboard: looks for what is lost, brings it back, takes that back."""

from __future__ import annotations

import html
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.integration.web.scene import Scene, scene, served
from tests.integration.web.test_page_deeds import _deeds, _done, _snapshots, post
from tests.integration.web.test_pages import get


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One for all: each test has events of its own."""
    with scene(tmp_path_factory.mktemp("panic") / "shop") as made:
        made.back_up("tickets")
        made.execute("update events set name = 'Renamed' where id = 3")
        made.back_up("tickets")
        with served(made):
            yield made


def test_versions_are_told_of_snapshots_while_the_application_is_away(living: Scene) -> None:
    """Its file is gone: every version is shown, and that the application cannot be asked."""
    living.database.rename(living.folder / "moved.db")
    body = get(living.url + "/explore?entity=event&key=3")[1]
    (living.folder / "moved.db").rename(living.database)
    assert "The application cannot be asked" in body
    assert "<ins>Renamed</ins>" in body
    assert "Bring back this event" in body


def test_an_event_is_found_by_its_name(living: Scene) -> None:
    """People in a panic type a name, not a key."""
    assert "<code>id=3</code>" in get(living.url + "/explore?entity=event&key=Renamed")[1]
    assert "by key, and by name" in get(living.url + "/explore?entity=event&key=Nothing")[1]


def test_very_many_snapshots_are_looked_into_a_stretch_at_a_time(
    living: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest first; what is only in an older one is found by going on, and the way back is there."""
    monkeypatch.setattr("holdfast.web.pages.explore._AT_ONCE", 1)
    living.execute("delete from events where id = 9")
    living.back_up("tickets")
    body = get(living.url + "/explore?entity=event&key=9")[1]
    assert "None of these has it" in body
    older = re.search(r'rel="next" href="([^"]+)"', body)
    assert older
    body = get(living.url + html.unescape(older[1]))[1]
    assert "As it was at the beginning of these" in body
    assert "Begin with the newest" in body


def test_the_wizard_offers_whole_backups_first_and_the_rest_apart(living: Scene) -> None:
    """After a restore of one row the newest snapshot holds one row: it is not what a person in panic is led to."""
    newest = living.back_up("tickets").snapshots[0]
    living.execute("update events set name = 'Spoiled' where id = 4")
    url = post(f"{living.url}/explore/restore", snapshot=newest, item="events", key="4", overwrite="yes")[1]
    _done(living, url, "Do it")
    _done(living, post(url, typed="tickets")[1], "Done</span>")
    assert _snapshots(living)[-1] != newest
    body = get(f"{living.url}/restore?source=tickets")[1]
    assert f'class="button" href="/restore?snapshot={newest}"' in body
    first, _, apart = body.partition("<details>")
    assert _snapshots(living)[-1] not in first
    assert "only some rows or items" in apart
    assert "It holds only some rows" in get(f"{living.url}/restore?snapshot={_snapshots(living)[-1]}")[1]


def test_undo_of_production_wants_its_name_typed_and_tells_what_it_did(living: Scene) -> None:
    """It removes rows: without the name nothing happens; the result counts what came back and what went."""
    living.execute("delete from events where id = 5")
    newest = _snapshots(living)[0]
    url = post(f"{living.url}/explore/restore", snapshot=newest, item="events", key="5", entity="event")[1]
    assert 'name="typed"' not in _done(living, url, "Do it")
    run = post(url)[1]
    body = _done(living, run, "Done</span>")
    assert "Brought back" in body
    assert "Read back and counted" in body
    url = post(f"{living.url}/undo/{run.rpartition('/')[2]}")[1]
    body = _done(living, url, "Do it")
    assert "Removed" in body
    assert 'name="typed"' in body
    assert post(url)[0] == 422
    assert living.execute("select 1 from events where id = 5")
    _done(living, post(url, typed="tickets")[1], "Done</span>")
    assert not living.execute("select 1 from events where id = 5")


def test_the_password_page_leads_back_to_the_form_as_it_was_filled_in(living: Scene) -> None:
    """Where, what and how are kept; a password in an address is not."""
    newest = _snapshots(living)[-1]
    living.identity, usual = replace(living.identity, fresh=False), living.identity
    filled = {"where": "in-place", "conflicts": "exact", "only": "events attendees", "to": "postgresql://app:hid@h/d"}
    url = post(f"{living.url}/restore", snapshot=newest, **filled)[1]
    back = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["next"][0]
    assert "hid" not in url
    body = get(living.url + back)[1]
    living.identity = usual
    assert re.search(r'name="where" value="in-place" checked', body)
    assert re.search(r'name="conflicts" value="exact" checked', body)
    assert 'name="only" value="events attendees"' in body


def test_what_turns_the_direction_of_text_is_shown_as_what_it_is(living: Scene) -> None:
    """No value reads as another one; fields that send a key back keep it."""
    living.execute("update events set name = ? where id = 6", "invoice\u202etxt.exe")
    body = get(living.url + "/explore?source=tickets&item=events&key=6")[1]
    assert "invoice\\u202etxt.exe" in body
    assert "\u202e" not in body


def test_an_address_that_is_none_gives_people_a_page_and_programs_a_problem(living: Scene) -> None:
    """By what they accept."""

    def kind(path: str, accept: str) -> str:
        asked = urllib.request.Request(living.url + path, headers={"Accept": accept})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked)
        with refused.value as answer:
            assert answer.code == 404
            return str(answer.headers["content-type"])

    assert kind("/nosuch", "text/html,*/*").startswith("text/html")
    assert kind("/nosuch", "application/json") == "application/problem+json"
    assert kind("/api/nosuch", "text/html") == "application/problem+json"


def test_one_file_of_a_backup_is_taken_away_as_it_was(living: Scene) -> None:
    """Byte for byte, whatever its name means to patterns; and it is noted."""
    odd = living.folder / "media" / "sub [1]" / "a*b.bin"
    odd.parent.mkdir()
    odd.write_bytes(bytes(range(256)) * 999)
    (odd.parent / "axb.bin").write_bytes(b"another")
    snapshot = living.back_up("media").snapshots[0]
    body = get(f"{living.url}/backups/{snapshot}?q=a*b")[1]
    path = re.search(r'href="(/backups/\w+/file\?item=[^"]*a%2Ab[^"]*)"', body)
    assert path
    with urllib.request.urlopen(living.url + path[1]) as answer:
        assert answer.read() == odd.read_bytes()
        assert "attachment" in answer.headers["content-disposition"]
    assert get(f"{living.url}/backups/{snapshot}/file?item=../etc/passwd")[0] == 404
    assert "data:export" in _deeds(living)


def test_an_appointment_that_was_not_kept_is_overdue(living: Scene) -> None:
    """Nobody ran the schedules: since when is told, not that it is just about to happen."""
    body = get(living.url + "/settings")[1]
    assert "overdue</span> since" in body
    assert "just now" not in body.partition("asof")[0]


def test_a_row_that_is_left_as_it_was_changed_is_not_told_as_brought_back(living: Scene) -> None:
    """Nothing would happen, so there is no yes to it; replacing is offered, with the name typed."""
    newest = living.back_up("tickets").snapshots[0]
    living.execute("update events set name = 'WRONG' where id = 15")
    url = post(f"{living.url}/explore/restore", snapshot=newest, item="events", key="15")[1]
    body = _done(living, url, "Nothing would be changed")
    assert "Do it" not in body
    assert "Replace it with" in body
    run = _done(living, post(url)[1], "not all of it")
    assert "Read back and counted" not in run
    assert living.execute("select name from events where id = 15") == [("WRONG",)]
