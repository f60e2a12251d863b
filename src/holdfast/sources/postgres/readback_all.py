"""Verifies a whole restore: every table, sequence, large object and definition against the snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.model.plans import Action, ItemResult, RestorePlan
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content, RestoreRequest
from holdfast.sources.postgres import items as kinds
from holdfast.sources.postgres.inplace_merge import Mode
from holdfast.sources.postgres.readback import ReadBack
from holdfast.sources.postgres.readback_beside import Beside
from holdfast.sources.postgres.target_checks import Aim
from holdfast.sources.postgres.target_place import Place, look_at
from holdfast.sources.postgres.target_saved import Saved, has_slices


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifying:
    """One restore that has been carried out."""

    place: Place
    request: RestoreRequest
    environ: Mapping[str, str]
    saved: Saved
    content: Content

    def run(self, plan: RestorePlan, *, in_place: bool) -> list[ItemResult]:
        """One result per item. In a living database rows of its own are no difference, unless ``exact`` was asked."""
        with self.place.session() as connection:
            server = look_at(connection)
        aim = Aim(place=self.place, server=server, exists=True, in_place=in_place)
        beside = Beside(aim=aim, saved=self.saved, content=self.content, request=self.request, environ=self.environ)
        tables = self._tables(plan)
        whole = [item for item in tables if not in_place and self._plain(item)]
        rest = [item for item in tables if item not in whole]
        reading = ReadBack(
            place=self.place,
            saved=self.saved,
            content=self.content,
            width=self.request.width,
            report=self.request.report,
            environ=self.environ,
        )
        mode = (
            Mode(overwrite=self.request.overwrite, exact=self.request.exact)
            if in_place
            else Mode(overwrite=True, exact=True)
        )
        results = [*(reading.compare(whole) if whole else []), *beside.staged(rest, mode)]
        planned = {step.item for step in plan.steps}
        sequences = [item for item in self.saved.chosen(kinds.KIND_SEQUENCE) if item.name in planned]
        results += beside.sequences(sequences)
        large = self.saved.fixed(kinds.LARGE_OBJECTS)
        overwritten = not in_place or self.request.overwrite
        if large is not None and large.name in planned and overwritten:
            results.append(beside.large_objects(large))
        definitions = beside.definitions() if not self.request.undo_created else None
        return [*([definitions] if definitions else []), *results]

    def _tables(self, plan: RestorePlan) -> list[Item]:
        skipped = {step.item for step in plan.steps if step.action is Action.BLOCKED}
        left = {step.item for step in plan.steps if step.action is Action.LEAVE and not step.counts}
        found = [item for item in self.saved.chosen(kinds.KIND_TABLE) if item.name not in skipped]
        return found + [item for item in self.saved.chosen(kinds.KIND_EXTENSION_CONFIG) if item.name not in left]

    def _plain(self, item: Item) -> bool:
        """Whether all its rows are the snapshot's and can be read as lines."""
        return item.kind == kinds.KIND_TABLE and not has_slices(item) and self._feedable(item)

    def _feedable(self, item: Item) -> bool:
        """Whether psql can be told the names: those of a SQL_ASCII database have no encoding beyond ASCII."""
        names = [*self.saved.name(item), *(self.saved.columns(item) or [])]
        return self.saved.codec != "latin-1" or all(name.isascii() for name in names)
