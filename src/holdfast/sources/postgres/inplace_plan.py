"""Decides, from catalogs and manifest alone, what a restore into a living database does with each item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.model.plans import Action, RestoreStep
from holdfast.model.snapshot import Item
from holdfast.sources.base import RestoreRequest
from holdfast.sources.postgres import items as kinds
from holdfast.sources.postgres.inplace_living import Catalog, Living
from holdfast.sources.postgres.inplace_types import rounds
from holdfast.sources.postgres.names import matches
from holdfast.sources.postgres.target_saved import DATA_KINDS, Saved

NOT_OWNED = "rows of an extension that this role does not own are left as they are; restore as its owner"
NOT_OURS = "not in the snapshot; holdfast does not drop tables it did not make"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """One restore, one database."""

    saved: Saved
    catalog: Catalog
    request: RestoreRequest

    @property
    def mode(self) -> Action:
        """What happens to a table that exists."""
        if self.request.exact:
            return Action.REPLACE
        return Action.OVERWRITE if self.request.overwrite else Action.ADD

    def steps(self) -> Iterator[RestoreStep]:
        """One for each chosen item, and for each item to be taken away again."""
        for item in self.saved.chosen(kinds.KIND_TABLE):
            yield self._table(item)
        for item in self.saved.chosen(kinds.KIND_SEQUENCE):
            yield self._other(item, "moved forward only, when it is behind")
        for item in self.saved.chosen(kinds.KIND_MATVIEW):
            yield self._other(item, "exists; no table it reads changes")
        for item in self.saved.chosen(kinds.KIND_EXTENSION_CONFIG):
            yield self._configuration(item)
        large = self.saved.large_objects()
        if large is not None:
            yield self._step(large, self.mode if self.catalog.large_objects else Action.CREATE)
        if self.request.exact and not self.request.undo_created:
            yield from self._newer_tables()
        for name in self.request.undo_created:
            yield RestoreStep(item=name, kind="created", action=Action.DELETE, detail="was made by the restore")

    def refusals(self) -> Iterator[str]:
        """Tables that cannot be brought together with what they are now."""
        for item in self.saved.chosen(*DATA_KINDS):
            problem = self._problem(item)
            if problem and self._step_of(item).action is Action.BLOCKED:
                yield f"{item.label}: {problem}"
        if self.request.exact and not self.catalog.may_bypass:
            names = {self.saved.name(item) for item in self.saved.chosen(kinds.KIND_TABLE)}
            acting = {reference for name in names for reference in self.catalog.acting_on(name)}
            for reference in sorted(acting, key=lambda reference: (reference.other, reference.name)):
                yield (
                    f"{'.'.join(reference.other)}: deleting rows would change {'.'.join(reference.table)} through "
                    f"the foreign key {reference.name}; use a role that may set session_replication_role"
                )

    def cautions(self) -> Iterator[str]:
        """What is left as it is, although it was asked for."""
        for item in self.saved.chosen(kinds.KIND_EXTENSION_CONFIG):
            if self._configuration(item).detail == NOT_OWNED:
                yield f"{item.label}: {NOT_OWNED}"
        if self.request.exact and not self.request.undo_created:
            yield from self._newer_partitions()

    def _newer_tables(self) -> Iterator[RestoreStep]:
        """Tables the snapshot does not have stay, whatever "exact" means for rows: dropping them loses too much."""
        known = {self.saved.name(item) for item in self.saved.relations(kinds.KIND_TABLE, kinds.KIND_EXTENSION_CONFIG)}
        for name, living in sorted(self.catalog.relations.items()):
            extra = living.relkind == "r" and not living.member and name not in known
            if extra and (not self.saved.only or matches(self.saved.only, living.item.decode(errors="replace"), *name)):
                yield RestoreStep(item=living.item, kind=kinds.KIND_TABLE, action=Action.LEAVE, detail=NOT_OURS)

    def _newer_partitions(self) -> Iterator[str]:
        """Partitions made since belong to a table that is made exact, but the snapshot does not know them."""
        known = {self.saved.name(item) for item in self.saved.relations(kinds.KIND_TABLE)}
        roots = {(item.notes or {}).get("partition_of") for item in self.saved.chosen(kinds.KIND_TABLE)}
        labels = {root if isinstance(root, bytes) else str(root).encode() for root in roots if root}
        for name, above in sorted(self.catalog.ancestors.items()):
            living = self.catalog.relations[name]
            if living.relkind != "p" and name not in known and any(
                self.catalog.relations[root].item in labels for root in above
            ):
                yield f"partition {'.'.join(name)} was made since, its rows are left as they are"

    def _table(self, item: Item) -> RestoreStep:
        living = self.catalog.relations.get(self.saved.name(item))
        if living is None:
            return self._step(item, Action.CREATE, counts={"create": item.rows})
        problem = self._problem(item)
        if problem:
            return self._step(item, Action.BLOCKED, detail=problem)
        added = [
            name
            for name, column in living.columns.items()
            if name not in (self.saved.columns(item) or []) and not column.generated
        ]
        detail = f"columns added since keep their default: {', '.join(added)}" if added else ""
        if not living.key and self.request.overwrite and not self.request.exact:
            detail = "; ".join(part for part in (detail, "has no key: rows are added, none is changed") if part)
        return self._step(item, self.mode, detail=detail)

    def _configuration(self, item: Item) -> RestoreStep:
        """The rows users added to a table of an extension; the extension's own rows are never touched."""
        living = self.catalog.relations.get(self.saved.name(item))
        if living is not None and living.condition is None:
            return self._step(item, Action.LEAVE, detail="its extension does not let its rows be saved any more")
        if living is not None and not living.owned:
            return self._step(item, Action.LEAVE, detail=NOT_OWNED)
        return self._table(item)

    def _step_of(self, item: Item) -> RestoreStep:
        return self._configuration(item) if item.kind == kinds.KIND_EXTENSION_CONFIG else self._table(item)

    def _other(self, item: Item, detail: str) -> RestoreStep:
        if self.saved.name(item) in self.catalog.relations:
            return self._step(item, Action.LEAVE, detail=detail)
        return self._step(item, Action.CREATE)

    def _problem(self, item: Item) -> str:
        living = self.catalog.relations.get(self.saved.name(item))
        if living is None:
            return ""
        if living.relkind != "r":
            return "is not a plain table any more"
        columns = self.saved.columns(item) or []
        gone = [name for name in columns if name not in living.columns]
        if gone:
            return (
                f"columns of the snapshot are missing now: {', '.join(gone)}; restore beside and copy them over, or "
                f"ALTER TABLE {living.sql} RENAME TO … so that it is made anew, or choose other tables with --only"
            )
        computed = [name for name in columns if living.columns[name].generated]
        if computed:
            return f"columns are computed by the server now: {', '.join(computed)}"
        return self._coarser(item, living) or self._required(living, columns)

    def _coarser(self, item: Item, living: Living) -> str:
        """Types that take any value of the saved one, and round it without a word."""
        saved = zip(self.saved.columns(item) or [], (item.notes or {}).get("types") or [], strict=False)
        rounding = [
            f"{name} ({was}, now {living.columns[name].type})"
            for name, was in saved
            if rounds(str(was), living.columns[name].type)
        ]
        return f"columns are coarser now and would round saved values: {', '.join(rounding)}" if rounding else ""

    def _required(self, living: Living, columns: list[str]) -> str:
        required = [
            name
            for name, column in living.columns.items()
            if column.required and not column.has_default and not column.generated and name not in columns
        ]
        return f"columns added since need a value the snapshot has not: {', '.join(required)}" if required else ""

    def _step(
        self, item: Item, action: Action, *, detail: str = "", counts: dict[str, int] | None = None
    ) -> RestoreStep:
        rows = item.rows if item.kind in DATA_KINDS else None
        return RestoreStep(
            item=item.name,
            kind=item.kind,
            action=action,
            rows=rows,
            size=item.size,
            detail=detail,
            counts=counts or {},
        )
