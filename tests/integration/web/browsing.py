"""Chromium for tests, and what is asked of every page: no script fault, no serious accessibility fault."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).parent / "axe-core-4.14.1" / "axe.min.js"
_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip

needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="not proven: the dashboard in a browser (chromium is not installed)"
)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """One browser."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="not proven: the dashboard in a browser (no playwright)"
    )
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def page_of(browser: Any, *, refused: int = 0, **options: Any) -> Iterator[Any]:
    """A page in a window of its own; whatever its console complains of fails the test, but ``refused``."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(20_000)
    faults: list[str] = []
    page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        yield page
        assert [each for each in faults if not refused or f"status of {refused}" not in each] == []
    finally:
        context.close()


def accessibility_faults(browser: Any, urls: Iterable[str], **options: Any) -> dict[str, list[str]]:
    """Serious and critical ones that axe-core finds, by page."""
    context = browser.new_context(bypass_csp=True, **options)
    try:
        page = context.new_page()
        return {url: faults for url in urls if (faults := _faults(page, url))}
    finally:
        context.close()


def _faults(page: Any, url: str) -> list[str]:
    page.goto(url)
    page.add_script_tag(path=str(AXE))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    serious = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:160]}" for each in serious]
