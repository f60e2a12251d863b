"""Templates and the words they use for times and sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

_FOLDER = Path(__file__).parent
STATIC = _FOLDER / "static"

_environment = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"), autoescape=select_autoescape(default=True), trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip


def page(request: Request, template: str, /, **values: Any) -> HTMLResponse:
    """A rendered page."""
    text = _environment.get_template(template).render(request=request, **values)
    return HTMLResponse(text)
