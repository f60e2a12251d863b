"""Writes table after table, in turns: one the server refuses is tried again once others have been mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg
from psycopg import errors as pg

from holdfast.model.errors import TargetError
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.inplace_living import Catalog, Name, Reference
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_path import NOT_FOUND, no_path, take_path
from holdfast.sources.postgres.target_place import Place, reason

Done = TypeVar("Done")


@dataclass(slots=True, kw_only=True)
class Turns:
    """One transaction. ``paths``: where to look for names that functions do not qualify, tried one after the other."""

    connection: Connection
    catalog: Catalog
    place: Place
    paths: Sequence[str]
    _eased: list[Reference] = field(default_factory=list)

    def take(self, names: Sequence[Name], work: Callable[[Name], Done]) -> dict[Name, Done]:
        """``work`` for each; TargetError when nothing lets those go on that are left. Leaves keys eased, see settle."""
        done: dict[Name, Done] = {}
        waiting, paths = list(names), list(self.paths)
        while waiting:
            again: dict[Name, psycopg.Error] = {}
            for name in waiting:
                try:
                    with self.connection.transaction():
                        done[name] = work(name)
                except psycopg.Error as error:
                    if self.connection.closed:
                        raise
                    again[name] = error
            if len(again) == len(waiting) and not self._ease(again) and not self._look_elsewhere(again, paths):
                first, problem = next(iter(again.items()))
                raise self._refused(first, problem) from problem
            waiting = list(again)
        no_path(self.connection)
        return done

    def settle(self) -> None:
        """Check at once what was put off, and have it checked as before from now on."""
        if self.catalog.may_bypass:
            return
        try:
            self.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except psycopg.errors.IntegrityError as error:
            raise self._refused((error.diag.schema_name or "", error.diag.table_name or ""), error) from error
        for key in self._eased:
            self.connection.execute(f"{self._alter(key)} NOT DEFERRABLE")

    def _ease(self, failed: dict[Name, psycopg.Error]) -> bool:
        """Put off the checks of keys in a ring of tables, where this role owns them."""
        if self.catalog.may_bypass or not any(isinstance(error, pg.ForeignKeyViolation) for error in failed.values()):
            return False
        found = [key for key in self.catalog.around(set(failed)) if self._may_ease(key)]
        try:
            with self.connection.transaction():
                for key in found:
                    self.connection.execute(f"{self._alter(key)} DEFERRABLE INITIALLY DEFERRED")
        except psycopg.Error:
            if self.connection.closed:
                raise
            return False
        self._eased += found
        return bool(found)

    def _may_ease(self, key: Reference) -> bool:
        return self.catalog.relations[key.table].owned and not key.deferrable and key not in self._eased

    def _alter(self, key: Reference) -> str:
        return f"ALTER TABLE {self.catalog.relations[key.table].sql} ALTER CONSTRAINT {quote(key.name)}"

    def _look_elsewhere(self, failed: dict[Name, psycopg.Error], paths: list[str]) -> bool:
        if not paths or not any(isinstance(error, NOT_FOUND) for error in failed.values()):
            return False
        take_path(self.connection, paths.pop(0))
        return True

    def _refused(self, name: Name, error: psycopg.Error) -> TargetError:
        return TargetError(
            "rows were refused by the server; nothing was changed",
            where=".".join(filter(None, name)),
            why=self.place.harmless(reason(error)),
            hint="; ".join(_ways_out(error, may_bypass=self.catalog.may_bypass)),
        )


def _ways_out(error: psycopg.Error, *, may_bypass: bool) -> Iterator[str]:
    table = ".".join(filter(None, (error.diag.schema_name, error.diag.table_name))) or "…"
    constraint = quote(error.diag.constraint_name) if error.diag.constraint_name else "…"
    if isinstance(error, pg.ForeignKeyViolation) and not may_bypass:
        yield (
            "tables that refer to each other in a ring need their keys checked at the end; as the owner: ALTER TABLE "
            f"{table} ALTER CONSTRAINT {constraint} DEFERRABLE; or use a role that may set session_replication_role"
        )
    elif isinstance(error, pg.CheckViolation):
        yield (
            f"the check {constraint} of {table} does not let rows of the snapshot in: if it reads another table, "
            f"restore that one as well; if it is newer than the snapshot: ALTER TABLE {table} DROP CONSTRAINT "
            f"{constraint}; restore, and add it again NOT VALID"
        )
    elif isinstance(error, pg.UniqueViolation | pg.ExclusionViolation | pg.NotNullViolation):
        yield (
            f"the table {table} has rules now that the snapshot's rows do not keep; restore into a new database and "
            "bring the rows over by hand"
        )
    elif isinstance(error, NOT_FOUND):
        yield "a function does not say in which schema its names are: ALTER FUNCTION … SET search_path = …"
