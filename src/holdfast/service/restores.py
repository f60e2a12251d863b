"""Deeds that bring snapshots back: whole or chosen items, single rows, and the undo of either."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from holdfast.model.errors import UsageError
from holdfast.model.ids import short
from holdfast.model.secret import split_password
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.records.preview import Fate
from holdfast.service.deeds import Deed, Going, Told, plain, summed
from holdfast.usecases.restore import RestoreResult, restore
from holdfast.usecases.restore_rows import RowsOrder, restore_rows
from holdfast.usecases.undo import UndoOrder, undo
from holdfast.wiring.build import App
from holdfast.wiring.restoring import RestoreWish, restore_order, rows_target, undo_source

_ITEMS = 2000
_ROWS = 2000


def restore_deed(app: App, wish: RestoreWish, seen: Callable[[str], bool] = lambda _source: True) -> Deed:
    """The deed for a wish, its snapshot fixed among those of sources that are ``seen``. UsageError when the wish
    cannot be meant.
    """
    infos = [entry.info for entry in app.repository.snapshots() if seen(entry.info.source)]
    info = names.one(wish.snapshot, infos, across_sources=False)
    if wish.keys or wish.where is not None:
        if len(wish.only) != 1 or wish.exact or wish.verify != "counts" or (wish.keys and wish.where is not None):
            raise UsageError("keys or where choose rows of one table", hint="only: that table, no exact, no verify")
        return RestoreRows(wish=wish, info=info)
    if (wish.overwrite or wish.exact) and not wish.in_place:
        raise UsageError("overwrite and exact belong to in_place", hint="a new place is always exact")
    if wish.skip_blocked or wish.drop_columns:
        raise UsageError("skip_blocked and drop_columns belong to keys and where")
    return Restore(wish=wish, info=info)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """A snapshot, or some of its items."""

    wish: RestoreWish
    info: SnapshotInfo
    kind: str = "restore"

    @property
    def source(self) -> str:
        """See Deed."""
        return self.info.source

    @property
    def scope(self) -> str:
        """In place where it changes what is there."""
        return "restore:in-place" if self.wish.in_place else "restore:new-place"

    @property
    def words(self) -> str:
        """See Deed."""
        where = "in place" if self.wish.in_place else "into a new place"
        only = f", only {', '.join(self.wish.only)}" if self.wish.only else ""
        return f"restore of {short(self.info.id)} of {self.info.source} {where}{only}"

    @property
    def command(self) -> str:
        """See Deed."""
        wish = self.wish
        flags = [f"--{name.replace('_', '-')}" for name in ("in_place", "overwrite", "exact") if getattr(wish, name)]
        verify = ["--verify", wish.verify] if wish.verify != "counts" else []
        return _line(["restore", short(self.info.id), *_to(wish), *_only(wish), *flags, *verify])

    def do(self, going: Going) -> Told:
        """See Deed."""
        app, wish, info = going.app, self.wish, self.info
        entry = next((each for each in app.repository.snapshots() if each.info.id == info.id), None)
        if entry is None:
            raise UsageError(f"snapshot {short(info.id)} is not there any more", hint="choose another: holdfast list")
        order = restore_order(app, entry, wish, by=going.who, report=going.report)
        order = replace(order, dry_run=going.dry_run, run=going.run, settle=going.settle)
        return told_restore(restore(app.repository, order))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRows:
    """Single rows of one table, into the living application."""

    wish: RestoreWish
    info: SnapshotInfo
    kind: str = "restore"
    scope: str = "restore:in-place"

    @property
    def source(self) -> str:
        """See Deed."""
        return self.info.source

    @property
    def words(self) -> str:
        """See Deed."""
        return f"restore of rows of {self.wish.only[0]} from {short(self.info.id)} of {self.info.source}"

    @property
    def command(self) -> str:
        """See Deed."""
        wish = self.wish
        chosen = ["--where", wish.where] if wish.where is not None else [f"--keys={key}" for key in wish.keys]
        names_ = ("overwrite", "skip_blocked", "drop_columns")
        flags = [f"--{name.replace('_', '-')}" for name in names_ if getattr(wish, name)]
        return _line(["restore", short(self.info.id), *_to(wish), *_only(wish), *chosen, *flags])

    def do(self, going: Going) -> Told:
        """See Deed."""
        app, wish = going.app, self.wish
        order = RowsOrder(
            snapshot=self.info.id, item=wish.only[0], keys=wish.keys, where=wish.where, overwrite=wish.overwrite,
            skip_blocked=wish.skip_blocked, drop_columns=wish.drop_columns, source=app.reader_of,
            target=rows_target(app, wish.to), to=wish.to, dry_run=going.dry_run, created_by=going.who,
            run=going.run, report=going.report, settle=going.settle,
        )  # fmt: skip
        done = restore_rows(app.repository, order)
        blocked, differing = done.counts[Fate.BLOCKED.value], done.counts[Fate.CONFLICT.value]
        told = [f"{blocked} rows cannot be written"] if blocked and not wish.skip_blocked else []
        told += done.refusals
        document = {
            "run": done.run, "snapshot": done.snapshot.id, "target": done.target, "dry_run": done.dry_run,
            "verified": not done.dry_run and not differing, "table": done.table, "counts": done.counts,
            "rows": done.documents[:_ROWS], "row_count": len(done.documents), "not_found": done.not_found,
            "warnings": done.warnings, "refusals": told, "undo": done.undo, "seconds": done.seconds,
        }  # fmt: skip
        return Told(
            document=plain(document), refusals=tuple(told), complete=not blocked, private=("rows", "not_found"),
            whole=summed(map(plain, done.documents)), snapshots=(done.undo,) if done.undo else (),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """Take back what the restore ``run`` of ``source`` changed."""

    run: str
    source: str
    force: bool = False
    kind: str = "undo"
    scope: str = "restore:in-place"

    @property
    def words(self) -> str:
        """See Deed."""
        return f"undo of run {short(self.run)} of {self.source}"

    @property
    def command(self) -> str:
        """See Deed."""
        return _line(["undo", short(self.run), *(["--force"] if self.force else [])])

    def do(self, going: Going) -> Told:
        """See Deed."""
        app = going.app
        order = UndoOrder(
            run=self.run, source=lambda info: undo_source(app, info), dry_run=going.dry_run, force=self.force,
            created_by=going.who, report=going.report, new_run=going.run, settle=going.settle,
        )  # fmt: skip
        return told_restore(undo(app.repository, order))


def undo_deed(
    app: App, run: str, *, force: bool = False, seen: Callable[[str], bool] = lambda _source: True
) -> Undo:
    """The undo of a run of a source that is ``seen``, by its id or its start. UsageError when there is none."""
    found = {
        entry.info.run: entry.info.source
        for entry in app.repository.snapshots()
        if entry.info.trigger == "pre-restore" and entry.info.undo is not None and entry.info.run.startswith(run)
        and seen(entry.info.source)
    }
    if len(found) != 1 or len(run) < 4:
        raise UsageError(
            f"there is nothing to undo for run {run!r}" if not found else f"several runs begin with {run!r}",
            why="a restore into a new place changes nothing that exists, so it keeps no undo" if not found else "",
            hint="holdfast list --json shows the runs with trigger pre-restore",
        )
    ((whole, source),) = found.items()
    return Undo(run=whole, source=source, force=force)


def told_restore(done: RestoreResult) -> Told:
    """What a restore or undo told."""
    counts = {step.label: step.counts for step in done.plan.steps}
    items = [
        {"name": each.name, "action": each.action, "rows": each.rows, "status": each.status, "detail": each.detail,
         "counts": counts.get(each.name, {})}
        for each in done.items
    ]  # fmt: skip
    shown = sorted(items, key=lambda each: each["action"] == "leave")[:_ITEMS]
    document: dict[str, Any] = {
        "run": done.run, "snapshot": done.snapshot, "target": done.target, "dry_run": done.dry_run,
        "verified": done.verified, "items": shown, "item_count": len(items),
        "rows_restored": sum(each.rows or 0 for each in done.items if each.status == "ok" and each.action != "leave"),
        "warnings": done.warnings, "refusals": list(done.plan.refusals), "undo": done.undo, "seconds": done.seconds,
    }  # fmt: skip
    return Told(
        document=plain(document), refusals=done.plan.refusals, complete=done.dry_run or done.verified,
        snapshots=(done.undo,) if done.undo else (), whole=summed(plain(items)),
    )  # fmt: skip


def _to(wish: RestoreWish) -> list[str]:
    return ["--to", split_password(wish.to)[0]] if wish.to is not None else []


def _only(wish: RestoreWish) -> list[str]:
    return [word for pattern in wish.only for word in ("--only", pattern)]


def _line(words: list[str]) -> str:
    return shlex.join(["holdfast", *words])
