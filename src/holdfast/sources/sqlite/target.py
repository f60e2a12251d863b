"""A place to restore a database into: a new file, or the database itself."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from holdfast.model.errors import SourceError, TargetError
from holdfast.model.plans import Action, ItemResult, RestorePlan
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content, Manifest, RestoreRequest, Source
from holdfast.sources.sqlite import comparing, placing, replacing
from holdfast.sources.sqlite.deciding import DIFFERS, Decision, decide, rows_of
from holdfast.sources.sqlite.names import KIND, printable, side_files
from holdfast.sources.sqlite.settings import Settings

_CANNOT_LOCK = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
_NEW_MODE = 0o600

MakeSource = Callable[[bytes, Settings], Source]


class SqliteTarget:
    """See sources.base.Target. ``make_source`` gives the source that captures what is about to be replaced."""

    def __init__(self, source: bytes, request: RestoreRequest, settings: Settings, make_source: MakeSource) -> None:
        self._source = source
        self._request = request
        self._settings = settings
        self._make_source = make_source
        self._lock: replacing.Lock | None = None
        self._seen: tuple[int, ...] | None = None

    def plan(self, manifest: Manifest) -> RestorePlan:
        """Create, overwrite or leave, after comparing the target with the snapshot byte by byte."""
        return decide(self._source, self._request, manifest, self._settings)

    @contextlib.contextmanager
    def hold(self, plan: RestorePlan) -> Iterator[None]:
        """Keep the write lock of a database that will be replaced; readers go on.

        TargetError when it cannot be had within ``Settings.wait``. A file that is no sound database cannot be
        locked: it is watched instead, and left alone when it moved.
        """
        decision = _decision(plan)
        if plan.touched():
            self._lock = self._locked(decision.destination)
            self._seen = _signature(decision.destination)
        try:
            yield
        finally:
            self._let_go()

    def touched_source(self, plan: RestorePlan) -> tuple[Source, tuple[str, ...]] | None:
        """The database that is there now, whole."""
        if not plan.touched():
            return None
        return self._make_source(_decision(plan).destination, self._settings), (KIND,)

    def apply(self, plan: RestorePlan, manifest: Manifest, content: Content) -> list[ItemResult]:  # noqa: ARG002
        """Write, check, and only then put in place."""
        if plan.refusals:
            raise TargetError("This restore was refused", where=plan.target, why="; ".join(plan.refusals))
        decision = _decision(plan)
        results: list[ItemResult] = []
        for step in plan.steps:
            if step.action is Action.DELETE:
                results.append(self._remove(decision.destination, step.label))
            elif step.action is Action.LEAVE or decision.item is None:
                status = "incomplete" if step.detail == DIFFERS else "skipped"
                results.append(_result(step.label, step.action, step.rows, status, step.detail))
            else:
                results += self._write(decision, decision.item, content, step.action)
        return results

    def verify(self, plan: RestorePlan, manifest: Manifest, content: Content) -> list[ItemResult]:  # noqa: ARG002
        """Read the database back as an application would, and compare every byte with the snapshot's."""
        decision = _decision(plan)
        item = decision.item
        if item is None or plan.steps[0].action is Action.LEAVE:
            return []
        action = plan.steps[0].action
        try:
            difference = comparing.first_difference(decision.destination, item, content, self._settings)
        except SourceError as error:
            difference = f"{error.what} ({error.why})"
        status = "failed" if difference else "ok"
        return [_result(item.label, action, rows_of(item), status, difference)]

    # -- doing

    def _write(self, decision: Decision, item: Item, content: Content, action: Action) -> list[ItemResult]:
        place, notes = decision.destination, item.notes or {}
        with placing.written_beside(place, item, content, self._request.width) as temporary:
            found = _checked(temporary, item)
            if action is Action.CREATE:
                detail = self._create(temporary, place, notes)
            elif self._lock is not None and _is_of_whole_pages(temporary):
                detail = self._replace_live(temporary, place, item, self._lock)
            else:
                self._let_go()
                detail = self._replace_file(temporary, place)
        tables = comparing.table_results(item, found["tables"], action)
        bad = [each for each in tables if each.status == "failed"]
        status = "failed" if bad else "ok"
        if notes.get("integrity") == "damaged":
            detail = (detail + "; " if detail else "") + "damaged already when it was captured"
        return [_result(item.label, action, rows_of(item), status, detail), *tables]

    def _create(self, temporary: bytes, place: bytes, notes: dict[str, Any]) -> str:
        aside = placing.set_aside(place, self._request.label)
        file = notes.get("file", {})
        owner = (file["uid"], file["gid"]) if self._request.owner and "uid" in file else None
        with placing.translated(place):
            placing.take_over_ownership(temporary, file.get("mode", _NEW_MODE), owner)
        placing.publish(temporary, place)
        return _aside_text(aside)

    def _replace_live(self, temporary: bytes, place: bytes, item: Item, lock: replacing.Lock) -> str:
        done = replacing.replace_content(place, temporary, lock, self._settings.wait)
        try:
            same = comparing.is_same(place, item, self._settings)
            if not same and done.untouched():
                raise TargetError(
                    "The replaced database is not what was restored",
                    where=printable(place),
                    hint="Bring the previous state back with holdfast undo, and report this",
                )
        finally:
            done.close()
        return "" if same else "others wrote to it right after the restore"

    def _replace_file(self, temporary: bytes, place: bytes) -> str:
        with placing.translated(place):
            if _signature(place) != self._seen:
                raise TargetError(
                    "The file changed after the pre-restore snapshot was taken",
                    where=printable(place),
                    hint="Nothing was changed. Stop what writes to it, then restore again",
                    retryable=True,
                )
            facts = os.stat(place)
            placing.take_over_ownership(temporary, facts.st_mode & 0o7777, (facts.st_uid, facts.st_gid))
            aside = placing.set_aside(place, self._request.label)
            os.replace(temporary, place)
            placing.flush_folder(place)
        return _aside_text(aside)

    def _remove(self, place: bytes, label: str) -> ItemResult:
        if self._lock is not None:
            if not self._lock.unmoved():
                raise TargetError("The database was written to meanwhile", where=printable(place), retryable=True)
            self._lock.close()
        with placing.translated(place):
            for each in [place, *side_files(place)]:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(each)
            placing.flush_folder(place)
        return _result(label, Action.DELETE, None, "ok", "removed")

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _locked(self, place: bytes) -> replacing.Lock | None:
        try:
            return replacing.Lock(place, self._settings.wait)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "").startswith(_CANNOT_LOCK):
                return None
            raise replacing.translated(error, place) from error


