"""One configuration with its repository and sources, for programs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from holdfast.api.acts import Acts
from holdfast.api.entity import Entity, Named
from holdfast.api.runs import Relay, backup_outcome, run_of
from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.events import Reporter, Warned, silent
from holdfast.model.ids import new_id
from holdfast.model.report import SystemReport
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.system import clock
from holdfast.usecases.backup import BackupRequest, BackupResult, backup
from holdfast.usecases.diff import DiffOrder, DiffResult, diff
from holdfast.usecases.entity_finding import entity_named
from holdfast.usecases.find import FindOrder, FindResult, find
from holdfast.usecases.guard import ShipOrder, Shipped, ship
from holdfast.usecases.history import HistoryOrder, HistoryResult, history
from holdfast.usecases.listing import ListRequest, list_snapshots
from holdfast.usecases.noting import without_values
from holdfast.usecases.restore import RestoreResult, restore
from holdfast.usecases.retention import Doing, apply, plan
from holdfast.usecases.sql import SqlOrder, SqlResult, sql
from holdfast.usecases.trash import Discarded, TrashOrder, one, trash
from holdfast.usecases.trash_restore import TrashRestoreOrder, TrashRestoreResult, trash_restore
from holdfast.usecases.undo import UndoOrder, undo
from holdfast.wiring import load
from holdfast.wiring.build import App as Wired
from holdfast.wiring.journals import reading
from holdfast.wiring.pool import Pool
from holdfast.wiring.reporting import system_report
from holdfast.wiring.restoring import RestoreWish, restore_order, undo_source
from holdfast.wiring.retaining import remember_rules, retention_request
from holdfast.wiring.surroundings import of_process


def open(  # noqa: A001 - holdfast.open is what people write
    path: str | os.PathLike[str] | None = None, *, report: Reporter = silent
) -> App:
    """The App of a configuration file, or of the folder it is in; None: where ``holdfast`` itself would find it.

    Nothing is connected to yet. ``report`` hears events on the way. UsageError when there is no such file, or it
    cannot be carried out. Close it, or use it in a ``with``.
    """
    around = of_process()
    found = load.find(around, os.fspath(path) if path is not None else None)
    configuration = load.load(Path(found), around)
    return App(lambda: Wired(configuration, ask=lambda _url: None), report)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """``forgotten``: what the rules of the configuration let go. ``held``: why nothing was, per source."""

    forgotten: Sequence[SnapshotInfo] = ()
    held: Sequence[str] = field(default_factory=tuple)


class App:
    """See ``open``. Every method raises a HoldfastError that says what, where, why, and what to do.

    Safe to use from any number of threads, and in processes forked after it was made: each call works with objects of
    its own. ``report`` may hear events from several threads at once.
    """

    def __init__(self, build: Callable[[], Wired], report: Reporter = silent) -> None:
        self._pool = Pool(build)
        self._report = report

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the repository and the sources."""
        self._pool.close()

    # -- snapshots

    def backup(
        self, *sources: str, name: str | None = None, pin: bool = False, only: tuple[str, ...] = ()
    ) -> BackupResult:
        """Take a snapshot of every source, or of those named. Look at ``failures``: the others are still made."""
        _texts(*sources, *only)
        if name is not None:
            names.check_label(name)
        report = Relay(self._report)
        with self._pool.lend() as wired:
            wired.begin_opening()
            request = BackupRequest(
                sources=wired.sources(sources), name=name, pin=pin, only=only, trigger="api",
                created_by=clock.user(), width=wired.width, report=report,
                config=wired.configuration.text, environments=wired.environments,
            )  # fmt: skip
            with run_of(wired, report, "backup", request.run, sources or wired.settings.sources) as kept:
                result = backup(wired.repository, request)
                kept.outcome = backup_outcome(wired, result)
            remember_rules(wired, request.sources, request.created_by)
            return result

    def retain(self, *sources: str) -> Retained:
        """Let go of what the ``keep`` rules of the configuration do not want any more; can be undone for a while."""
        report = Relay(self._report)
        with self._pool.lend() as wired:
            wanted = retention_request(wired.settings, clock.now(), sources=sources)
            decided = plan(wired.repository, wanted)
            with run_of(wired, report, "forget", new_id(), sources):
                doing = Doing(
                    who=clock.user(), via="python", required=wired.settings.audit.required,
                    warn=lambda text: report(Warned(source="", text=text)),
                )  # fmt: skip
                gone = apply(wired.repository, decided, doing)
        held = [f"{each.terms.source}: {each.held}" for each in decided.sources if each.held]
        return Retained(forgotten=gone, held=held)

    def list(self, *sources: str, limit: int | None = None) -> Sequence[SnapshotInfo]:
        """Snapshots, newest first."""
        if limit is not None and limit < 0:
            raise UsageError(f"limit {limit} is less than nothing", hint="leave it out for all of them")
        with self._pool.lend() as wired:
            request = ListRequest(sources=sources, limit=limit, configured=tuple(wired.settings.sources))
            return [entry.info for entry in list_snapshots(wired.repository, request)]

    def status(self) -> SystemReport:
        """What would be lost if it died now, worst source first, from evidence and the clock."""
        lost: list[HoldfastError] = []
        with self._pool.lend() as wired, reading(wired.configuration, lost.append) as journal:
            for error in lost:
                text = f"{error.what}: {error.why}; what only the journal knows is not told"
                self._report(Warned(source="", text=text))
            return system_report(wired, journal, *lost)

    def restore_latest(
        self, source: str, *, to: str | None = None, only: tuple[str, ...] = (), in_place: bool = False,
        overwrite: bool = False, exact: bool = False, verify: str = "counts", dry_run: bool = False,
    ) -> RestoreResult:  # fmt: skip
        """Get the newest complete snapshot of a source back; as ``restore``."""
        return self.restore(
            f"latest:{source}", to=to, only=only, in_place=in_place, overwrite=overwrite, exact=exact, verify=verify,
            dry_run=dry_run,
        )  # fmt: skip

    def restore(
        self, snapshot: str, *, to: str | None = None, only: tuple[str, ...] = (), in_place: bool = False,
        overwrite: bool = False, exact: bool = False, verify: str = "counts", dry_run: bool = False,
    ) -> RestoreResult:  # fmt: skip
        """Get a snapshot back, into a new place unless told otherwise; options as those of ``holdfast restore``."""
        _texts(snapshot, *only)
        report = Relay(self._report)
        with self._pool.lend() as wired:
            entries = {entry.info.id: entry for entry in wired.repository.snapshots()}
            info = names.one(snapshot, [entry.info for entry in entries.values()], across_sources=False)
            wish = RestoreWish(
                snapshot=info.id, to=to, only=only, in_place=in_place, overwrite=overwrite, exact=exact, verify=verify
            )
            order = restore_order(wired, entries[info.id], wish, by=clock.user(), report=report)
            order = replace(order, dry_run=dry_run)
            deed, told = "restore:in-place" if in_place else "restore:new-place", f"restore: {', '.join(only)}"
            with (
                run_of(wired, report, "restore", order.run, [info.source], dry_run=dry_run),
                Acts(wired, report).change(
                    deed, told.rstrip(" :"), source=info.source, subject=info.id, dry_run=dry_run
                ),
            ):
                return restore(wired.repository, order)

    def undo(self, run: str, *, dry_run: bool = False, force: bool = False) -> RestoreResult:
        """Take back what a restore changed. ``run``: the ``run`` of its result, or the start of it."""
        report = Relay(self._report)
        with self._pool.lend() as wired:
            order = UndoOrder(
                run=run, source=lambda info: undo_source(wired, info), dry_run=dry_run, force=force,
                created_by=clock.user(), report=report,
            )  # fmt: skip
            with (
                run_of(wired, report, "undo", order.new_run, (), dry_run=dry_run),
                Acts(wired, report).change("restore:undo", "undoing a run", subject=run, dry_run=dry_run),
            ):
                return undo(wired.repository, order)

    # -- rows

    def find(self, snapshot: str, item: str, *words: object, where: str | None = None) -> FindResult:
        """Rows of a table or collection in a snapshot: by key, by ``column=value``, or by a condition."""
        with self._pool.lend() as wired:
            order = FindOrder(
                snapshot=snapshot, item=item, words=tuple(map(str, words)), where=where, source=wired.reader_of,
                report=self._report,
            )
            Acts(wired, self._report).look(f"rows of {item}", snapshot=snapshot)
            return find(wired.repository, order)

    def log(self, source: str, item: str, *words: object, live: bool = False) -> HistoryResult:
        """Every version of a row over all snapshots, oldest first."""
        with self._pool.lend() as wired:
            order = HistoryOrder(
                source_name=source, item=item, words=tuple(map(str, words)), source=wired.reader_of,
                live=wired.source if live else None, report=self._report,
            )  # fmt: skip
            Acts(wired, self._report).look(f"the versions of a row of {item}", source=source)
            return history(wired.repository, order)

    def diff(self, before: str, after: str, *items: str, limit: int | None = 100) -> DiffResult:
        """What changed from one snapshot to another, or to ``live``."""
        with self._pool.lend() as wired:
            order = DiffOrder(
                before=before, after=after, items=items, limit=limit, source=wired.reader_of,
                live=wired.source, report=self._report,
            )  # fmt: skip
            Acts(wired, self._report).look(f"rows that differ between {before} and {after}", snapshot=before)
            return diff(wired.repository, order)

    @contextlib.contextmanager
    def sql(self, snapshot: str, statement: str, *, compare: str | None = None) -> Iterator[SqlResult]:
        """Ask a snapshot in SQL; rows stream while the context lasts."""
        with self._pool.lend() as wired:
            order = SqlOrder(
                snapshot=snapshot, sql=statement, compare=compare, source=wired.reader_of, report=self._report
            )
            Acts(wired, self._report).look(without_values(statement), snapshot=snapshot)
            with sql(wired.repository, order) as result:
                yield result

    # -- entities, and what was deleted

    def entity(self, name: str, key: Any, *, limit_rows: int | None = None) -> Entity:
        """One thing of the application: ``app.entity("event", 42)``. A key of two columns is a tuple."""
        with self._pool.lend() as wired:
            entity_named(wired.settings.entities, name)
        return Entity(self._pool, Named(name=name, key=key, limit_rows=limit_rows, report=self._report))

    def trash(self, *sources: str) -> Sequence[Discarded]:
        """What was deleted, newest first: what guards kept, and entities that holdfast deleted."""
        with self._pool.lend() as wired:
            found = trash(wired.repository, TrashOrder(sources=wired.sources(sources), report=self._report))
            for source in sorted({each.source for each in found if each.entity}):
                Acts(wired, self._report).look("the trash", source=source)
            return found

    def trash_restore(
        self, trash_id: str, *, only: tuple[str, ...] = (), overwrite: bool = False, dry_run: bool = False
    ) -> TrashRestoreResult:
        """Bring back what one transaction deleted; ``undo`` of the result is the snapshot it can be taken back with."""
        report = Relay(self._report)
        with self._pool.lend() as wired:
            chosen = one(trash(wired.repository, TrashOrder(sources=wired.sources(()), report=report)), trash_id)
            order = TrashRestoreOrder(
                discarded=chosen, source=wired.source(chosen.source), only=only, overwrite=overwrite,
                entities=lambda: dict(wired.settings.entities), dry_run=dry_run, created_by=clock.user(),
                report=report,
            )  # fmt: skip
            acts, of = Acts(wired, report), chosen.source
            with (
                run_of(wired, report, "trash-restore", order.run, [of], dry_run=dry_run),
                acts.change("restore:trash", "from the trash", source=of, subject=chosen.id, dry_run=dry_run),
            ):
                return trash_restore(wired.repository, order)

    def ship(self, *sources: str) -> Shipped:
        """Move what the guards kept into the repository."""
        report = Relay(self._report)
        with self._pool.lend() as wired:
            order = ShipOrder(sources=wired.sources(sources), created_by=clock.user(), report=report)
            with run_of(wired, report, "ship", order.run, sources):
                return ship(wired.repository, order)


def _texts(*given: object) -> None:
    """UsageError for what is no text: a list where names are expected one by one, None where one is."""
    for each in given:
        if not isinstance(each, str):
            raise UsageError(f"{each!r} is no name", hint="names are texts, each an argument of its own")
