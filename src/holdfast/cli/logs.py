"""What ``serve`` and ``daemon`` log on stderr: lines for people, or one JSON object a line for programs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import click

from holdfast.cli.face import Face
from holdfast.cli.words import printable
from holdfast.model.errors import MissingTool
from holdfast.model.secret import Redactor
from holdfast.system import clock

TEXT, JSON = "text", "json"
_LEVELS = {"red": logging.ERROR, "yellow": logging.WARNING}
_OWN = "holdfast"
# its lines name addresses of channels, which are secrets; what it failed of is told by the channel
_SILENCED = "apprise"


def log_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--log``: for whom the log is."""
    return click.option(
        "--log", "log", type=click.Choice([TEXT, JSON]), default=TEXT, show_default=True,
        help="What is logged on stderr: lines for people, or one JSON object a line.",
    )  # fmt: skip


def begin_logging(face: Face, form: str) -> None:
    """Log from now on, without secrets; requests only as JSON or with ``-v``. MissingTool without structlog."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(lambda record: not record.name.startswith(_SILENCED))
    handler.setFormatter(_json(face.redactor) if form == JSON else _Plain(face.redactor))
    logging.getLogger().addHandler(handler)
    logging.getLogger(_OWN).setLevel(logging.WARNING if face.quiet else logging.INFO)
    if form == TEXT and face.verbosity < 1:
        logging.getLogger("holdfast.requests").setLevel(logging.WARNING)
    if form == JSON:
        notes = logging.getLogger("holdfast.notes")
        face.spoken = lambda text, style: notes.log(_LEVELS.get(style, logging.INFO), "%s", text)


class _Plain(logging.Formatter):
    """``2026-11-21T12:00:00+00:00 backup succeeded source=shop seconds=3.2``."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in it; the stack of a defect is for programs."""
        facts = [f"{name}={value}" for name, value in _facts(record).items() if _tells(name, value)]
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        text = " ".join([f"{clock.stamp()} {level}{record.getMessage()}", *facts])
        return printable(self._redactor.clean(text))


def _json(redactor: Redactor) -> logging.Formatter:
    """``at``, ``level``, ``logger``, ``event`` and the facts of the line."""
    try:
        import structlog
    except ImportError as error:
        raise MissingTool(
            "structlog is not installed", where="--log json", why=str(error), hint="pip install 'holdfast[server]'"
        ) from error

    def dressed(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        record: logging.LogRecord = event["_record"]
        head = {"at": clock.stamp(), "level": record.levelname.lower(), "logger": record.name}
        told = {**head, "event": event["event"], **_facts(record)}
        return {name: redactor.clean(value) if isinstance(value, str) else value for name, value in told.items()}

    return structlog.stdlib.ProcessorFormatter(processors=[dressed, structlog.processors.JSONRenderer(default=str)])


_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    """What the line was given beside its text."""
    return {name: value for name, value in vars(record).items() if name not in _USUAL and not name.startswith("_")}


def _tells(name: str, value: Any) -> bool:
    return name != "stack" and value not in (None, "")
