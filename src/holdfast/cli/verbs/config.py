"""``holdfast config``: what is in force, whether it is right, where it is."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import click

from holdfast.cli import opening
from holdfast.cli.face import Face
from holdfast.cli.options import Family, verb
from holdfast.usecases.config_view import view
from holdfast.usecases.show import show as show_snapshot
from holdfast.wiring import load


@click.group("config", cls=Family)
def config() -> None:
    """Show, check or locate the configuration."""


_EXAMPLES = """
holdfast config show
holdfast config show --json
holdfast --repository s3://backups/shop config show --from latest > holdfast.toml
"""


@verb("show", examples=_EXAMPLES)
@click.option("--from", "snapshot", metavar="ID", help="Print the file a snapshot was made with instead.")
def show(face: Face, snapshot: str | None) -> None:
    """Show the configuration in force. References are shown, secrets never."""
    if snapshot is not None:
        _show_kept(face, snapshot)
        return
    configuration = opening.configuration(face)
    settings = view(configuration.settings.plain())
    face.document(settings)
    face.line(f"# {configuration.path or 'no file, from --repository'}")
    for title, table in (("repository", settings["repository"]), *_sources(settings)):
        face.line(f"[{title}]")
        for name, value in table.items():
            face.line(f"{name} = {json.dumps(value, ensure_ascii=False)}")
        face.line()


def _show_kept(face: Face, snapshot: str) -> None:
    with opening.opened(face) as app:
        shown = show_snapshot(app.repository, snapshot)
    face.document({"id": shown.entry.info.id, "config": shown.config})
    if not shown.config:
        face.note("that snapshot was made without a configuration file")
    face.lines(shown.config.splitlines())


def _sources(settings: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"sources.{name}", table) for name, table in settings.get("sources", {}).items()]


@verb("validate", examples="holdfast config validate\nholdfast -c other.toml config validate")
def validate(face: Face) -> None:
    """Check the file, and that every secret it refers to can be read. Connects to nothing."""
    with contextlib.closing(opening.unopened_app(face)) as app:
        references = app.resolve_references()
    path = app.configuration.path
    warnings = load.doubts(app.settings)
    for text in warnings:
        face.warning(text)
    place = str(path) if path else None
    face.document({"valid": True, "path": place, "references": references, "warnings": warnings})
    face.line(f"{path or '--repository'} is valid")


@verb("path", examples="holdfast config path")
def path(face: Face) -> None:
    """Print the path of the file in use."""
    found = load.find(face.around, face.config)
    looked = [str(place) for place in load.usual_places(face.around)]
    face.document({"path": str(found), "usual_places": looked})
    face.line(str(found))


for _command in (show, validate, path):
    config.add_command(_command)
