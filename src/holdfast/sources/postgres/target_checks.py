"""What must be told before anything is written: the wrong server, an older one, missing extensions, roles, rights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definitions
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_create import is_unfinished
from holdfast.sources.postgres.target_place import Place, Server, value
from holdfast.sources.postgres.target_saved import Saved

_OBJECTS = """
SELECT kind || ' ' || name FROM (
  SELECT 'table' AS kind, n.nspname || '.' || c.relname AS name, 'pg_class'::regclass AS classid, c.oid AS objid
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'v', 'm', 'S', 'f', 'p', 'c') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  UNION ALL
  SELECT 'function', n.nspname || '.' || p.proname, 'pg_proc'::regclass, p.oid
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
   WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  UNION ALL
  SELECT 'type', n.nspname || '.' || t.typname, 'pg_type'::regclass, t.oid
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
   WHERE t.typtype IN ('e', 'd', 'r') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  UNION ALL
  SELECT 'schema', n.nspname, 'pg_namespace'::regclass, n.oid
    FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
  UNION ALL
  SELECT 'large object', m.oid::text, 'pg_largeobject'::regclass, m.oid FROM pg_catalog.pg_largeobject_metadata m
) found
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = found.classid AND d.objid = found.objid
                     AND d.deptype = 'e')
LIMIT 3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Where a restore is to go: the place, its server, and whether the database is there already.

    ``previewed``: definitions were compared, the plan names all that will be made.
    """

    place: Place
    server: Server
    exists: bool
    in_place: bool
    previewed: bool = False


def refusals(aim: Aim, saved: Saved, connection: Connection | None) -> Iterator[str]:
    """Reasons not to begin, each a sentence with what to do. ``connection``: to the target when it exists."""
    server = aim.server
    if server.standby:
        yield "the target server is a standby and takes no writes; restore onto the primary"
    saved_major = int(saved.notes.get("server_version_num", 0)) // 10000
    if server.major < saved_major:
        yield (
            f"the snapshot is from PostgreSQL {saved_major}, the target server is {server.major}: an older server "
            f"cannot hold it; restore onto PostgreSQL {saved_major} or newer"
        )
    yield from _extension_refusals(server, saved)
    if not aim.exists:
        if aim.in_place:
            yield f"there is no database {aim.place.database} to restore into; restore without --in-place creates one"
        elif not server.may_create_databases:
            yield (
                f"role {server.user} may not create the database {aim.place.database}; as a superuser: "
                f"ALTER ROLE {quote(server.user)} CREATEDB; or create it and restore with --to"
            )
        return
    if connection is not None:
        yield from _database_refusals(aim, saved, connection)


def _database_refusals(aim: Aim, saved: Saved, connection: Connection) -> Iterator[str]:
    encoding = value(
        connection,
        "SELECT pg_catalog.pg_encoding_to_char(encoding) FROM pg_catalog.pg_database"
        " WHERE datname = current_database()",
    )
    if saved.encoding != encoding and "SQL_ASCII" in {saved.encoding, encoding}:
        yield (
            f"the snapshot's encoding is {saved.encoding}, that of {aim.place.database} is {encoding}: text would "
            "change; restore into a new database"
        )
    if not value(connection, "SELECT pg_catalog.has_database_privilege(current_database(), 'CREATE')"):
        yield (
            f"role {aim.server.user} may not create anything in {aim.place.database}; as its owner: GRANT CREATE ON "
            f"DATABASE {quote(aim.place.database)} TO {quote(aim.server.user)};"
        )
    if aim.in_place:
        return
    if is_source(aim, saved, connection):
        yield (
            "the target is the very database the snapshot was made of; restore without --to goes into a new "
            "database beside it, --in-place changes this one"
        )
        return
    found = [row[0] for row in connection.execute(_OBJECTS)]
    if found and is_unfinished(connection):
        yield (
            f"the database {aim.place.database} holds a restore of holdfast's own that was not finished (its comment "
            f"says so); unless it is still running, remove it with: DROP DATABASE {quote(aim.place.database)};"
            " and restore again"
        )
    elif found:
        yield (
            f"the database {aim.place.database} is not empty ({', '.join(found)} …); restore with --in-place to "
            "bring back what is missing in it, or choose a new database"
        )


def is_source(aim: Aim, saved: Saved, connection: Connection) -> bool:
    """Whether the target is the database the snapshot came from."""
    identity = saved.notes.get("system_identifier")
    if identity is None or aim.server.identity is None or str(identity) != aim.server.identity:
        return False
    oid = saved.notes.get("database_oid")
    if oid is None:
        return aim.place.database == saved.notes.get("database")
    return int(oid) == int(
        value(connection, "SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()")
    )


def _extension_refusals(server: Server, saved: Saved) -> Iterator[str]:
    missing = [
        f"{name} {version}".strip() for name, version in extensions(saved).items() if name not in server.extensions
    ]
    if missing and not saved.only:
        yield (
            f"extensions that the snapshot needs are not installed on the target server: {', '.join(missing)}; "
            "install their packages there first"
        )


def extensions(saved: Saved) -> dict[str, str]:
    """Name and version of the extensions of the saved database, whatever shape the snapshot lists them in."""
    listed = saved.notes.get("extensions") or {}
    if isinstance(listed, dict):
        return {str(name): str(version if isinstance(version, str) else "") for name, version in listed.items()}
    return {str(entry[0]): str(entry[1]) for entry in listed if isinstance(entry, list | tuple) and len(entry) > 1}


def cautions(aim: Aim, saved: Saved) -> Iterator[str]:
    """Things to know that do not stop a restore."""
    server = aim.server
    identity = saved.notes.get("system_identifier")
    if aim.in_place and identity and server.identity and str(identity) != server.identity:
        yield "this is not the server the snapshot was made on (another system identifier)"
    for name, version in extensions(saved).items():
        offered = server.extensions.get(name, frozenset())
        if version and offered and version not in offered:
            yield (
                f"extension {name}: the snapshot has version {version}, the server offers"
                f" {', '.join(sorted(offered))}; its default version is taken"
            )


def room(connection: Connection) -> int | None:
    """Free bytes where a server on this very machine keeps its data, when that can be known."""
    try:
        folder = Path(str(value(connection, "SELECT current_setting('data_directory', true)") or ""))
        identity = value(connection, "SELECT inet_server_addr() IS NULL OR inet_server_addr() << '127.0.0.0/8'")
    except psycopg.Error:
        return None
    if not identity or not folder.is_absolute():
        return None
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def missing_extensions(definitions: Definitions, server: Server) -> list[str]:
    """Extensions among chosen definitions that the server does not offer."""
    return [entry.tag for entry in definitions.of("EXTENSION") if entry.tag not in server.extensions]
