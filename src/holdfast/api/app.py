"""One configuration with its repository and sources, for programs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from holdfast.api.entity import Entity, subject_of
from holdfast.model.events import Reporter, silent
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.sources.base import RestoreRequest
from holdfast.system import clock
from holdfast.usecases.backup import BackupRequest, BackupResult, backup
from holdfast.usecases.diff import DiffOrder, DiffResult, diff
from holdfast.usecases.find import FindOrder, FindResult, find
from holdfast.usecases.guard import ShipOrder, Shipped, ship
from holdfast.usecases.history import HistoryOrder, HistoryResult, history
from holdfast.usecases.listing import ListRequest, list_snapshots
from holdfast.usecases.restore import RestoreOrder, RestoreResult, restore
from holdfast.usecases.sql import SqlOrder, SqlResult, sql
from holdfast.usecases.status import SourceStatus, status_of
from holdfast.usecases.trash import Discarded, TrashOrder, one, trash
from holdfast.usecases.trash_restore import TrashRestoreOrder, TrashRestoreResult, trash_restore
from holdfast.wiring import load
from holdfast.wiring.build import App as Wired
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
    return App(Wired(load.load(Path(found), around), ask=lambda _url: None), report)


class App:
    """See ``open``. Every method raises a HoldfastError that says what, where, why, and what to do.

    Use one from one thread at a time.
    """

    def __init__(self, wired: Wired, report: Reporter = silent) -> None:
        self._wired = wired
        self._report = report

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the repository and the sources."""
        self._wired.close()

    # -- snapshots

    def backup(
        self, *sources: str, name: str | None = None, pin: bool = False, only: tuple[str, ...] = ()
    ) -> BackupResult:
        """Take a snapshot of every source, or of those named. Look at ``failures``: the others are still made."""
        self._wired.begin_opening()
        request = BackupRequest(
            sources=self._wired.sources(sources), name=name, pin=pin, only=only, trigger="api",
            created_by=clock.user(), width=self._wired.width, report=self._report,
            config=self._wired.configuration.text, environments=self._wired.environments,
        )  # fmt: skip
        return backup(self._wired.repository, request)

    def list(self, *sources: str, limit: int | None = None) -> Sequence[SnapshotInfo]:
        """Snapshots, newest first."""
        request = ListRequest(sources=sources, limit=limit, configured=tuple(self._wired.settings.sources))
        return [entry.info for entry in list_snapshots(self._wired.repository, request)]

    def status(self) -> Mapping[str, SourceStatus]:
        """What would be lost of each source if it died now."""
        configured = tuple(self._wired.settings.sources)
        found = status_of(self._wired.repository.snapshots(), configured, clock.now())
        return {each.source: each for each in found}

    def restore(
        self, snapshot: str, *, to: str | None = None, only: tuple[str, ...] = (), in_place: bool = False,
        overwrite: bool = False, exact: bool = False, verify: str = "counts", dry_run: bool = False,
    ) -> RestoreResult:  # fmt: skip
        """Get a snapshot back, into a new place unless told otherwise; options as those of ``holdfast restore``."""
        wired = self._wired
        entries = {entry.info.id: entry for entry in wired.repository.snapshots()}
        info = names.one(snapshot, [entry.info for entry in entries.values()], across_sources=False)
        configured = wired.settings.sources.get(info.source)
        place = wired.place(info.kind, to) if to is not None else None
        request = RestoreRequest(
            label=_label(info), to=place, in_place=in_place, overwrite=overwrite or exact, exact=exact, only=only,
            verify=verify, owner=configured is None or configured.owner, acl=configured is None or configured.acl,
            width=wired.width, report=self._report,
        )  # fmt: skip
        order = RestoreOrder(
            entry=entries[info.id], source=wired.source_of(info, place), request=request, dry_run=dry_run,
            created_by=clock.user(), report=self._report,
        )  # fmt: skip
        return restore(wired.repository, order)

    # -- rows

    def find(self, snapshot: str, item: str, *words: str, where: str | None = None) -> FindResult:
        """Rows of a table or collection in a snapshot: by key, by ``column=value``, or by a condition."""
        order = FindOrder(
            snapshot=snapshot, item=item, words=words, where=where, source=self._wired.reader_of, report=self._report
        )
        return find(self._wired.repository, order)

    def log(self, source: str, item: str, *words: str, live: bool = False) -> HistoryResult:
        """Every version of a row over all snapshots, oldest first."""
        order = HistoryOrder(
            source_name=source, item=item, words=words, source=self._wired.reader_of,
            live=self._wired.source if live else None, report=self._report,
        )  # fmt: skip
        return history(self._wired.repository, order)

    def diff(self, before: str, after: str, *items: str, limit: int | None = 100) -> DiffResult:
        """What changed from one snapshot to another, or to ``live``."""
        order = DiffOrder(
            before=before, after=after, items=items, limit=limit, source=self._wired.reader_of,
            live=self._wired.source, report=self._report,
        )  # fmt: skip
        return diff(self._wired.repository, order)

    @contextlib.contextmanager
    def sql(self, snapshot: str, statement: str, *, compare: str | None = None) -> Iterator[SqlResult]:
        """Ask a snapshot in SQL; rows stream while the context lasts."""
        order = SqlOrder(
            snapshot=snapshot, sql=statement, compare=compare, source=self._wired.reader_of, report=self._report
        )
        with sql(self._wired.repository, order) as result:
            yield result

    # -- entities, and what was deleted

    def entity(self, name: str, key: Any, *, limit_rows: int | None = None) -> Entity:
        """One thing of the application: ``app.entity("event", 42)``. A key of two columns is a tuple."""
        return Entity(self._wired, subject_of(self._wired, name, key, limit_rows, self._report))

    def trash(self, *sources: str) -> Sequence[Discarded]:
        """What was deleted, newest first: what guards kept, and entities that holdfast deleted."""
        order = TrashOrder(sources=self._wired.sources(sources), report=self._report)
        return trash(self._wired.repository, order)

    def trash_restore(
        self, trash_id: str, *, only: tuple[str, ...] = (), overwrite: bool = False, dry_run: bool = False
    ) -> TrashRestoreResult:
        """Bring back what one transaction deleted; ``undo`` of the result is the snapshot it can be taken back with."""
        chosen = one(self.trash(), trash_id)
        order = TrashRestoreOrder(
            discarded=chosen, source=self._wired.source(chosen.source), only=only, overwrite=overwrite,
            entities=lambda: dict(self._wired.settings.entities), dry_run=dry_run, created_by=clock.user(),
            report=self._report,
        )  # fmt: skip
        return trash_restore(self._wired.repository, order)

    def ship(self, *sources: str) -> Shipped:
        """Move what the guards kept into the repository."""
        order = ShipOrder(sources=self._wired.sources(sources), created_by=clock.user(), report=self._report)
        return ship(self._wired.repository, order)


def _label(info: SnapshotInfo) -> str:
    """What a new place is named after: when the snapshot was taken, ``20261120_0420``."""
    return datetime.fromisoformat(info.created_at).astimezone(UTC).strftime("%Y%m%d_%H%M")
