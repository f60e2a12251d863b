"""Makes the definitions that a living database has lost, and takes away those that an undo names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.model.plans import Action, RestorePlan
from holdfast.sources.base import Content, RestoreRequest
from holdfast.sources.postgres import items as kinds
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definition
from holdfast.sources.postgres.inplace_living import Catalog, Name
from holdfast.sources.postgres.inplace_missing import Repairs
from holdfast.sources.postgres.inplace_repair import SILENT, living_definitions, step_name, take_away, unasked_indexes
from holdfast.sources.postgres.inplace_telling import Telling
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_checks import Aim
from holdfast.sources.postgres.target_finish import refresh
from holdfast.sources.postgres.target_preparing import Preparing
from holdfast.sources.postgres.target_saved import Saved
from holdfast.sources.postgres.target_schema import Making, grant, make


@dataclass(slots=True, kw_only=True)
class DefinitionsRun:
    """On the session that holds the locks, inside its transaction. ``making``: None until something is to be made."""

    connection: Connection
    aim: Aim
    catalog: Catalog
    saved: Saved
    request: RestoreRequest
    repairs: Repairs
    told: Telling
    making: Making | None = None
    _names: dict[Name, bytes] = field(init=False)

    def __post_init__(self) -> None:
        named = self.saved.relations("table", "sequence", "matview")
        self._names = {self.saved.name(item): item.name for item in named}

    def planned(self, plan: RestorePlan) -> list[Definition]:
        """Only what the plan showed; a plan made without content has not looked, so everything missing is made."""
        shown = {step.item for step in plan.steps if step.action is Action.CREATE}
        return [
            entry
            for entry in self.repairs.entries
            if not self.aim.previewed or entry.desc in SILENT or step_name(entry, self._names) in shown
        ]

    def take_away(self, environ: Mapping[str, str]) -> None:
        """Drop what an undo names, unless something else has come to need it."""
        if not self.request.undo_created:
            return
        living = self.repairs.living or living_definitions(self.aim.place, self.aim.server.version, environ)
        names = {name: relation.item for name, relation in self.catalog.relations.items()}
        take_away(self.connection, living, self.request.undo_created, names)
        if kinds.LARGE_OBJECTS in self.request.undo_created:  # the restore had found none
            self.connection.execute("SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata")
        for name in self.request.undo_created:
            self.told.done(name, "delete")

    def prepare(self, content: Content) -> None:
        """Ready the session for making; nothing is made yet."""
        repairs = self.repairs
        if repairs.definitions is None or not repairs.entries:
            return
        preparing = Preparing(
            connection=self.connection,
            saved=self.saved,
            request=self.request,
            server=self.aim.server,
            warn=self.told.warn,
        )
        self.connection.execute(f"SET client_encoding = {quote(repairs.definitions.encoding)}")
        self.making = preparing.making(repairs.definitions, repairs.entries, content, every_role=False)

    def make(self, wanted: Sequence[Definition]) -> None:
        """Make these, in their order."""
        if self.making is None:
            return
        for entry in self.making.wanted(wanted):
            make(self.connection, entry, self.making, self.aim.place)
            if entry.desc not in SILENT:
                self.told.done(step_name(entry, self._names), "create")

    def finish(self, wanted: Mapping[str, Sequence[Definition]]) -> None:
        """Grant rights, fill the materialized views made just now, and make what must come last."""
        making = self.making
        if making is None or self.repairs.definitions is None:
            return
        if self.request.acl:
            for line in grant(self.connection, wanted["access"], making):
                self.told.warn(f"not granted: {line}")
        every = [entry for entries in wanted.values() for entry in entries]
        for line in unasked_indexes(self.connection, every, self.repairs.definitions):
            self.told.warn(line)
        made = {(entry.namespace, entry.tag) for entry in every}
        views = [item for item in self.saved.relations(kinds.KIND_MATVIEW) if self.saved.name(item) in made]
        for result in refresh(self.connection, self.saved, views, self.repairs.definitions, making.paths):
            self.told.add(result.name.encode(), result)
        self.make(wanted["last"])
