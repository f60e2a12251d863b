"""Writes the rows of a restore into living tables: new tables are loaded, existing ones merged, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg

from holdfast.model.errors import Damaged, TargetError
from holdfast.model.events import Advanced, PhaseEnded, PhaseStarted
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content, RestoreRequest
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.inplace_catalog import Catalog, Name
from holdfast.sources.postgres.inplace_keys import parents_first
from holdfast.sources.postgres.inplace_merge import Merged, Mode, Staged
from holdfast.sources.postgres.load import Stretch, load_segment, stretch_name
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_place import Place, reason
from holdfast.sources.postgres.target_saved import Saved


@dataclass(frozen=True, slots=True)
class RowsResult:
    """What became of one table."""

    item: Item
    action: str
    rows: int
    status: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsRun:
    """On the session that holds the locks, inside its transaction."""

    connection: Connection
    place: Place
    catalog: Catalog
    saved: Saved
    request: RestoreRequest
    content: Content

    @property
    def mode(self) -> Mode:
        """What may happen to rows that exist."""
        return Mode(overwrite=self.request.overwrite, exact=self.request.exact)

    def load_created(self, items: list[Item]) -> list[RowsResult]:
        """Load tables made just now; one that needs another's rows is tried again after the rest."""
        waiting, problem = items, None
        results = []
        while waiting:
            again: list[Item] = []
            for item in waiting:
                try:
                    with self.connection.transaction():
                        results.append(self._load(item))
                except psycopg.Error as error:
                    if self.connection.closed:
                        raise
                    again.append(item)
                    problem = TargetError(
                        "rows were refused by the server; nothing was changed",
                        where=item.label,
                        why=self.place.harmless(reason(error)),
                    )
            if len(again) == len(waiting) and problem is not None:
                raise problem
            waiting = again
        return results

    def _load(self, item: Item) -> RowsResult:
        rows, lost = 0, []
        for segment in item.segments:
            try:
                with self.connection.transaction():
                    loaded = load_segment(self.connection, Stretch(self.saved, item, segment), self.content)
            except Damaged as error:
                lost.append(
                    f"{stretch_name(segment)}: {segment.rows} rows are damaged in the repository ({error.what})"
                )
                continue
            if loaded != segment.rows:
                raise TargetError(
                    "the server counts other rows than the snapshot; nothing was changed",
                    where=item.label,
                    why=f"{stretch_name(segment)}: {loaded} instead of {segment.rows}",
                )
            rows += loaded
            self.request.report(Advanced(source=self.place.database, phase="load", amount=segment.size))
        return RowsResult(item, "create", rows, "failed" if lost else "ok", "; ".join(lost))

    def merge(self, items: list[Item]) -> list[RowsResult]:
        """Children lose rows before parents do, parents gain rows before children."""
        by_name = {self.saved.name(item): item for item in items}
        order = parents_first(list(by_name), self.catalog.references)
        total = sum(item.size for item in items)
        self.request.report(PhaseStarted(source=self.place.database, phase="compare and write", total=total))
        staged = [(by_name[name], self._stage(by_name[name], number)) for number, name in enumerate(order)]
        resting = [] if self.catalog.may_bypass else self._rest_triggers(by_name)
        deleted = {
            item.name: stage.delete() if self.mode.exact and not stage.lost else 0 for item, stage in reversed(staged)
        }
        results = [self._write(item, stage, deleted[item.name]) for item, stage in staged]
        for statement in resting:
            self.connection.execute(statement)
        for item, stage in staged:
            living = self.catalog.relations[self.saved.name(item)]
            if living.meddlers(may_bypass=self.catalog.may_bypass):
                stage.confirm(self._mode(stage))
            stage.drop()
        self.request.report(PhaseEnded(source=self.place.database, phase="compare and write"))
        return results

    def _stage(self, item: Item, number: int) -> Staged:
        staged = Staged(self.connection, self.saved, item, self.catalog.relations[self.saved.name(item)], number)
        staged.fill(self.content)
        self.request.report(Advanced(source=self.place.database, phase="compare and write", amount=item.size))
        return staged

    def _mode(self, staged: Staged) -> Mode:
        """Nothing is deleted by a snapshot that lost rows."""
        return Mode(overwrite=self.mode.overwrite, exact=self.mode.exact and not staged.lost)

    def _write(self, item: Item, staged: Staged, deleted: int) -> RowsResult:
        added, changed, blocked = staged.write(self._mode(staged))
        merged = Merged(create=added, change=changed, delete=deleted, blocked=blocked, lost=tuple(staged.lost))
        status = "failed" if merged.lost else "incomplete" if blocked else "ok"
        told = [f"{added} added", f"{changed} changed", f"{deleted} deleted", *merged.lost]
        if staged.left_differing:
            told.append(f"{staged.left_differing} differ and were left: --overwrite replaces them")
        if blocked:
            told.append(f"{blocked} rows not added: another row has their unique value")
        action = "replace" if self.mode.exact else "overwrite" if self.mode.overwrite else "add"
        return RowsResult(item, action, item.rows, status, "; ".join(told))

    def _rest_triggers(self, tables: Iterable[Name]) -> list[str]:
        """Switch off the triggers of tables this role owns; the statements that put them back as they were."""
        again = []
        for name in tables:
            living = self.catalog.relations[name]
            for trigger, enabled in living.triggers if living.owned else []:
                back = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}[enabled]
                self.connection.execute(f"ALTER TABLE {living.sql} DISABLE TRIGGER {quote(trigger)}")
                again.append(f"ALTER TABLE {living.sql} {back} TRIGGER {quote(trigger)}")
        return again
