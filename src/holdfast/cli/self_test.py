"""``holdfast doctor --after-install``: everything once for real, then what was proved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from holdfast.cli import remembering
from holdfast.cli.face import Face
from holdfast.cli.progress import shown
from holdfast.cli.runs import BackupWishes
from holdfast.journal.base import Journal
from holdfast.model.alert import Message
from holdfast.model.errors import HoldfastError
from holdfast.system import clock
from holdfast.usecases import after_install
from holdfast.usecases.backup import BackupResult
from holdfast.usecases.doctor import Line
from holdfast.wiring.build import App

_NOT_PROVED = (
    "that a restore works: holdfast restore latest:SOURCE",
    "that the passphrase and the recovery key are put away where they survive this machine",
)


def steps(face: Face, app: App, journal: Journal | None) -> Iterator[Line]:
    """Back up every source, look into what was made, send a test message; the rest was looked at before."""

    def take() -> BackupResult:
        with shown(face) as report:
            return remembering.take(face, app, BackupWishes(sources=(), name=None), report)

    lines, infos = after_install.backed_up(take)
    yield from lines
    if infos:
        yield from after_install.looked_into(app.repository, infos)
    if journal is not None and infos:
        yield _written_down(journal, infos[0].run)
    yield from after_install.messages(_messages(app))


def verdict(lines: Sequence[Line]) -> dict[str, Any]:
    """``proved`` and ``not_proved`` for the document."""
    return {"proved": [each.what for each in lines if _proves(each)], "not_proved": _open(lines)}


def told(lines: Sequence[Line]) -> Iterator[str]:
    """The same for people."""
    yield ""
    yield "Proved just now:"
    yield from (f"  {each.what}" for each in lines if _proves(each))
    yield "Not proved:"
    yield from (f"  {text}" for text in _open(lines))


def _proves(line: Line) -> bool:
    return line.level == "ok" and line.area in ("self-test", "journal", "scheduler")


def _open(lines: Sequence[Line]) -> list[str]:
    missing = [each.what for each in lines if each.level != "ok" and each.area.startswith(("self-test", "scheduler"))]
    return [*missing, *_NOT_PROVED]


def _written_down(journal: Journal, run: str) -> Line:
    kept = journal.get(run)
    if kept is None:
        mend = "holdfast runs list"
        return Line(area="self-test", level="fail", what="the backup just made is not in the journal", mend=mend)
    return Line(area="self-test", level="ok", what=f"the journal tells of it: {kept.status.value}, run {run[:8]}")


def _messages(app: App) -> dict[str, HoldfastError | None]:
    """A test message through every channel; what each says."""
    if not app.settings.alerts.channels:
        return {}
    from holdfast.wiring.channels import outlets_of  # what sends messages is loaded where there is a channel

    outlets = outlets_of(app.configuration)
    results: dict[str, HoldfastError | None] = dict(outlets.broken)
    message = Message(
        kind="test", severity="info", title="holdfast: the self-test after an installation", at=clock.stamp(),
        text="This is a test of holdfast's alerts. Nothing is the matter.",
    )  # fmt: skip
    for name, channel in outlets.channels.items():
        try:
            channel.send(message)
        except HoldfastError as error:
            results[name] = error
        else:
            results[name] = None
    return results
