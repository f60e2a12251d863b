"""Writes the rows of a restore into living tables: new tables are loaded, existing ones merged, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from holdfast.model.errors import Damaged, TargetError
from holdfast.model.events import Advanced, PhaseEnded, PhaseStarted
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content, RestoreRequest
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.inplace_keys import parents_first
from holdfast.sources.postgres.inplace_living import Catalog, Name
from holdfast.sources.postgres.inplace_merge import Merged, Mode, Staged
from holdfast.sources.postgres.inplace_still import Stillness
from holdfast.sources.postgres.inplace_turns import Turns
from holdfast.sources.postgres.load import Stretch, load_segment, stretch_name
from holdfast.sources.postgres.target_place import Place
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
    """On the session that holds the locks, inside its transaction. ``paths``: where functions may look for names."""

    connection: Connection
    place: Place
    catalog: Catalog
    saved: Saved
    request: RestoreRequest
    content: Content
    paths: Sequence[str] = ()

    @property
    def mode(self) -> Mode:
        """What may happen to rows that exist."""
        return Mode(overwrite=self.request.overwrite, exact=self.request.exact)

    def load_created(self, items: list[Item]) -> list[RowsResult]:
        """Load tables made just now; one that needs another's rows is tried again after the rest."""
        by_name = {self.saved.name(item): item for item in items}
        with self._stillness(by_name).watched():
            done = self._turns().take(list(by_name), lambda name: self._load(by_name[name]))
        return list(done.values())

    def _turns(self) -> Turns:
        return Turns(connection=self.connection, catalog=self.catalog, place=self.place, paths=self.paths)

    def _stillness(self, tables: Iterable[Name]) -> Stillness:
        return Stillness(connection=self.connection, catalog=self.catalog, place=self.place, tables=list(tables))

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
        staged = {name: self._stage(by_name[name], number) for number, name in enumerate(order)}
        results = self._written(by_name, staged)
        for name, stage in staged.items():
            if self.catalog.relations[name].meddlers(may_bypass=self.catalog.may_bypass):
                stage.confirm(self._mode(stage))
            stage.drop()
        self.request.report(PhaseEnded(source=self.place.database, phase="compare and write"))
        return results

    def _written(self, items: Mapping[Name, Item], staged: Mapping[Name, Staged]) -> list[RowsResult]:
        order, turns = list(staged), self._turns()
        cleared = [name for name in reversed(order) if self.mode.exact and not staged[name].lost]
        still = self._stillness(order)
        with still.kept():
            with still.watched():
                deleted = turns.take(cleared, lambda name: staged[name].delete())
                done = turns.take(
                    order, lambda name: self._write(items[name], staged[name], deleted.get(name, 0))
                )
            turns.settle()
        return [done[name] for name in order]

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
