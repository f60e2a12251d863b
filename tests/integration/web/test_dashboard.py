"""The dashboard in Chromium: what a person does with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.web.browsing import chromium, needs_chromium, page_of
from tests.integration.web.scene import LOST, Scene, live_a_month, scene, served

from holdfast.web.security.doorkeeper import Gate

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made, served(made):
        made.back_up("tickets")
        yield made


def test_the_first_person_comes_in_with_the_setup_token_and_later_by_password(tmp_path: Path, browser: Any) -> None:
    """An empty server sends to the setup page; the account made there logs in again after logging out."""
    with scene(tmp_path) as made:
        gate = Gate(made.service.configuration)
        with served(made, gate), page_of(browser) as page:
            token = gate.entrance.setup_token()
            page.goto(made.url + "/sources")
            assert page.url.startswith(made.url + "/setup")
            page.fill("#token", token)
            page.fill("#name", "anna")
            page.fill("#password", "correct horse battery staple")
            page.click("text=Make the account")
            page.wait_for_selector("text=tickets")
            page.click("text=Log out")
            page.wait_for_url("**/login**")
            page.fill("#name", "anna")
            page.fill("#password", "wrong horse battery staple")
            page.click("button:has-text('Log in')")
            assert "do not belong together" in page.inner_text("[role=alert]")
            page.fill("#name", "anna")
            page.fill("#password", "correct horse battery staple")
            page.click("button:has-text('Log in')")
            page.wait_for_selector("text=anna")
        gate.close()


def test_a_backup_is_taken_and_seen_while_it_happens(living: Scene, browser: Any) -> None:
    """The button leads to the run, which comes to its end on the open page, without a reload."""
    with page_of(browser) as page:
        page.goto(living.url + "/sources")
        page.click("#live form[action='/sources/media/backup'] button")
        page.wait_for_url("**/runs/*")
        page.evaluate("window.sameDocument = true")
        page.wait_for_selector(".headline:has-text('Done')")
        assert page.evaluate("window.sameDocument")
        assert page.locator("text=snapshot").count() == 1


def test_a_lost_event_is_found_and_brought_back_and_that_is_undone(living: Scene, browser: Any) -> None:
    """Explore tells that it is gone, the preview what comes back with it; afterwards undo takes it back."""
    attendees = living.execute("select count(*) from attendees where event_id = ?", LOST)[0][0]
    living.lose_an_event()
    with page_of(browser) as page:
        page.goto(living.url + "/explore")
        page.fill("#entity-key", str(LOST))
        page.click("button:has-text('Find') >> nth=0")
        assert "It is gone" in page.inner_text(".headline")
        page.click("button:has-text('Bring back this event')")
        page.wait_for_selector("button:has-text('Do it')")
        assert "holdfast entity restore event 42" in page.inner_text(".cli code")
        page.click("button:has-text('Do it')")
        page.wait_for_selector(".headline:has-text('Done')")
        assert living.execute("select name from events where id = ?", LOST)
        assert living.execute("select count(*) from attendees where event_id = ?", LOST)[0][0] == attendees
        assert "Brought back" in page.inner_text("#live")
        page.click("button:has-text('Undo')")
        page.wait_for_selector("#typed")
        page.fill("#typed", "tickets")
        page.click("button:has-text('Do it')")
        page.wait_for_selector(".headline:has-text('Done')")
    assert not living.execute("select name from events where id = ?", LOST)


def test_one_version_of_a_row_comes_back(living: Scene, browser: Any) -> None:
    """A row that was changed is set back to the version that was chosen; what changed is shown before."""
    living.execute("update events set name = 'Spoiled' where id = 7")
    with page_of(browser) as page:
        page.goto(living.url + "/explore?source=tickets&item=events&key=7")
        assert (
            page.locator("del:has-text('Film Week'), del:has-text('Spring Fair'), ins:has-text('Spoiled')").count() >= 1
        )
        page.check("input[name=overwrite] >> nth=0")
        page.click("button:has-text('Bring back this version') >> nth=0")
        page.wait_for_selector("#typed")
        page.fill("#typed", "tickets")
        page.click("button:has-text('Do it')")
        page.wait_for_selector(".headline:has-text('Done')")
    assert living.execute("select name from events where id = 7") != [("Spoiled",)]


def test_what_changes_production_wants_its_name_typed(living: Scene, browser: Any) -> None:
    """A wrong name does nothing."""
    living.execute("update events set name = 'Spoiled' where id = 7")
    with page_of(browser, refused=422) as page:
        page.goto(living.url + "/explore?source=tickets&item=events&key=7")
        page.check("input[name=overwrite] >> nth=0")
        page.click("button:has-text('Bring back this version') >> nth=0")
        page.wait_for_selector("#typed")
        page.fill("#typed", "tiket")
        page.click("button:has-text('Do it')")
        assert "not typed as it is" in page.inner_text(".problem")
    assert living.execute("select name from events where id = 7") == [("Spoiled",)]


def test_a_whole_source_is_restored_into_a_new_place_by_the_wizard(living: Scene, browser: Any) -> None:
    """What, when, where, preview, yes, result: the application stays untouched."""
    with page_of(browser) as page:
        page.goto(living.url + "/restore")
        page.check("input[value=tickets]")
        page.click("text=Continue")
        page.click("td a:has-text('choose') >> nth=0")
        page.click("button:has-text('Preview')")
        page.wait_for_selector("button:has-text('Do it')")
        assert "restored" in page.inner_text("#live")
        page.click("button:has-text('Do it')")
        page.wait_for_selector(".headline:has-text('Done')")
    assert len(list(living.folder.glob("tickets*restored*"))) == 1


def test_a_failed_run_tells_what_why_and_what_helps(living: Scene, browser: Any) -> None:
    """A source that cannot be read ends the run on the open page with the reason, and no success anywhere."""
    (living.folder / "accounts.db").unlink()
    with page_of(browser) as page:
        page.goto(living.url + "/sources/accounts")
        page.click("button:has-text('Back up now')")
        page.wait_for_selector(".headline:has-text('Failed')")
        assert page.locator(".problem").count() == 1
        assert page.locator("text=Done").count() == 0
        page.goto(living.url + "/")
        assert "critical:" in page.inner_text("#source-accounts h2")


def test_two_tabs_both_hear_of_a_run(living: Scene, browser: Any) -> None:
    """What one tab begins the other shows without a reload."""
    with page_of(browser) as one, page_of(browser) as two:
        two.goto(living.url + "/runs")
        before = two.locator("tbody tr").count()
        two.wait_for_timeout(300)
        one.goto(living.url + "/sources")
        one.click("#live form[action='/sources/media/backup'] button")
        two.wait_for_function("before => document.querySelectorAll('tbody tr').length > before", arg=before)
        one.wait_for_selector(".headline:has-text('Done')")


def test_everything_works_without_scripts(living: Scene, browser: Any) -> None:
    """Back up, find and restore by plain forms and links alone."""
    living.lose_an_event()
    with page_of(browser, java_script_enabled=False) as page:
        page.goto(living.url + "/")
        page.click("form[action='/sources/media/backup'] button")
        assert re.search(r"/runs/[0-9a-f]{32}$", page.url)
        _until(page, "Done")
        page.goto(living.url + "/explore?entity=event&key=42")
        page.click("button:has-text('Bring back this event')")
        _until(page, "Do it")
        page.click("button:has-text('Do it')")
        _until(page, "Done")
    assert living.execute("select 1 from events where id = ?", LOST)


def _until(page: Any, words: str) -> None:
    for _ in range(60):
        if page.locator(f".headline:has-text('{words}'), button:has-text('{words}')").count():
            return
        page.wait_for_timeout(300)
        page.reload()
    raise AssertionError(page.inner_text("main"))


@pytest.mark.timeout(120)
def test_every_page_fits_a_narrow_screen(tmp_path: Path, browser: Any) -> None:
    """At 360 pixels nothing makes the page scroll sideways, nor do very long names in a wide one."""
    from tests.integration.web.everything import paths

    long = "Name" * 75
    with scene(tmp_path) as made, served(made), page_of(browser, viewport={"width": 360, "height": 780}) as page:
        live_a_month(made, days=2)
        made.back_up("tickets", name=long)
        made.execute("update events set name = ? where id = 7", long)
        made.execute("delete from events where id = 7")
        named = ["/restore?source=tickets", "/trash", "/explore?entity=event&key=7"]
        wide = {}
        for path in [*paths(made), *named]:
            page.goto(made.url + path)
            wide[path] = page.evaluate("document.documentElement.scrollWidth")
        assert {path: width for path, width in wide.items() if width > 360} == {}
        page.set_viewport_size({"width": 1200, "height": 800})
        for path in ["/", "/backups", *named]:
            page.goto(made.url + path)
            wide[path] = page.evaluate("document.documentElement.scrollWidth")
        assert {path: width for path, width in wide.items() if width > 1200} == {}
