"""The demonstration: a sample application is saved, lives on, meets with disaster, and comes back.

It drives the installed program as a person would, and believes nothing it says: what was before and what is
after are compared row by row and byte by byte by other means.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.model.errors import HoldfastError, UsageError
from holdfast.usecases import demo
from holdfast.usecases.demo import Difference, Fingerprint

MARK = ".holdfast-playground"
SEED = 20261120

_SOURCES = ("events", "media", "config")
_SHOWN_DIFFERENCES = 6


@dataclass(slots=True)
class Play:
    """One performance. ``seconds`` by step, for the summary."""

    face: Face
    folder: Path
    environ: Mapping[str, str]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def app(self) -> Path:
        """The sample application's folder."""
        return self.folder / "app"

    def say(self, text: str = "", style: str = "") -> None:
        """A line of the story."""
        self.face.line(text, style)

    def scene(self, title: str) -> None:
        """The next part of the story."""
        self.say()
        self.say(f"— {title}", "bold")

    def command(self, *arguments: str, step: str = "") -> Any:
        """Run holdfast in the playground, show the command, return its document. HoldfastError when it fails."""
        self.say(f"$ holdfast {' '.join(arguments)}", "dim")
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "holdfast", "--json", *arguments],
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        self.seconds[step or arguments[0]] = self.seconds.get(step or arguments[0], 0.0) + time.monotonic() - began
        if done.returncode:
            raise _failed(arguments[0], done)
        return json.loads(done.stdout)


def _failed(command: str, done: subprocess.CompletedProcess[bytes]) -> HoldfastError:
    """The failed command's own error, and which command it was."""
    what = f"holdfast {command} ended with status {done.returncode}"
    try:
        error = json.loads(done.stdout)["error"]
    except (ValueError, LookupError, TypeError):
        return HoldfastError(what, why=(done.stdout + done.stderr).decode(errors="replace").strip())
    return HoldfastError(f"{what}: {error['what']}", where=error["where"], why=error["why"], hint=error["hint"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``differences`` empty: everything came back. ``document`` for ``--json``."""

    differences: list[Difference]
    document: dict[str, Any]


def fresh(folder: Path) -> None:
    """An empty playground; an old one is removed, anything else at that place is refused."""
    if folder.exists():
        if not (folder / MARK).exists():
            raise UsageError("this folder is not a playground of holdfast", where=str(folder), hint="use --folder PATH")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("made by holdfast demo; removed by the next one\n")


def perform(play: Play) -> Outcome:
    """The whole play."""
    _set_up(play)
    first = _back_up(play, "first backup", "backup")
    _live_on(play)
    second = _back_up(play, "second backup: only what is new", "second backup")
    before = demo.fingerprint(play.app)
    broken = _disaster(play, before)
    restored = _bring_back(play)
    after = demo.fingerprint(play.app)
    differences = demo.compare(before, after)
    _verdict(play, before, differences)
    numbers = {"first": first, "second": second, "restored": restored, "broken": broken}
    return Outcome(differences=differences, document=_document(play, before, differences, numbers))


def _set_up(play: Play) -> None:
    play.scene("a sample events application: SQLite, media, configuration")
    demo.generate(play.app, SEED)
    made = demo.fingerprint(play.app)
    play.say(f"{words.count(made.rows)} rows, {words.count(len(made.files))} files in {play.app}")
    places = (f"events=sqlite:app/{demo.DATABASE}", "media=files:app/media", "config=files:app/config")
    given = [word for place in places for word in ("--source", place)]
    answer = play.command("init", "--repository", "./backups", *given)
    play.say(f"wrote holdfast.toml, created an encrypted repository; recovery key {answer['recovery_key'][:11]}…")


def _back_up(play: Play, title: str, step: str) -> dict[str, int]:
    play.scene(title)
    snapshots = play.command("backup", step=step)["snapshots"]
    totals = {name: sum(each[f"bytes_{name}"] for each in snapshots) for name in ("source", "read", "new", "stored")}
    for each in snapshots:
        play.say(
            f"  {each['source']:8}{words.size(each['bytes_source']):>11}, of which "
            f"{words.size(each['bytes_new'])} new, {words.size(each['bytes_stored'])} stored"
        )
    play.say("  (new data is stored compressed, and as the difference to what stood there before)", "dim")
    return totals


def _live_on(play: Play) -> None:
    play.scene("the application lives on")
    for sentence in demo.live_on(play.app, SEED):
        play.say(f"  {sentence}")


def _disaster(play: Play, before: Fingerprint) -> int:
    play.scene("disaster")
    for sentence in demo.disaster(play.app):
        play.say(f"  {sentence}", "red")
    found = demo.compare(before, demo.fingerprint(play.app))
    for each in found[:_SHOWN_DIFFERENCES]:
        play.say(f"    {each.kind} {each.name}: {each.detail}")
    if len(found) > _SHOWN_DIFFERENCES:
        play.say(f"    and {len(found) - _SHOWN_DIFFERENCES} more")
    return len(found)


def _bring_back(play: Play) -> int:
    play.scene("what would a restore do? (dry run: nothing is written)")
    planned: dict[str, set[str]] = {}
    for source in _SOURCES:
        plan = play.command("restore", f"latest:{source}", "--in-place", "--exact", "--dry-run", step="dry run")
        planned[source] = {item["name"] for item in plan["items"]}
        play.say(f"  {_counted(plan['items'])}")
    play.scene("restore")
    items = 0
    for source in _SOURCES:
        done = play.command("restore", f"latest:{source}", "--in-place", "--exact", "--yes")
        whole = [item for item in done["items"] if item["name"] in planned[source]]  # a database, not its tables
        items += sum(item["action"] != "leave" for item in whole)
        play.say(f"  {_counted(whole)}; to take it back: holdfast undo {done['run'][:8]}")
    return items


def _counted(items: list[dict[str, Any]]) -> str:
    counted: dict[str, int] = {}
    for item in items:
        counted[item["action"]] = counted.get(item["action"], 0) + 1
    return ", ".join(f"{action} {number:,}" for action, number in sorted(counted.items())) or "nothing to do"


def _verdict(play: Play, before: Fingerprint, differences: list[Difference]) -> None:
    play.scene("compared with what was before, to the row and byte")
    for each in differences:
        play.say(f"  {each.kind} {each.name}: {each.detail}", "red")
    if not differences:
        told = f"{words.count(before.rows)} rows, {words.count(len(before.files))} files, {words.size(before.size)}"
        play.say(f"  equal: {told}", "green")


def _document(
    play: Play, before: Fingerprint, differences: list[Difference], numbers: dict[str, Any]
) -> dict[str, Any]:
    return {
        "equal": not differences,
        "differences": [f"{each.kind} {each.name}: {each.detail}" for each in differences],
        "rows": before.rows,
        "files": len(before.files),
        "bytes": before.size,
        "first_backup": numbers["first"],
        "second_backup": numbers["second"],
        "damaged": numbers["broken"],
        "restored_items": numbers["restored"],
        "seconds": {step: round(took, 2) for step, took in play.seconds.items()},
        "playground": str(play.folder),
    }
