"""What a restore of a database would do, decided from looking alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.model.errors import SourceError, UsageError
from holdfast.model.plans import Action, RestorePlan, RestoreStep
from holdfast.model.snapshot import Item
from holdfast.sources.base import Manifest, RestoreRequest
from holdfast.sources.sqlite.capture import matches
from holdfast.sources.sqlite.comparing import is_same
from holdfast.sources.sqlite.names import KIND, SIDE_FILES, printable, side_files
from holdfast.sources.sqlite.settings import Settings

_SCHEME = "sqlite:"
_SPARE = 16 << 20

DIFFERS = "differs; --overwrite replaces it"
"""Told of a database that is left although it is not as the snapshot has it: that restore is not complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``destination`` the file written to; ``item`` what is restored there (None: nothing to write)."""

    destination: bytes
    item: Item | None


def decide(source: bytes, request: RestoreRequest, manifest: Manifest, settings: Settings) -> RestorePlan:
    """The plan. Reads the target, writes nothing."""
    item = next((each for each in manifest.items() if each.kind == KIND and _wanted(each, request)), None)
    undone = request.undo_created[0] if request.undo_created else None
    name = item.name if item else undone or os.path.basename(source)
    place = destination(source, request, name)
    steps: tuple[RestoreStep, ...] = ()
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    if undone is not None and (item is None or item.name in request.undo_created):
        steps = (_undo_step(undone, place),)
        item = None
    elif item is not None:
        steps = (_step(item, place, request, settings),)
        refusals = (*_unmatched(manifest, request), *_refusals(item, place, request, steps[0]))
        warnings = tuple(_warnings(item, place, steps[0]))
    else:
        refusals = (_nothing_chosen(manifest, request),)
    return RestorePlan(
        target=_SCHEME + printable(place),
        in_place=request.in_place,
        steps=steps,
        warnings=warnings,
        refusals=refusals,
        private=Decision(destination=place, item=item),
    )


def destination(source: bytes, request: RestoreRequest, name: bytes) -> bytes:
    """The file a request means: as given (inside it, for a folder), the source itself, or a new file beside it."""
    if request.to is not None:
        if "://" in request.to:
            raise UsageError(
                "A SQLite database is restored into a file", where=request.to, hint="--to PATH, or --to sqlite:PATH"
            )
        path = os.path.abspath(os.fsencode(request.to.removeprefix(_SCHEME)))
        path = os.path.join(path, name) if os.path.isdir(path) else path
        return os.path.realpath(path) if request.in_place else path
    if request.in_place:
        return os.path.realpath(source)
    stem, suffix = os.path.splitext(source)
    label = os.fsencode(request.label.replace("/", "_"))
    first = stem + b"-restored-" + label
    tried, number = first + suffix, 1
    while os.path.lexists(tried):
        number += 1
        tried = first + b"-%d" % number + suffix
    return tried


def _nothing_chosen(manifest: Manifest, request: RestoreRequest) -> str:
    there = ", ".join(item.label for item in manifest.items() if item.kind == KIND)
    if not there:
        return "the snapshot holds no database"
    asked = ", ".join(request.only)
    return f"nothing in the snapshot matches {asked}: only whole databases can be restored, it holds {there}"


def _unmatched(manifest: Manifest, request: RestoreRequest) -> Iterator[str]:
    """One mistyped name must not pass for a restore of all that were named."""
    names = [item.name for item in manifest.items() if item.kind == KIND]
    wrong = [pattern for pattern in request.only if not any(matches(name, pattern) for name in names)]
    if wrong:
        yield f"nothing in the snapshot matches {', '.join(wrong)}"


def _wanted(item: Item, request: RestoreRequest) -> bool:
    return not request.only or any(matches(item.name, pattern) for pattern in request.only)


def _step(item: Item, place: bytes, request: RestoreRequest, settings: Settings) -> RestoreStep:
    action, detail = _action(item, place, request, settings)
    return RestoreStep(item=item.name, kind=KIND, action=action, rows=rows_of(item), size=item.size, detail=detail)


def _action(item: Item, place: bytes, request: RestoreRequest, settings: Settings) -> tuple[Action, str]:
    try:
        facts = os.stat(place)
    except FileNotFoundError:
        return Action.CREATE, f"new file {printable(place)}"
    except OSError as error:
        return Action.BLOCKED, str(error)
    if not stat.S_ISREG(facts.st_mode):
        return Action.BLOCKED, "not a file"
    if not request.in_place:
        return Action.BLOCKED, "there is a file of this name"
    try:
        if is_same(place, item, settings):
            return Action.LEAVE, "already as in the snapshot"
    except SourceError as error:
        if error.retryable:
            return Action.BLOCKED, f"{error.what} ({error.why})"
    if request.overwrite or request.exact:
        return Action.OVERWRITE, "differs; its whole content is replaced"
    return Action.LEAVE, DIFFERS


def _undo_step(name: bytes, place: bytes) -> RestoreStep:
    there = os.path.lexists(place)
    return RestoreStep(
        item=name,
        kind=KIND,
        action=Action.DELETE if there else Action.LEAVE,
        detail="created by the restore that is undone" if there else "already gone",
    )


def _refusals(item: Item, place: bytes, request: RestoreRequest, step: RestoreStep) -> Iterator[str]:
    where = printable(place)
    if step.action is Action.BLOCKED:
        yield f"{where}: {step.detail}; choose another place with --to, or say --in-place"
        return
    if step.action is Action.LEAVE:
        return
    folder = _existing(os.path.dirname(place))
    if not os.access(folder, os.W_OK | os.X_OK):
        yield f"{printable(folder)}: not writable; run holdfast as a user who may write there"
    room = os.statvfs(folder)
    copies = 2 if step.action is Action.OVERWRITE else 1
    if room.f_bavail * room.f_frsize < item.size * copies + _SPARE:
        yield f"{printable(folder)}: not enough room, {item.size * copies / (1 << 20):.0f} MiB are needed"
    if step.action is Action.CREATE and not request.in_place and (stale := side_files(place)):
        names = ", ".join(printable(each) for each in stale)
        yield f"{names}: left over from another database of that name; move it away or choose another place"


def _warnings(item: Item, place: bytes, step: RestoreStep) -> Iterator[str]:
    notes = item.notes or {}
    if notes.get("integrity") == "damaged":
        told = "; ".join(notes.get("findings", [])[:3])
        yield f"the database was damaged when it was captured: {told}"
    if step.action is Action.CREATE and side_files(place):
        endings = "/".join(each.decode() for each in SIDE_FILES)
        yield f"{printable(place)}: left-over {endings} files are set aside, never applied to restored pages"


def _existing(folder: bytes) -> bytes:
    while folder and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder or b"/"


def rows_of(item: Item) -> int | None:
    """All rows of a captured database; None where it was too large to count them."""
    uncounted = any(table["rows"] is None for table in (item.notes or {}).get("tables", []))
    return None if uncounted else item.rows
