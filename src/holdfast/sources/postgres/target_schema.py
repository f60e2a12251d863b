"""Makes definitions in a database: in order and in batches, or independent ones side by side on several sessions.

Every error is a failure that names the object and its statement; nothing is silently passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import psycopg
from psycopg import errors as pg

from holdfast.model.errors import TargetError
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definition, Definitions
from holdfast.sources.postgres.definitions_sql import (
    after,
    first_line,
    makes,
    owns,
    printable,
    settings_for,
    split_statements,
)
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_path import NOT_FOUND, looking
from holdfast.sources.postgres.target_place import Place, reason

_BATCH = 200
_NOT_MADE = frozenset(
    {
        "ENCODING",
        "STDSTRINGS",
        "SEARCHPATH",
        "DATABASE",
        "DATABASE PROPERTIES",
        "STATISTICS DATA",
        "TABLE DATA",
        "SEQUENCE SET",
        "BLOB",
        "BLOBS",
        "BLOB METADATA",
        "MATERIALIZED VIEW DATA",
    }
)
_SAYS_DATABASE = ("ACL", "COMMENT", "SECURITY LABEL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How definitions are made here.

    ``keeps_owner`` roles that objects can be given to (others stay with the current user). ``tablespaces`` that
    exist. ``pinned`` extension versions the server offers. ``paths``: where functions may look for names.
    """

    definitions: Definitions
    keeps_owner: frozenset[str]
    tablespaces: frozenset[str]
    pinned: dict[str, str] = field(default_factory=dict)
    acl: bool = True
    paths: tuple[str, ...] = ()

    def statements(self, definition: Definition) -> list[str]:
        """All statements that make one definition, settings first."""
        made = self._versioned(definition)
        found = [text for text in (made, after(definition)) if text.strip()]
        if definition.owner in self.keeps_owner:
            found.append(owns(definition))
        return [*self._settings(definition), *[text for text in found if text]]

    def wanted(self, definitions: Iterable[Definition]) -> list[Definition]:
        """Those that are to be made here at all (the database itself and its settings are not)."""
        return [entry for entry in definitions if entry.desc not in _NOT_MADE and not about_database(entry)]

    def _settings(self, definition: Definition) -> list[str]:
        if definition.tablespace and definition.tablespace not in self.tablespaces:
            return ["SET default_tablespace = ''", *settings_for(definition)[1:]]
        return settings_for(definition)

    def _versioned(self, definition: Definition) -> str:
        text = makes(definition)
        version = self.pinned.get(definition.tag) if definition.desc == "EXTENSION" else None
        return text.rstrip().removesuffix(";") + f" VERSION {quote(version)};" if version else text


def about_database(definition: Definition) -> bool:
    """Whether it speaks of the database itself: grants on it, its comment."""
    return definition.desc in _SAYS_DATABASE and definition.tag.startswith("DATABASE ")


def make_in_order(connection: Connection, definitions: Sequence[Definition], making: Making, place: Place) -> None:
    """Make them one after the other, many in one round trip; TargetError names the first that fails."""
    for start in range(0, len(definitions), _BATCH):
        batch = definitions[start : start + _BATCH]
        try:
            connection.execute(making.definitions.encode("\n".join(_joined(batch, making))))
        except psycopg.Error as error:
            if connection.closed:
                raise place.refused("the connection was lost while definitions were made", error) from error
            for definition in batch:
                make(connection, definition, making, place)


def _joined(batch: Iterable[Definition], making: Making) -> Iterator[str]:
    """Statements of a batch; a setting is sent again only when it changes."""
    current: dict[str, str] = {}
    for definition in batch:
        for statement in making.statements(definition):
            name = statement.split(" = ")[0] if statement.startswith("SET default_") else ""
            if name and current.get(name) == statement:
                continue
            if name:
                current[name] = statement
            yield statement.rstrip().removesuffix(";") + "\n;"


def make(connection: Connection, definition: Definition, making: Making, place: Place) -> None:
    """Make one definition; one whose functions find nothing with an empty search path, with the application's."""
    for statement in making.statements(definition):
        try:
            patiently(connection, making.definitions.encode(statement), making.paths)
        except (pg.DuplicateSchema, pg.DuplicateObject) as error:
            if definition.desc not in {"SCHEMA", "EXTENSION", "PROCEDURAL LANGUAGE"}:
                raise failure(definition, statement, error, place) from error
        except psycopg.Error as error:
            raise failure(definition, statement, error, place) from error


def patiently(connection: Connection, statement: bytes, paths: Sequence[str]) -> None:
    """Execute it; when names are not found, again with each of the paths, as long as that is why it fails."""
    idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

    def attempt() -> None:
        with nullcontext() if idle else connection.transaction():
            connection.execute(statement)

    try:
        attempt()
    except NOT_FOUND as first:
        for path in paths:
            try:
                with looking(connection, path):
                    attempt()
            except NOT_FOUND:
                continue
            return
        raise first from None


def failure(definition: Definition, statement: str, error: psycopg.Error, place: Place) -> TargetError:
    """A definition that the server refused."""
    return TargetError(
        f"{printable(definition)} could not be made",
        where=place.url,
        why=place.harmless(reason(error)),
        hint=f"the statement was: {first_line(statement)}",
        retryable=isinstance(error, psycopg.OperationalError) and not error.sqlstate,
    )


def grant(connection: Connection, definitions: Iterable[Definition], making: Making) -> list[str]:
    """Grants and default privileges, statement by statement; those that name unknown roles are told, not fatal.

    Returns one line for each grant that could not be kept.
    """
    lost = []
    for definition in definitions:
        for statement in split_statements(definition.create):
            try:
                with connection.transaction():
                    connection.execute(making.definitions.encode(statement))
            except (pg.UndefinedObject, pg.InsufficientPrivilege) as error:
                lost.append(f"{first_line(statement)}: {reason(error)}")
    return lost
