"""Templates: what every page has in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from holdfast.model.ids import short
from holdfast.system import clock
from holdfast.web.pages import drawing, outcome, wording

_FOLDER = Path(__file__).parent
STATIC = _FOLDER / "static"

NAVIGATION = (
    ("/", "Now"), ("/sources", "Sources"), ("/backups", "Backups"), ("/runs", "Runs"), ("/explore", "Explore"),
    ("/restore", "Restore"), ("/trash", "Trash"), ("/alerts", "Alerts"), ("/audit", "Audit"),
    ("/settings", "Settings"),
)  # fmt: skip

_environment = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"), autoescape=select_autoescape(default=True), trim_blocks=True,
    lstrip_blocks=True, undefined=StrictUndefined, finalize=wording.plain,
)  # fmt: skip
_environment.filters.update(
    size=wording.size, count=wording.count, span=wording.span, took=wording.took, instant=wording.instant,
    ago=wording.ago, when=wording.when, value=wording.value, short=short, exact=wording.exact,
)  # fmt: skip
_environment.globals.update(
    navigation=NAVIGATION, drawing=drawing, command=wording.command, percent=wording.percent,
    outcome_of=outcome.outcome_of,
)  # fmt: skip


def page(request: Request, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A rendered page, as of now. ``values`` may hold ``as_of`` when what is told is older."""
    values.setdefault("as_of", clock.stamp())
    values.setdefault("who", getattr(request.state, "identity", None))
    text = _environment.get_template(template).render(request=request, here=request.url.path, **values)
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})
