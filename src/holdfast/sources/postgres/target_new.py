"""Restores into a new or empty database: roles, definitions, rows, indexes and keys, grants, views, statistics.

The database carries a mark in its comment until everything is done, so that half a restore cannot pass for a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg

from holdfast.model.errors import HoldfastError, TargetError
from holdfast.model.events import PhaseEnded, PhaseStarted, Warned
from holdfast.model.plans import ItemResult
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content, RestoreRequest
from holdfast.sources.postgres import items as kinds
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definition, Definitions
from holdfast.sources.postgres.definitions_choice import Choice
from holdfast.sources.postgres.definitions_sql import printable
from holdfast.sources.postgres.load import Loaded, Loader
from holdfast.sources.postgres.load_largeobjects import LargeObjectsRules, load_large_objects
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_checks import Aim, missing_extensions
from holdfast.sources.postgres.target_create import create_database, give_properties, mark, unmark
from holdfast.sources.postgres.target_finish import analyze, refresh, set_sequences, settle
from holdfast.sources.postgres.target_parallel import make_side_by_side, roomy
from holdfast.sources.postgres.target_place import Place
from holdfast.sources.postgres.target_preparing import Preparing
from holdfast.sources.postgres.target_saved import DATA_KINDS, Saved
from holdfast.sources.postgres.target_schema import Making, grant, make, make_in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlace:
    """One restore into a database that holds nothing yet."""

    aim: Aim
    saved: Saved
    content: Content
    request: RestoreRequest

    def apply(self) -> list[ItemResult]:
        """Do it; one result per item, and one per definition that could not be made."""
        definitions = self.saved.definitions(self.content)
        if definitions is None:
            raise TargetError(
                "this snapshot holds rows only, no definitions",
                where=self.aim.place.url,
                hint="restore it with --in-place into a database that has the tables",
            )
        choice = self.saved.choice(definitions)
        self._refuse_early(definitions, choice)
        created = not self.aim.exists
        if created:
            with self.aim.place.named(self._maintenance()).session() as connection:
                create_database(connection, self.aim.place, definitions, self.aim.server)
        try:
            with self.aim.place.session() as connection:
                mark(connection, self.aim.place, self.request.label)
                results = _Run(self, connection, definitions, choice, created=created).run()
                settle(connection)
                if all(result.status == "ok" for result in results):
                    unmark(connection, self.aim.place)
        except psycopg.Error as error:
            raise self._told(self.aim.place.refused("the restore stopped", error), created=created) from error
        except HoldfastError as error:
            raise self._told(error, created=created) from error
        return results

    def _maintenance(self) -> str:
        """A database to be connected to while another is created."""
        return "postgres" if "postgres" in self.aim.server.databases else "template1"

    def _refuse_early(self, definitions: Definitions, choice: Choice | None) -> None:
        wanted = definitions if choice is None else None
        missing = (
            missing_extensions(definitions, self.aim.server)
            if wanted
            else [
                entry.tag
                for entry in (choice.entries if choice else ())
                if entry.desc == "EXTENSION" and entry.tag not in self.aim.server.extensions
            ]
        )
        if missing:
            raise TargetError(
                f"extensions are not installed on the target server: {', '.join(missing)}",
                where=self.aim.place.url,
                hint="install their packages there first; nothing was written",
            )

    def _told(self, error: HoldfastError, *, created: bool) -> HoldfastError:
        """The same failure, with the state it leaves behind."""
        drop = f"DROP DATABASE {quote(self.aim.place.database)};"
        state = (
            f"the database {self.aim.place.database} is unfinished (its comment says so); remove it with: {drop}"
            if created
            else f"the database {self.aim.place.database} holds an unfinished restore (its comment says so)"
        )
        kind = type(error)
        return kind(
            error.what,
            where=error.where or self.aim.place.url,
            why=error.why,
            hint="; ".join(part for part in (error.hint, state) if part),
            retryable=error.retryable,
        )


class _Run:
    """The steps, in order."""

    def __init__(
        self,
        job: NewPlace,
        connection: Connection,
        definitions: Definitions,
        choice: Choice | None,
        *,
        created: bool,
    ) -> None:
        self._job = job
        self._place: Place = job.aim.place
        self._saved = job.saved
        self._connection = connection
        self._definitions = definitions
        self._choice = choice
        self._created = created
        self._results: list[ItemResult] = []

    def run(self) -> list[ItemResult]:
        preparing = Preparing(
            connection=self._connection,
            saved=self._saved,
            request=self._job.request,
            server=self._job.aim.server,
            warn=self._warn,
        )
        chosen = self._choice.entries if self._choice else self._definitions.entries
        making = preparing.making(self._definitions, chosen, self._job.content, every_role=self._choice is None)
        self._phase("pre-data")
        self._connection.execute("SET synchronous_commit = off")
        self._set_encoding()
        make_in_order(self._connection, making.wanted(self._entries("pre-data")), making, self._place)
        self._ended("pre-data")
        loaded = self._rows(making)
        set_failed = set_sequences(self._connection, self._saved, self._relations(kinds.KIND_SEQUENCE))
        self._results += set_failed
        self._large_objects(making)
        self._keys(making)
        self._last(making)
        tables = [self._saved.name(item) for item in self._relations(kinds.KIND_TABLE)]
        analyze(self._place, tables, self._job.request.width)
        self._count(loaded)
        return self._results

    def _entries(self, phase: str) -> list[Definition]:
        if self._choice is None:
            return self._definitions.phase(phase)
        return [entry for entry in self._choice.entries if entry.phase == phase]

    def _relations(self, *wanted: str) -> list[Item]:
        found = self._saved.relations(*wanted)
        if self._choice is None:
            return found
        asked = self._choice.relations
        return [
            item
            for item in found
            if self._saved.name(item) in asked and (item.kind not in DATA_KINDS or self._saved.is_chosen(item))
        ]

    def _set_encoding(self) -> None:
        encoding = self._definitions.encoding.replace("'", "")
        self._connection.execute(f"SET client_encoding = '{encoding}'")

    def _rows(self, making: Making) -> dict[bytes, Loaded]:
        items = self._relations(*DATA_KINDS)
        loader = Loader(
            self._place,
            self._saved,
            self._job.content,
            width=self._job.request.width,
            report=self._job.request.report,
            paths=making.paths,
        )
        return loader.run(items)

    def _large_objects(self, making: Making) -> None:
        item = self._saved.large_objects()
        if item is None:
            return
        rules = LargeObjectsRules(owners=making.keeps_owner, acl=self._job.request.acl)
        loaded = load_large_objects(self._connection, item, self._job.content, rules)
        for problem in loaded.problems:
            self._warn(problem)
        self._results.append(
            ItemResult(
                name=item.label,
                action="create",
                rows=loaded.objects,
                status="failed" if loaded.lost else "ok",
                detail="; ".join(loaded.lost),
            )
        )

    def _keys(self, making: Making) -> None:
        self._phase("indexes and keys")
        weight = self._weight()
        failed = make_side_by_side(
            self._place,
            making.wanted(self._entries("post-data")),
            making,
            width=self._job.request.width,
            weight=weight,
        )
        for identifier, error in failed.items():
            entry = self._definitions.get(identifier)
            if entry is not None:
                self._failed(entry, error)
        self._ended("indexes and keys")

    def _weight(self) -> dict[int, int]:
        sizes = {self._saved.name(item): item.size for item in self._relations(kinds.KIND_TABLE)}
        return {entry.id: sizes.get((entry.namespace, entry.tag), 0) for entry in self._definitions.of("TABLE")}

    def _last(self, making: Making) -> None:
        """Grants, then views that are filled with what they may see, then triggers on events."""
        if self._job.request.acl:
            for line in grant(self._connection, making.wanted(self._entries("access")), making):
                self._warn(f"not granted: {line}")
        roomy(self._connection)
        views = self._relations(kinds.KIND_MATVIEW)
        self._results += refresh(self._connection, self._saved, views, self._definitions, making.paths)
        for entry in making.wanted(self._entries("last")):
            try:
                make(self._connection, entry, making, self._place)
            except TargetError as error:
                if self._connection.closed:
                    raise
                self._failed(entry, error)
        if self._created and self._choice is None:
            for line in give_properties(self._connection, self._place, making):
                self._warn(f"not kept: {line}")

    def _failed(self, entry: Definition, error: HoldfastError) -> None:
        self._results.append(
            ItemResult(
                name=printable(entry),
                action="create",
                rows=None,
                status="failed",
                detail=f"{error.what}: {error.why}",
            )
        )

    def _count(self, loaded: dict[bytes, Loaded]) -> None:
        tables = self._relations(*DATA_KINDS)
        found: Iterable[ItemResult] = (
            ItemResult(
                name=item.label,
                action="create",
                rows=loaded[item.name].rows,
                status="failed" if loaded[item.name].lost else "ok",
                detail="; ".join(loaded[item.name].lost),
            )
            for item in tables
        )
        made = ItemResult(name="definitions", action="create", rows=None, status="ok", detail=self._left_out())
        self._results = [made, *found, *self._results]

    def _left_out(self) -> str:
        if self._choice is None:
            return ""
        lines = [*self._choice.left_out, *(f"the other partitions of {name}" for name in self._choice.partial)]
        return "; ".join(f"left out: {line}" for line in lines)

    def _warn(self, text: str) -> None:
        self._job.request.report(Warned(source=self._place.database, text=text))

    def _phase(self, name: str) -> None:
        self._job.request.report(PhaseStarted(source=self._place.database, phase=name, unit="items"))

    def _ended(self, name: str) -> None:
        self._job.request.report(PhaseEnded(source=self._place.database, phase=name))
