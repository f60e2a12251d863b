"""Foretells what a restore does to the rows of each table: counted, and tried against the rules the table has now."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import psycopg

from holdfast.model.errors import TargetError
from holdfast.model.plans import Action, RestoreStep
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content, RestoreRequest
from holdfast.sources.postgres import items as kinds
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.inplace_limits import unfit
from holdfast.sources.postgres.inplace_living import Catalog, Living
from holdfast.sources.postgres.inplace_merge import Merged, Mode, Staged
from holdfast.sources.postgres.readback_largeobjects import compare_large_objects
from holdfast.sources.postgres.target_place import Place, reason
from holdfast.sources.postgres.target_saved import DATA_KINDS, Saved

_COLUMN = re.compile(r", column (?P<name>.*?)(?::|\Z)")
_WRITING = frozenset({Action.ADD, Action.OVERWRITE, Action.REPLACE})


def _said(error: psycopg.Error) -> str:
    """What the server said, with the column instead of the place in a table that only we know."""
    column = _COLUMN.search(error.diag.context or "")
    where = f"column {column['name']}: " if column else ""
    return f"{where}{error.diag.message_primary or reason(error)}"


@dataclass(slots=True, kw_only=True)
class Counting:
    """In an open transaction that is rolled back. ``told`` gathers what is left although it differs."""

    connection: Connection
    catalog: Catalog
    saved: Saved
    content: Content
    request: RestoreRequest
    place: Place
    told: list[str] = field(default_factory=list)

    def step(self, step: RestoreStep) -> RestoreStep:
        """The step with its counts; BLOCKED when rows of the snapshot do not fit the table as it is now."""
        try:
            with self.connection.transaction():
                return self._counted(step)
        except psycopg.Error as error:
            if self.connection.closed:
                raise
            problem = (
                f"rows of the snapshot do not fit the table as it is now: {self.place.harmless(_said(error))}; restore "
                "beside and bring them over, or choose other tables with --only"
            )
        except TargetError as error:
            problem = "; ".join(filter(None, (f"{error.what}: {error.why}", error.hint)))
        return replace(step, action=Action.BLOCKED, detail="; ".join(filter(None, (step.detail, problem))))

    def _counted(self, step: RestoreStep) -> RestoreStep:
        item = self.saved.fixed(step.item)
        if item is None or step.action not in _WRITING:
            return step
        if step.item == kinds.LARGE_OBJECTS:
            return self._objects(step, item)
        return self._rows(step, item) if item.kind in DATA_KINDS else step

    def _rows(self, step: RestoreStep, item: Item) -> RestoreStep:
        living = self.catalog.relations[self.saved.name(item)]
        staged = Staged(self.connection, self.saved, item, living, 0)
        staged.fill(self.content)
        mode = Mode(overwrite=self.request.overwrite, exact=self.request.exact and not staged.lost)
        merged = staged.compare(mode)
        broken = self._unfit(staged, living, mode, merged)
        staged.drop()
        counts = merged.counts()
        details = [step.detail, *merged.lost]
        if broken:
            detail = "; ".join(filter(None, [*details, *broken]))
            return replace(step, action=Action.BLOCKED, counts=counts, detail=detail)
        if merged.differing:
            details.append(f"{merged.differing} rows differ from the snapshot and are left: --overwrite replaces them")
            self._left(merged.differing, f"rows of {item.label}" if merged.differing > 1 else f"row of {item.label}")
        detail = "; ".join(filter(None, details))
        if not merged.lost and not any(counts[what] for what in ("create", "change", "delete")):
            return replace(step, action=Action.LEAVE, counts=counts, detail=detail or "already as wanted")
        return replace(step, counts=counts, detail=detail)

    def _unfit(self, staged: Staged, living: Living, mode: Mode, merged: Merged) -> list[str]:
        return unfit(self.connection, living, staged, mode) if merged.create or merged.change else []

    def _left(self, number: int, what: str) -> None:
        words = ("differ", "are", "them") if number > 1 else ("differs", "is", "it")
        self.told.append(
            f"{number} {what} {words[0]} from the snapshot and {words[1]} left: --overwrite replaces {words[2]}"
        )

    def _objects(self, step: RestoreStep, item: Item) -> RestoreStep:
        found = compare_large_objects(self.connection, item, self.content)
        counts = {
            "create": found.missing,
            "change": found.differing if self.request.overwrite else 0,
            "delete": found.extra if self.request.exact else 0,
        }
        detail = step.detail
        if found.differing and not self.request.overwrite:
            self._left(found.differing, "large objects" if found.differing > 1 else "large object")
            detail = f"{found.differing} differ from the snapshot and are left: --overwrite replaces them"
        if not any(counts.values()):
            return replace(step, action=Action.LEAVE, counts=counts, detail=detail or "already as wanted")
        return replace(step, counts=counts, detail=detail)
