"""Carries out a restore into a living database: one session, one transaction, all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg

from holdfast.model.errors import TargetError
from holdfast.model.plans import Action, ItemResult, RestorePlan, RestoreStep
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content, RestoreRequest
from holdfast.sources.postgres import items as kinds
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definition
from holdfast.sources.postgres.inplace_catalog import read_catalog
from holdfast.sources.postgres.inplace_definitions import DefinitionsRun
from holdfast.sources.postgres.inplace_drift import Drift
from holdfast.sources.postgres.inplace_keys import check_references
from holdfast.sources.postgres.inplace_living import Catalog, Name
from holdfast.sources.postgres.inplace_missing import Repairs, find_repairs
from holdfast.sources.postgres.inplace_plan import Deciding
from holdfast.sources.postgres.inplace_repair import in_phases
from holdfast.sources.postgres.inplace_rows import RowsRun
from holdfast.sources.postgres.inplace_telling import Telling
from holdfast.sources.postgres.inplace_views import refresh_stale, stale
from holdfast.sources.postgres.load_largeobjects import LargeObjectsRules, load_large_objects
from holdfast.sources.postgres.target_checks import Aim
from holdfast.sources.postgres.target_finish import set_sequences
from holdfast.sources.postgres.target_parallel import roomy
from holdfast.sources.postgres.target_path import search_paths
from holdfast.sources.postgres.target_place import Server, look_at, reason
from holdfast.sources.postgres.target_saved import DATA_KINDS, Saved
from holdfast.sources.postgres.target_schema import Making

_MERGING = {Action.ADD, Action.OVERWRITE, Action.REPLACE}


def is_undo(request: RestoreRequest) -> bool:
    """Whether this takes back a restore."""
    return bool(request.undo_created) or request.label.startswith("undo-")


class InPlaceRun:
    """The steps of one restore, on the session that holds the locks."""

    def __init__(
        self, connection: Connection, aim: Aim, catalog: Catalog, saved: Saved, request: RestoreRequest
    ) -> None:
        self._connection = connection
        self._aim = aim
        self._catalog = catalog
        self._saved = saved
        self._request = request
        self._told = Telling(database=aim.place.database, report=request.report)
        self.committing = False
        self._paths: list[str] = []

    def run(self, plan: RestorePlan, content: Content, environ: Mapping[str, str]) -> list[ItemResult]:
        """Do what the plan says and commit. On any error everything is as it was; TargetError tells."""
        repairs = find_repairs(self._aim, self._saved, content, self._catalog, environ)
        planned = {step.item: step for step in plan.steps}
        if self._aim.previewed:
            deciding = Deciding(saved=self._saved, catalog=self._catalog, request=self._request)
            Drift(connection=self._connection, deciding=deciding, plan=plan).refuse(content, repairs.entries)
        self._paths = search_paths(self._connection, repairs.definitions)
        definitions = DefinitionsRun(
            connection=self._connection,
            aim=self._aim,
            catalog=self._catalog,
            saved=self._saved,
            request=self._request,
            repairs=repairs,
            told=self._told,
        )
        definitions.take_away(environ)
        definitions.prepare(content)
        wanted = in_phases(definitions.planned(plan), repairs.definitions)
        definitions.make(wanted["pre-data"])
        if not self._catalog.may_bypass:
            self._connection.execute("SET CONSTRAINTS ALL DEFERRED")
        self._rows(planned, content)
        self._large_objects(planned, definitions.making, content)
        self._sequences(repairs, planned)
        roomy(self._connection)
        definitions.make(wanted["post-data"])
        self._check(plan)
        definitions.finish(wanted)
        self._refresh(plan, wanted)
        self._commit()
        return self._told.all(plan)

    def _commit(self) -> None:
        """Commit, and believe it only when the server says so."""
        self.committing = True
        try:
            said = self._connection.execute("COMMIT").statusmessage
        except psycopg.OperationalError as error:
            if not self._connection.closed:
                raise
            raise TargetError(
                "the connection was lost while the restore was committed: it may or may not have been done",
                where=self._aim.place.url,
                why=self._aim.place.harmless(reason(error)),
                hint="look with --dry-run: either everything is restored or nothing",
            ) from error
        if said != "COMMIT":
            raise TargetError("the server undid the restore; nothing was changed", where=self._aim.place.url)

    def _rows(self, planned: Mapping[bytes, RestoreStep], content: Content) -> None:
        rows = RowsRun(
            connection=self._connection,
            place=self._aim.place,
            catalog=self._catalog,
            saved=self._saved,
            request=self._request,
            content=content,
            paths=self._paths,
        )
        merging = [item for action in _MERGING for item in self._items(planned, action)]
        for result in [*rows.load_created(self._items(planned, Action.CREATE)), *rows.merge(merging)]:
            self._told.done(result.item.name, result.action, result.rows, status=result.status, detail=result.detail)

    def _items(self, planned: Mapping[bytes, object], action: Action) -> list[Item]:
        found = []
        for item in self._saved.relations(*DATA_KINDS):
            step = planned.get(item.name)
            if step is not None and getattr(step, "action", None) is action:
                found.append(item)
        return found

    def _large_objects(self, planned: Mapping[bytes, RestoreStep], making: Making | None, content: Content) -> None:
        item = self._saved.fixed(kinds.LARGE_OBJECTS)
        if item is None or item.name not in planned or planned[item.name].action is Action.LEAVE:
            return
        server: Server = look_at(self._connection)
        owners = server.roles if server.superuser else (making.keeps_owner if making else frozenset())
        rules = LargeObjectsRules(
            owners=owners, acl=self._request.acl, overwrite=self._request.overwrite, exact=self._request.exact
        )
        loaded = load_large_objects(self._connection, item, content, rules)
        if loaded.lost:
            raise TargetError(
                "large objects are damaged in the repository; nothing was changed",
                where=item.label,
                why="; ".join(loaded.lost),
                hint="choose the tables with --only",
            )
        for problem in loaded.problems:
            self._told.warn(problem)
        self._told.done(item.name, planned[item.name].action.value, loaded.objects)

    def _sequences(self, repairs: Repairs, planned: Mapping[bytes, object]) -> None:
        made = {(entry.namespace, entry.tag) for entry in repairs.entries}
        chosen = [
            item
            for item in self._saved.relations(kinds.KIND_SEQUENCE)
            if item.name in planned or self._saved.name(item) in repairs.relations
        ]
        living = [item for item in chosen if self._saved.name(item) in made | set(self._catalog.relations)]
        new = [item for item in living if self._saved.name(item) in made]
        old = [item for item in living if self._saved.name(item) not in made]
        for result in [
            *set_sequences(self._connection, self._saved, new),
            *set_sequences(self._connection, self._saved, old, never_back=True),
        ]:
            self._told.add(result.name.encode(), result)

    def _check(self, plan: RestorePlan) -> None:
        merged = {step.item for step in plan.steps if step.action in _MERGING}
        tables = {self._saved.name(item) for item in self._saved.relations(*DATA_KINDS) if item.name in merged}
        if self._catalog.may_bypass:
            # what checks a deferrable key is a trigger, and those were kept still: building it anew checks it
            for index in [index for table in sorted(tables) for index in self._catalog.relations[table].deferrable]:
                self._connection.execute(f"REINDEX INDEX {index}")
            # keys may have gone with tables taken away; keys made just now were checked as they were made
            still = set(read_catalog(self._connection).references)
            keys = [key for key in self._catalog.around(tables) if key in still]
            check_references(self._connection, keys, undoing=is_undo(self._request))

    def _refresh(self, plan: RestorePlan, wanted: Mapping[str, Sequence[Definition]]) -> None:
        """Views made just now were filled as they were made; the others read what was there before."""
        catalog = read_catalog(self._connection)
        items = {relation.item: relation.oid for relation in catalog.relations.values() if relation.relkind in "rp"}
        changed = {items[step.item] for step in plan.steps if step.action is not Action.LEAVE and step.item in items}
        made = {(entry.namespace, entry.tag) for entries in wanted.values() for entry in entries}
        above = {name for parents in self._taken(plan) for name in parents}
        changed |= {catalog.relations[name].oid for name in above if name in catalog.relations}
        views = [view for view in stale(self._connection, changed) if view.allowed and view.name not in made]
        for result in refresh_stale(self._connection, views, self._aim.place, self._paths):
            self._told.add(result.name.encode(), result)

    def _taken(self, plan: RestorePlan) -> list[frozenset[Name]]:
        """What the tables that were taken away had been parts of."""
        by_item = {relation.item: relation.name for relation in self._catalog.relations.values()}
        dropped = [by_item[step.item] for step in plan.steps if step.action is Action.DELETE and step.item in by_item]
        return [self._catalog.ancestors.get(name, frozenset()) for name in dropped]
