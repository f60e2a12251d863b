"""axe-core looks at every page."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.web.browsing import accessibility_faults, chromium, needs_chromium, page_of
from tests.integration.web.everything import paths
from tests.integration.web.scene import live_a_month, scene, served

pytestmark = [needs_chromium, pytest.mark.timeout(200)]


def test_axe_finds_no_serious_fault_on_any_page(tmp_path: Path) -> None:
    """Light and wide, and dark and narrow."""
    narrow = {"viewport": {"width": 360, "height": 780}, "color_scheme": "dark"}
    with scene(tmp_path) as made, served(made), chromium() as browser:
        live_a_month(made, days=2)
        urls = [made.url + path for path in paths(made)]
        assert accessibility_faults(browser, urls) == {}
        assert accessibility_faults(browser, urls, **narrow) == {}


def test_every_action_can_be_reached_by_keyboard(tmp_path: Path) -> None:
    """Tab goes to the skip link first, then through the pages to the buttons; enter on one takes a backup."""
    with scene(tmp_path) as made, served(made), chromium() as browser, page_of(browser) as page:
        page.goto(made.url + "/sources")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches('form[action$=backup] button')"):
                break
        page.keyboard.press("Enter")
        page.wait_for_url("**/runs/*")
