"""Carries out a restore into a living database: one session, one transaction, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg

from holdfast.model.errors import TargetError
from holdfast.model.events import Warned
from holdfast.model.plans import Action, ItemResult, RestorePlan, RestoreStep
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content, RestoreRequest
from holdfast.sources.postgres import items as kinds
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definition, Definitions
from holdfast.sources.postgres.definitions_choice import Choice
from holdfast.sources.postgres.definitions_sql import printable
from holdfast.sources.postgres.inplace_catalog import Catalog, Name, read_catalog
from holdfast.sources.postgres.inplace_drift import Drift
from holdfast.sources.postgres.inplace_keys import check_references
from holdfast.sources.postgres.inplace_plan import Deciding
from holdfast.sources.postgres.inplace_repair import (
    SILENT,
    in_phases,
    living_definitions,
    missing,
    step_name,
    take_away,
    unasked_indexes,
)
from holdfast.sources.postgres.inplace_rows import RowsRun
from holdfast.sources.postgres.inplace_views import refresh_stale, stale
from holdfast.sources.postgres.load_largeobjects import LargeObjectsRules, load_large_objects
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_checks import Aim
from holdfast.sources.postgres.target_finish import refresh, set_sequences
from holdfast.sources.postgres.target_parallel import roomy
from holdfast.sources.postgres.target_path import search_paths
from holdfast.sources.postgres.target_place import Server, look_at, reason
from holdfast.sources.postgres.target_preparing import Preparing
from holdfast.sources.postgres.target_saved import DATA_KINDS, Saved
from holdfast.sources.postgres.target_schema import Making, grant, make

_MERGING = {Action.ADD, Action.OVERWRITE, Action.REPLACE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """What is missing in the living database and will be made; ``definitions`` of the snapshot it comes from."""

    definitions: Definitions | None
    entries: tuple[Definition, ...]
    relations: frozenset[Name]
    left_out: tuple[str, ...] = ()
    living: Definitions | None = None


def find_repairs(aim: Aim, saved: Saved, content: Content, catalog: Catalog, environ: Mapping[str, str]) -> Repairs:
    """Compare the definitions of the snapshot with those of now."""
    definitions = saved.definitions(content)
    if definitions is None:
        return Repairs(definitions=None, entries=(), relations=frozenset())
    living = living_definitions(aim.place, aim.server.version, environ)
    choice = saved.choice(definitions)
    wanted = choice.entries if choice else definitions.entries
    relations = choice.relations if choice else frozenset(saved.name(item) for item in saved.relations("sequence"))
    return Repairs(
        definitions=definitions,
        entries=tuple(missing(wanted, living, catalog, definitions)),
        relations=relations,
        left_out=tuple(_left_out(choice, living, definitions)) if choice else (),
        living=living,
    )


def _left_out(choice: Choice, living: Definitions, saved: Definitions) -> Iterator[str]:
    """What was left out and how to have it, but for what the living database has anyway."""
    there = {printable(entry) for entry in living.entries}
    by_words = {printable(entry): entry for entry in saved.entries}
    for line in choice.left_out:
        words = line.partition(": it needs ")[0]
        if words in there:
            continue
        entry = by_words.get(words)
        statement = f", or make it afterwards: {' '.join(entry.create.splitlines()).strip()}" if entry else ""
        yield f"{line}; name that with --only as well{statement}"


def is_undo(request: RestoreRequest) -> bool:
    """Whether this takes back a restore."""
    return bool(request.undo_created) or request.label.startswith("undo-")


@dataclass(slots=True)
class _Result:
    rows: int | None
    status: str = "ok"
    detail: str = ""


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
        self._results: dict[bytes, ItemResult] = {}
        self.committing = False
        self._paths: list[str] = []
        self._names = {saved.name(item): item.name for item in saved.relations("table", "sequence", "matview")}

    def run(self, plan: RestorePlan, content: Content, environ: Mapping[str, str]) -> list[ItemResult]:
        """Do what the plan says and commit. On any error everything is as it was; TargetError tells."""
        repairs = find_repairs(self._aim, self._saved, content, self._catalog, environ)
        planned = {step.item: step for step in plan.steps}
        if self._aim.previewed:
            deciding = Deciding(saved=self._saved, catalog=self._catalog, request=self._request)
            Drift(connection=self._connection, deciding=deciding, plan=plan).refuse(content, repairs.entries)
        self._paths = search_paths(self._connection, repairs.definitions)
        self._take_away(repairs, environ)
        making = self._making(repairs, content)
        wanted = in_phases(self._planned_repairs(plan, repairs), repairs.definitions)
        self._make(wanted["pre-data"], making)
        if not self._catalog.may_bypass:
            self._connection.execute("SET CONSTRAINTS ALL DEFERRED")
        created = self._items(planned, Action.CREATE)
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
        for result in [*rows.load_created(created), *rows.merge(merging)]:
            self._tell(result.item.name, result.action, _Result(result.rows, result.status, result.detail))
        self._large_objects(planned, making, content)
        self._sequences(repairs, planned)
        roomy(self._connection)
        self._make(wanted["post-data"], making)
        self._check(plan)
        self._finish(wanted, making, repairs)
        self._refresh(plan, wanted)
        self._commit()
        return [*self._results.values(), *self._untouched(plan)]

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

    def _planned_repairs(self, plan: RestorePlan, repairs: Repairs) -> list[Definition]:
        """Only what the plan showed; a plan made without content has not looked, so everything missing is made."""
        shown = {step.item for step in plan.steps if step.action is Action.CREATE}
        return [
            entry
            for entry in repairs.entries
            if not self._aim.previewed or entry.desc in SILENT or step_name(entry, self._names) in shown
        ]

    def _making(self, repairs: Repairs, content: Content) -> Making | None:
        if repairs.definitions is None or not repairs.entries:
            return None
        preparing = Preparing(
            connection=self._connection,
            saved=self._saved,
            request=self._request,
            server=self._aim.server,
            warn=self._warn,
        )
        self._connection.execute(f"SET client_encoding = {quote(repairs.definitions.encoding)}")
        return preparing.making(repairs.definitions, repairs.entries, content, every_role=False)

    def _make(self, wanted: Sequence[Definition], making: Making | None) -> None:
        if making is None:
            return
        for entry in making.wanted(wanted):
            make(self._connection, entry, making, self._aim.place)
            if entry.desc not in SILENT:
                self._tell(step_name(entry, self._names), "create", _Result(None))

    def _take_away(self, repairs: Repairs, environ: Mapping[str, str]) -> None:
        if not self._request.undo_created:
            return
        living = repairs.living or living_definitions(self._aim.place, self._aim.server.version, environ)
        names = {name: relation.item for name, relation in self._catalog.relations.items()}
        take_away(self._connection, living, self._request.undo_created, names)
        if kinds.LARGE_OBJECTS in self._request.undo_created:  # the restore had found none
            self._connection.execute("SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata")
        for name in self._request.undo_created:
            self._tell(name, "delete", _Result(None))

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
            self._warn(problem)
        self._tell(item.name, planned[item.name].action.value, _Result(loaded.objects))

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
            self._results[result.name.encode()] = result

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

    def _finish(
        self,
        wanted: Mapping[str, Sequence[Definition]],
        making: Making | None,
        repairs: Repairs,
    ) -> None:
        if making is None or repairs.definitions is None:
            return
        if self._request.acl:
            for line in grant(self._connection, wanted["access"], making):
                self._warn(f"not granted: {line}")
        every = [entry for entries in wanted.values() for entry in entries]
        for line in unasked_indexes(self._connection, every, repairs.definitions):
            self._warn(line)
        made = {(entry.namespace, entry.tag) for entry in every}
        views = [item for item in self._saved.relations(kinds.KIND_MATVIEW) if self._saved.name(item) in made]
        for result in refresh(self._connection, self._saved, views, repairs.definitions, making.paths):
            self._results[result.name.encode()] = result
        self._make(wanted["last"], making)

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
            self._results[result.name.encode()] = result

    def _taken(self, plan: RestorePlan) -> list[frozenset[Name]]:
        """What the tables that were taken away had been parts of."""
        by_item = {relation.item: relation.name for relation in self._catalog.relations.values()}
        dropped = [by_item[step.item] for step in plan.steps if step.action is Action.DELETE and step.item in by_item]
        return [self._catalog.ancestors.get(name, frozenset()) for name in dropped]

    def _untouched(self, plan: RestorePlan) -> list[ItemResult]:
        return [
            ItemResult(
                name=step.label,
                action=step.action.value,
                rows=step.rows,
                status="skipped",
                detail=step.detail,
            )
            for step in plan.steps
            if step.item not in self._results and step.action is Action.LEAVE
        ]

    def _tell(self, name: bytes, action: str, result: _Result) -> None:
        label = name.decode("utf-8", "backslashreplace")
        self._results[name] = ItemResult(
            name=label, action=action, rows=result.rows, status=result.status, detail=result.detail
        )

    def _warn(self, text: str) -> None:
        self._request.report(Warned(source=self._aim.place.database, text=text))
