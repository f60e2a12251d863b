"""Restores into a database that is alive: compared first, locked, saved for undo, then changed in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg

from holdfast.model.errors import HoldfastError
from holdfast.model.plans import Action, ItemResult, RestorePlan, RestoreStep
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content, RestoreRequest
from holdfast.sources.postgres import items as kinds
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.inplace_catalog import keep_still, read_catalog
from holdfast.sources.postgres.inplace_counting import Counting
from holdfast.sources.postgres.inplace_living import Catalog, Living, Name
from holdfast.sources.postgres.inplace_locks import STILL, WRITE, lock
from holdfast.sources.postgres.inplace_missing import Repairs, find_repairs
from holdfast.sources.postgres.inplace_plan import Deciding
from holdfast.sources.postgres.inplace_repair import SILENT, changed, step_name
from holdfast.sources.postgres.inplace_run import InPlaceRun
from holdfast.sources.postgres.inplace_still import unstoppable
from holdfast.sources.postgres.inplace_views import View, stale
from holdfast.sources.postgres.target_checks import Aim
from holdfast.sources.postgres.target_saved import DATA_KINDS, Saved

LOCK_WAIT = "10s"


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlace:
    """One restore into one living database."""

    aim: Aim
    request: RestoreRequest
    environ: Mapping[str, str]

    def plan(self, saved: Saved, connection: Connection, refusals: list[str], warnings: list[str]) -> RestorePlan:
        """From catalogs and manifest."""
        deciding = Deciding(saved=saved, catalog=read_catalog(connection), request=self.request)
        return RestorePlan(
            target=self.aim.place.url,
            in_place=True,
            steps=tuple(deciding.steps()),
            private=self.aim,
            warnings=(*warnings, *deciding.cautions()),
            refusals=(*refusals, *deciding.refusals()),
        )

    def preview(self, plan: RestorePlan, saved: Saved, content: Content) -> RestorePlan:
        """With definitions and rows compared, in a transaction that is rolled back; only temporary tables are made."""
        with self.aim.place.session() as connection:
            catalog = read_catalog(connection)
            deciding = Deciding(saved=saved, catalog=catalog, request=self.request)
            if set(plan.refusals) - set(deciding.refusals()):
                return plan
            keep_still(connection, catalog)
            repairs = find_repairs(self.aim, saved, content, catalog, self.environ)
            counting = Counting(
                connection=connection,
                catalog=catalog,
                saved=saved,
                content=content,
                request=self.request,
                place=self.aim.place,
            )
            connection.execute("BEGIN")
            try:
                steps = [counting.step(step) for step in plan.steps]
                views = self._stale(steps, catalog, connection)
            except psycopg.Error as error:
                raise self.aim.place.refused("the snapshot could not be compared with the target", error) from error
            finally:
                if not connection.closed:
                    connection.execute("ROLLBACK")
        refusals = [*plan.refusals, *_blocked(plan, steps)]
        writing = [catalog.relations[saved.name(item)] for item in saved.chosen(*DATA_KINDS) if _writes(item, steps)]
        steps = _refreshing(steps, {catalog.relations[view.name].item for view in views if view.allowed})
        known = {step.item for step in steps}
        steps += [step for step in _repair_steps(repairs, saved) if step.item not in known]
        warnings = [*plan.warnings, *counting.told, *(f"left out: {line}" for line in repairs.left_out)]
        warnings += [
            f"{view.label} reads tables that change, and this role may not refresh it; as its owner: {view.by_hand}"
            for view in views
            if not view.allowed
        ]
        if repairs.definitions is not None and repairs.living is not None:
            differing = changed(repairs.definitions.entries, repairs.living)
            if differing:
                warnings.append(f"defined otherwise than in the snapshot, left as now: {', '.join(differing)}")
        return replace(
            plan,
            steps=tuple(steps),
            warnings=tuple(warnings),
            refusals=(*refusals, *unstoppable(writing, catalog)),
            private=replace(self.aim, previewed=True),
        )

    def _stale(self, steps: list[RestoreStep], catalog: Catalog, connection: Connection) -> list[View]:
        """The materialized views that read tables which change, also those the snapshot does not know."""
        oids = {relation.item: relation.oid for relation in catalog.relations.values()}
        changing = {step.item for step in steps if step.action not in {Action.LEAVE, Action.BLOCKED}}
        tables = {oids[item] for item in changing if item in oids}
        above = {parent for name in catalog.relations for parent in catalog.ancestors.get(name, ())}
        tables |= {catalog.relations[name].oid for name in above} if self._makes_tables(steps) else set()
        taken = set(self.request.undo_created)
        found = [view for view in stale(connection, tables) if view.name in catalog.relations]
        return [view for view in found if catalog.relations[view.name].item not in taken]

    @staticmethod
    def _makes_tables(steps: list[RestoreStep]) -> bool:
        """Whether a table is made, which may be a partition that views read through its parent."""
        return any(step.kind == kinds.KIND_TABLE and step.action is Action.CREATE for step in steps)

    @contextmanager
    def hold(self, plan: RestorePlan) -> Iterator[tuple[Connection, Catalog]]:
        """A session with its transaction open and every touched table locked; rolled back unless committed."""
        with self.aim.place.session(lock_timeout=LOCK_WAIT) as connection:
            connection.execute("BEGIN")
            try:
                catalog = read_catalog(connection)
                keep_still(connection, catalog)
                by_item = {relation.item: relation for relation in catalog.relations.values()}
                touched = [by_item[step.item] for step in plan.touched() if _lockable(step, by_item)]
                compared = [by_item[step.item] for step in plan.steps if step.counts and _lockable(step, by_item)]
                names = {relation.name for relation in touched}
                still = _neighbours(catalog, names) | {relation.name for relation in compared} - names
                lock(connection, touched, WRITE, self.aim.place)
                lock(connection, [catalog.relations[name] for name in still], STILL, self.aim.place)
                yield connection, read_catalog(connection)
            finally:
                if not connection.closed:
                    connection.execute("ROLLBACK")

    def apply(
        self, plan: RestorePlan, saved: Saved, content: Content, held: tuple[Connection, Catalog]
    ) -> list[ItemResult]:
        """Do it, on the session that holds the locks, and commit."""
        connection, catalog = held
        run = InPlaceRun(connection, self.aim, catalog, saved, self.request)
        try:
            return run.run(plan, content, self.environ)
        except psycopg.Error as error:
            raise self.aim.place.refused("the restore was refused by the server; nothing was changed", error) from error
        except HoldfastError as error:
            if not run.committing and "nothing was changed" not in str(error):
                error.hint = "; ".join(part for part in (error.hint, "nothing was changed") if part)
            raise


def _blocked(plan: RestorePlan, steps: list[RestoreStep]) -> Iterator[str]:
    """What only comparing rows has shown not to fit."""
    known = {step.item for step in plan.steps if step.action is Action.BLOCKED}
    for step in steps:
        if step.action is Action.BLOCKED and step.item not in known:
            yield f"{step.label}: {step.detail}"


def _writes(item: Item, steps: list[RestoreStep]) -> bool:
    writing = {Action.ADD, Action.OVERWRITE, Action.REPLACE}
    return any(step.item == item.name and step.action in writing for step in steps)


def _lockable(step: RestoreStep, by_item: Mapping[bytes, Living]) -> bool:
    return step.item in by_item and by_item[step.item].relkind in "rp"


def _neighbours(catalog: Catalog, touched: set[Name]) -> set[Name]:
    """Tables at the other end of foreign keys: they must stand still until the keys have been checked."""
    found = set()
    for reference in catalog.around(touched):
        found |= {reference.table, reference.other}
    return found - touched


def _refreshing(steps: list[RestoreStep], views: set[bytes]) -> list[RestoreStep]:
    told = "reads tables that change: it is refreshed"
    known = {step.item for step in steps}
    return [
        *(replace(step, action=Action.OVERWRITE, detail=told) if step.item in views else step for step in steps),
        *(
            RestoreStep(item=item, kind=kinds.KIND_MATVIEW, action=Action.OVERWRITE, detail=told)
            for item in sorted(views - known)
        ),
    ]


def _repair_steps(repairs: Repairs, saved: Saved) -> Iterator[RestoreStep]:
    names = {saved.name(item): item.name for item in saved.relations("table", "sequence", "matview")}
    for entry in repairs.entries:
        if entry.phase != "access" and entry.desc not in {*SILENT, "DATABASE"}:
            yield RestoreStep(item=step_name(entry, names), kind="definition", action=Action.CREATE)


def patterns(plan: RestorePlan, there: set[bytes] | None = None) -> tuple[str, ...]:
    """Exact patterns for the items a plan touches: signs that fnmatch would read are bracketed.

    Only those ``there``, when given: an index that will be dropped has no rows to be saved.
    """
    return tuple(
        "".join(f"[{letter}]" if letter in "*?[" else letter for letter in step.label)
        for step in plan.touched()
        if there is None or step.item in there
    )
