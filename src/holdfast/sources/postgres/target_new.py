"""Restores into a new or empty database: roles, definitions, rows, indexes and keys, grants, views, statistics.

The database carries a mark in its comment until everything is done, so that half a restore cannot pass for a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from holdfast.sources.postgres.load_largeobjects import load_large_objects
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_checks import Aim, extensions, missing_extensions
from holdfast.sources.postgres.target_create import create_database, give_properties, mark, unmark
from holdfast.sources.postgres.target_finish import analyze, refresh, set_sequences, settle
from holdfast.sources.postgres.target_parallel import make_side_by_side, roomy
from holdfast.sources.postgres.target_place import Place, Server, look_at, value
from holdfast.sources.postgres.target_roles import make_roles
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
            raise TargetError("this snapshot holds rows only, no definitions", where=self.aim.place.url,
                              hint="restore it with --in-place into a database that has the tables")
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
        missing = missing_extensions(definitions, self.aim.server) if wanted else [
            entry.tag for entry in (choice.entries if choice else ())
            if entry.desc == "EXTENSION" and entry.tag not in self.aim.server.extensions
        ]
        if missing:
            raise TargetError(
                f"extensions are not installed on the target server: {', '.join(missing)}", where=self.aim.place.url,
                hint="install their packages there first; nothing was written",
            )

    def _told(self, error: HoldfastError, *, created: bool) -> HoldfastError:
        """The same failure, with the state it leaves behind."""
        drop = f"DROP DATABASE {quote(self.aim.place.database)};"
        state = (f"the database {self.aim.place.database} is unfinished (its comment says so); remove it with: {drop}"
                 if created else f"the database {self.aim.place.database} holds an unfinished restore (its comment says so)")
        kind = type(error)
        return kind(error.what, where=error.where or self.aim.place.url, why=error.why,
                    hint="; ".join(part for part in (error.hint, state) if part), retryable=error.retryable)


class _Run:
    """The steps, in order."""

    def __init__(
        self, job: NewPlace, connection: Connection, definitions: Definitions, choice: Choice | None, *, created: bool
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
        making = self._making(self._roles())
        self._phase("pre-data")
        self._connection.execute("SET synchronous_commit = off")
        self._set_encoding()
        make_in_order(self._connection, making.wanted(self._entries("pre-data")), making, self._place)
        self._ended("pre-data")
        loaded = self._rows()
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
        return [item for item in found if self._saved.name(item) in asked
                and (item.kind not in DATA_KINDS or self._saved.is_chosen(item))]

    def _roles(self) -> Server:
        """Make missing roles when that is wanted and allowed; the server as it is then."""
        script = self._saved.roles(self._job.content) if self._job.request.owner or self._job.request.acl else ""
        if not script:
            return self._job.aim.server
        wanted = {entry.owner for entry in self._choice.entries} if self._choice else None
        made = make_roles(self._connection, script, self._job.aim.server.roles, wanted)
        for problem in made.problems:
            self._warn(problem)
        if made.made:
            self._warn(f"roles created: {', '.join(made.made)}")
        for role in made.without_password:
            self._warn(f"role {role} cannot log in: its password is not in the snapshot; as a superuser: "
                       f"ALTER ROLE {quote(role)} LOGIN PASSWORD '…';")
        return look_at(self._connection)

    def _making(self, server: Server) -> Making:
        owners = {entry.owner for entry in self._definitions.entries if entry.owner}
        settable = self._settable(owners & server.roles, server) if self._job.request.owner else frozenset()
        if self._job.request.owner:
            for role in sorted(owners - settable):
                self._warn(f"objects of role {role} now belong to {server.user}: the role "
                           f"{'may not be given anything' if role in server.roles else 'does not exist'} here")
        pinned = {name: version for name, version in extensions(self._saved).items()
                  if version in server.extensions.get(name, frozenset())}
        return Making(definitions=self._definitions, keeps_owner=settable, tablespaces=server.tablespaces,
                      pinned=pinned, acl=self._job.request.acl)

    def _settable(self, owners: set[str], server: Server) -> frozenset[str]:
        if server.superuser:
            return frozenset(owners)
        right = "SET" if server.major >= 16 else "MEMBER"
        return frozenset(role for role in owners if value(
            self._connection, f"SELECT pg_catalog.pg_has_role(current_user, %s, '{right}')", role))

    def _set_encoding(self) -> None:
        encoding = self._definitions.encoding.replace("'", "")
        self._connection.execute(f"SET client_encoding = '{encoding}'")

    def _rows(self) -> dict[bytes, Loaded]:
        items = self._relations(*DATA_KINDS)
        loader = Loader(self._place, self._saved, self._job.content, width=self._job.request.width,
                        report=self._job.request.report)
        return loader.run(items)

    def _large_objects(self, making: Making) -> None:
        item = self._saved.fixed(kinds.LARGE_OBJECTS)
        if item is None or self._choice is not None:
            return
        loaded = load_large_objects(self._connection, item, self._job.content, owners=making.keeps_owner,
                                    acl=self._job.request.acl)
        for problem in loaded.problems:
            self._warn(problem)
        self._results.append(ItemResult(name=item.label, action="create", rows=loaded.objects,
                                        status="failed" if loaded.lost else "ok", detail="; ".join(loaded.lost)))

    def _keys(self, making: Making) -> None:
        self._phase("indexes and keys")
        weight = self._weight()
        failed = make_side_by_side(self._place, making.wanted(self._entries("post-data")), making,
                                   width=self._job.request.width, weight=weight)
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
        self._results += refresh(self._connection, self._saved, views, self._definitions)
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
        self._results.append(ItemResult(name=printable(entry), action="create", rows=None, status="failed",
                                        detail=f"{error.what}: {error.why}"))

    def _count(self, loaded: dict[bytes, Loaded]) -> None:
        tables = self._relations(*DATA_KINDS)
        found: Iterable[ItemResult] = (
            ItemResult(name=item.label, action="create", rows=loaded[item.name].rows,
                       status="failed" if loaded[item.name].lost else "ok", detail="; ".join(loaded[item.name].lost))
            for item in tables
        )
        made = ItemResult(name="definitions", action="create", rows=None, status="ok", detail=self._left_out())
        self._results = [made, *found, *self._results]

    def _left_out(self) -> str:
        lines: Sequence[str] = self._choice.left_out if self._choice else ()
        return "; ".join(f"left out: {line}" for line in lines)

    def _warn(self, text: str) -> None:
        self._job.request.report(Warned(source=self._place.database, text=text))

    def _phase(self, name: str) -> None:
        self._job.request.report(PhaseStarted(source=self._place.database, phase=name, unit="items"))

    def _ended(self, name: str) -> None:
        self._job.request.report(PhaseEnded(source=self._place.database, phase=name))
