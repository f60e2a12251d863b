"""Finds, once the locks are held, what has changed in the target since the plan was made: then nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.model.errors import TargetError
from holdfast.model.plans import Action, RestorePlan, RestoreStep
from holdfast.sources.base import Content
from holdfast.sources.postgres import items as kinds
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definition
from holdfast.sources.postgres.inplace_merge import Merged, Mode, Staged
from holdfast.sources.postgres.inplace_plan import Deciding
from holdfast.sources.postgres.inplace_repair import step_name
from holdfast.sources.postgres.readback_largeobjects import compare_large_objects
from holdfast.sources.postgres.target_saved import DATA_KINDS

_SHOWN = 5
_SILENT = frozenset({"ACL", "COMMENT", "SECURITY LABEL", "DATABASE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One plan that was previewed, and the target as it is under the locks."""

    connection: Connection
    deciding: Deciding
    plan: RestorePlan

    def refuse(self, content: Content, missing: Iterable[Definition]) -> None:
        """TargetError when the plan is not what would be planned now. ``missing``: definitions the target lacks."""
        found = [*self._relations(), *self._definitions(missing)]
        found = found or [*self._rows(content)]
        if found:
            raise TargetError(
                "the target was changed after it was compared with the snapshot",
                where=self.plan.target,
                why="; ".join(found[:_SHOWN]) + (f"; and {len(found) - _SHOWN} more" if found[_SHOWN:] else ""),
                hint="run the restore again",
                retryable=True,
            )

    def _relations(self) -> Iterator[str]:
        """Tables that came, went, or can no longer be brought together with the snapshot."""
        planned = {step.item: step.action for step in self.plan.steps}
        for step in self.deciding.steps():
            before = planned.get(step.item)
            if before is None or step.kind not in {*DATA_KINDS, kinds.KIND_SEQUENCE, kinds.KIND_MATVIEW}:
                continue
            if step.action is Action.CREATE and before is not Action.CREATE:
                yield f"{step.label} is gone"
            elif before is Action.CREATE and step.action is not Action.CREATE:
                yield f"{step.label} has been made"
            elif step.action is Action.BLOCKED:
                yield f"{step.label}: {step.detail}"

    def _definitions(self, missing: Iterable[Definition]) -> Iterator[str]:
        names = {self.deciding.saved.name(item): item.name for item in self.deciding.saved.relations(*_NAMED)}
        shown = {step.item for step in self.plan.steps if step.action is Action.CREATE}
        for entry in missing:
            name = step_name(entry, names)
            if entry.desc not in _SILENT and entry.phase != "access" and name not in shown:
                yield f"{name.decode('utf-8', 'backslashreplace')} is gone"

    def _rows(self, content: Content) -> Iterator[str]:
        """Tables the plan leaves because they were as wanted, compared once more."""
        for step in self.plan.steps:
            if step.action is Action.LEAVE and self._compared(step):
                left = self._now(step, content)
                if any((left.create, left.change, left.delete)):
                    told = {"missing": left.create, "differing": left.change, "too many": left.delete}
                    rows = ", ".join(f"{number} {word}" for word, number in told.items() if number)
                    yield f"{step.label}: {rows}"

    def _compared(self, step: RestoreStep) -> bool:
        """Whether the preview compared rows; what a mode never touches has no counts."""
        return bool(step.counts) and step.kind in {*DATA_KINDS, kinds.KIND_LARGE_OBJECTS}

    def _now(self, step: RestoreStep, content: Content) -> Merged:
        item = self.deciding.saved.fixed(step.item)
        request = self.deciding.request
        if item is None:
            return Merged()
        if item.kind == kinds.KIND_LARGE_OBJECTS:
            found = compare_large_objects(self.connection, item, content)
            return Merged(
                create=found.missing,
                change=found.differing if request.overwrite else 0,
                delete=found.extra if request.exact else 0,
            )
        living = self.deciding.catalog.relations[self.deciding.saved.name(item)]
        staged = Staged(self.connection, self.deciding.saved, item, living, 0)
        staged.fill(content)
        merged = staged.compare(Mode(overwrite=request.overwrite, exact=request.exact and not staged.lost))
        staged.drop()
        return merged


_NAMED = (kinds.KIND_TABLE, kinds.KIND_SEQUENCE, kinds.KIND_MATVIEW)
