"""Makes the database a restore goes into, like the one that was saved; and marks it until the restore is done."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg

from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definitions
from holdfast.sources.postgres.definitions_sql import first_line, for_database, split_statements
from holdfast.sources.postgres.names import literal, quote
from holdfast.sources.postgres.target_place import Place, Server, reason, value
from holdfast.sources.postgres.target_schema import Making, about_database

UNFINISHED = "holdfast: unfinished restore"
_LIMIT = re.compile(r"\s+CONNECTION LIMIT = -?\d+")
_TABLESPACE = re.compile(r'\s+TABLESPACE = (?P<name>"(?:[^"]|"")*"|[^\s;]+)')


def create_database(maintenance: Connection, place: Place, definitions: Definitions | None, server: Server) -> None:
    """Create the database with the encoding, locale and provider of the one that was saved."""
    statement = f"CREATE DATABASE {quote(place.database)} TEMPLATE template0"
    for entry in definitions.of("DATABASE") if definitions else ():
        statement = _LIMIT.sub("", for_database(entry.create, place.database))
        found = _TABLESPACE.search(statement)
        if found and found["name"].strip('"') not in server.tablespaces:
            statement = _TABLESPACE.sub("", statement)
    try:
        maintenance.execute(statement)
    except psycopg.Error as error:
        raise place.refused(
            "the database for the restore cannot be created",
            error,
            hint=f"create it by hand (CREATE DATABASE {quote(place.database)} TEMPLATE template0 …) and restore "
            f"with --to {place.url}",
        ) from error


def mark(connection: Connection, place: Place, label: str) -> bool:
    """Say in the database's comment that a restore is under way; False when that is not ours to write."""
    return _comment(connection, place, literal(f"{UNFINISHED} {label}"))


def unfinished(connection: Connection) -> list[str]:
    """Databases of the server that a restore began and did not finish, and that nobody is connected to."""
    rows = connection.execute(
        "SELECT d.datname::text FROM pg_catalog.pg_database d"
        " WHERE pg_catalog.shobj_description(d.oid, 'pg_database') LIKE %s AND NOT EXISTS"
        " (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid AND a.pid <> pg_backend_pid()) ORDER BY 1",
        [f"{UNFINISHED}%"],
    ).fetchall()
    return [name for (name,) in rows]


def is_unfinished(connection: Connection) -> bool:
    """Whether this database carries the mark."""
    current = value(
        connection,
        "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database"
        " WHERE datname = current_database()",
    )
    return str(current or "").startswith(UNFINISHED)


def unmark(connection: Connection, place: Place) -> None:
    """Take the mark away; the comment of the saved database follows with its other properties."""
    if is_unfinished(connection):
        _comment(connection, place, "NULL")


def _comment(connection: Connection, place: Place, text: str) -> bool:
    try:
        connection.execute(f"COMMENT ON DATABASE {quote(place.database)} IS {text}")
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def give_properties(connection: Connection, place: Place, making: Making) -> Iterator[str]:
    """Settings, comment, grants and owner of the database itself, last, because they bind sessions too.

    Yields a line for each that could not be kept.
    """
    for statement in _properties(making):
        text = for_database(statement, place.database)
        try:
            connection.execute(making.definitions.encode(text))
        except psycopg.Error as error:
            if connection.closed:
                raise
            yield f"{first_line(text)}: {reason(error)}"


def _properties(making: Making) -> Iterator[str]:
    definitions = making.definitions
    for entry in definitions.of("DATABASE PROPERTIES"):
        yield from split_statements(entry.create)
    for entry in definitions.entries:
        if about_database(entry) and (making.acl or entry.desc != "ACL"):
            yield from split_statements(entry.create)
    for entry in definitions.of("DATABASE"):
        limit = _LIMIT.search(entry.create)
        if limit:
            yield f"ALTER DATABASE {quote(entry.tag)}{limit[0].replace(' = ', ' ')}"
        if entry.owner in making.keeps_owner:
            yield f"ALTER DATABASE {quote(entry.tag)} OWNER TO {quote(entry.owner)}"
