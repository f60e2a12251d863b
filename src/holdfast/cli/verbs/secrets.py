"""``holdfast secrets``: how old they are, and a new one with overlap."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import Family, verb
from holdfast.journal.base import Journal
from holdfast.model.audit import Act
from holdfast.model.errors import HoldfastError, UsageError
from holdfast.system import clock
from holdfast.usecases import secret_ages
from holdfast.usecases.audit import note
from holdfast.usecases.secret_ages import Rotated
from holdfast.wiring import journals, reporting
from holdfast.wiring.build import App
from holdfast.wiring.units import duration_text


@click.group("secrets", cls=Family)
def secrets() -> None:
    """Tell how old secrets are, and make new ones.

    Passphrases of the repository are holdfast key, tokens of the HTTP API holdfast token.
    """


@verb("list", examples="holdfast secrets list\nholdfast secrets list --json")
def list_secrets(face: Face) -> None:
    """List secrets with the day they were made, without any secret."""
    with opened(face) as app, journals.reading(app.configuration, lambda error: _lost(face, error)) as journal:
        found = sorted(reporting.secret_ages_of(app, journal), key=lambda each: each.made_at)
        limit = app.settings.secrets.rotate_after
    now = clock.now()
    face.document(
        {
            "rotate_after": duration_text(limit),
            "secrets": [
                {"name": each.name, "made_at": clock.stamp(each.made_at), "old": now - each.made_at > limit,
                 "mend": each.mend}
                for each in found
            ],
        }
    )  # fmt: skip
    for each in found:
        age = words.seconds((now - each.made_at).total_seconds())
        old = now - each.made_at > limit
        face.line(f"{each.name}: {age} old", "yellow" if old else "")
        if old:
            face.line(f"      mend: {each.mend}")
    if not found:
        face.note("of no secret is known when it was made: they stand in the environment")


_ROTATE = """
holdfast secrets rotate cron
holdfast secrets rotate cron --end
"""


@verb("rotate", examples=_ROTATE)
@click.argument("name", type=click.Choice(["cron"]))
@click.option("--end", is_flag=True, help="Accept the newest only from now on.")
def rotate(face: Face, name: str, end: bool) -> None:
    """Make a new CRON_SECRET and show it, this once; the one before stays accepted until --end.

    Where [serve] cron_secret = "file:PATH" it is written there; elsewhere the value to set is shown. A server that
    runs reads it at its next start.
    """
    with opened(face) as app, journals.reading(app.configuration, lambda error: _lost(face, error)) as journal:
        reference = app.settings.serve.cron_secret or ""
        path = reporting.secret_file_of(app, reference)
        if end:
            _end(face, app, path, reference)
            return
        done = secret_ages.rotate_file(path, journal) if path else _elsewhere(app, reference, journal)
        note(app.repository, _act(f"CRON_SECRET was made anew, {done.accepted} are accepted"))
    both = path is None and done.accepted > 1
    face.document({"name": name, "secret": done.new, "accepted": done.accepted, "where": done.where})
    face.line(done.new, "bold")
    if path is not None:
        face.note(f"written to {done.where}; {done.accepted} accepted after the next start of holdfast serve")
    else:
        value = "NEW OLD" if both else "NEW"
        face.note(f'set {done.where} to "{value}", with this as NEW; then restart holdfast serve')
    if done.accepted > 1:
        face.note("give it to whoever calls, then: holdfast secrets rotate cron --end")


secrets.add_command(list_secrets)
secrets.add_command(rotate)


def _end(face: Face, app: App, path: Path | None, reference: str) -> None:
    if path is None:
        raise UsageError(
            "this secret stands where holdfast cannot write", where=reference, hint="take the second word away there"
        )
    ended = secret_ages.end_overlap(path)
    if ended:
        note(app.repository, _act("the CRON_SECRET before is not accepted any more"))
    face.document({"name": "cron", "ended": ended})
    face.line("the one before is not accepted any more" if ended else "only one was accepted")


def _elsewhere(app: App, reference: str, journal: Journal | None) -> Rotated:
    around = app.configuration.around
    old = ""
    with contextlib.suppress(HoldfastError):
        old = around.resolve(reference, app.configuration.base).reveal() if reference else ""
    return secret_ages.rotate_elsewhere(old, reference.partition(":")[2] or "CRON_SECRET", journal)


def _act(what: str) -> Act:
    return Act(at=clock.stamp(), deed="keys:cron", who=clock.user(), via="cli", what=what)


def _lost(face: Face, error: HoldfastError) -> None:
    face.warning(f"{error.what}: {error.why}")