def _checked(temporary: bytes, item: Item) -> dict[str, Any]:
    """What the restored file holds; TargetError when it is damaged and the captured one was not."""
    notes = item.notes or {}
    counted = any(table["rows"] is not None for table in notes.get("tables", []))
    found = placing.inspect(temporary, count=counted)
    if found["integrity"] == "damaged" and notes.get("integrity") != "damaged":
        raise TargetError(
            "The restored database is damaged",
            where=item.label,
            why="; ".join(found["findings"][:3]),
            hint="Nothing was put in place; try an older snapshot and run holdfast check --read-data",
        )
    return found


def _decision(plan: RestorePlan) -> Decision:
    if not isinstance(plan.private, Decision):
        raise TargetError("This plan was made for another kind of target", where=plan.target)
    return plan.private


def _is_of_whole_pages(image: bytes) -> bool:
    """Whether SQLite itself can write it into a living database; a damaged one may have a torn end."""
    with open(image, "rb") as file:
        page_size = int.from_bytes(file.read(18)[16:18], "big")
    return os.path.getsize(image) % (65536 if page_size == 1 else page_size or 1) == 0


def _signature(path: bytes) -> tuple[int, ...]:
    facts = os.stat(path)
    return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def _aside_text(names: list[str]) -> str:
    return f"set aside: {', '.join(names)}" if names else ""


def _result(name: str, action: Action, rows: int | None, status: str, detail: str) -> ItemResult:
    return ItemResult(name=name, action=str(action), rows=rows, status=status, detail=detail)
