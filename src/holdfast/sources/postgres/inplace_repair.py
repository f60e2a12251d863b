"""Finds which definitions a living database has lost, makes them again, and takes away what a restore had made."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence

import psycopg

from holdfast.model.errors import TargetError
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.conninfo import ChildAuth
from holdfast.sources.postgres.definitions import Definition, Definitions, read_definitions
from holdfast.sources.postgres.definitions_choice import RELATIONS
from holdfast.sources.postgres.definitions_sql import first_line, printable, split_statements
from holdfast.sources.postgres.inplace_living import Catalog
from holdfast.sources.postgres.items import CONTINUITY_SCHEMA
from holdfast.sources.postgres.names import qualified
from holdfast.sources.postgres.target_place import Place, reason
from holdfast.sources.postgres.target_schema import about_database
from holdfast.sources.postgres.tools import tool

SILENT = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})
_ATTACHING = frozenset({"TABLE ATTACH", "INDEX ATTACH"})
_KEYS = frozenset({"INDEX", "CONSTRAINT", "INDEX ATTACH"})


_JOINED = (
    "SELECT n.nspname, t.relname, c.relname, p.relname FROM pg_catalog.pg_inherits h"
    " JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid AND c.relkind IN ('i', 'I')"
    " JOIN pg_catalog.pg_class p ON p.oid = h.inhparent JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid"
    " JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace"
    " ORDER BY 1, 2, 3"
)


def living_definitions(place: Place, server_version: int, environ: Mapping[str, str]) -> Definitions:
    """The definitions of a database as they are now, by pg_dump."""
    program = tool("pg_dump", server_version, environ.get("PATH"))
    with place.session() as session, ChildAuth(place.conninfo.settled(session), environ) as auth:
        done = subprocess.run(
            [
                program.path,
                "-w",
                "-Fc",
                "-Z0",
                "--schema-only",
                "--lock-wait-timeout=10000",
                f"--exclude-schema={CONTINUITY_SCHEMA}",
                f"--dbname={auth.conninfo}",
            ],
            capture_output=True,
            check=False,
            env=auth.environ,
            stdin=subprocess.DEVNULL,
        )
    if done.returncode:
        raise TargetError(
            "the definitions of the target cannot be read",
            where=place.url,
            why=place.harmless(done.stderr.decode(errors="replace").strip()[-500:]),
        )
    return read_definitions([done.stdout])


def missing(
    saved: Sequence[Definition], living: Definitions, catalog: Catalog, all_saved: Definitions
) -> list[Definition]:
    """Those of the saved definitions that the living database does not have.

    Grants and comments count only with an object that is missing itself; a default only where the column has none.
    """
    there = {entry.identity for entry in living.entries}
    found: list[Definition] = []
    lost: set[int] = set()
    for entry in saved:
        if entry.identity in there or about_database(entry):
            continue
        if entry.desc in SILENT and not (entry.needs and all(need in lost for need in entry.needs)):
            continue
        if entry.desc == "DEFAULT" and _has_default(entry, catalog, all_saved):
            continue
        found.append(entry)
        lost.add(entry.id)
    return found


def in_phases(wanted: Sequence[Definition], saved: Definitions | None) -> dict[str, list[Definition]]:
    """The definitions by phase, partitions attached to a living table only once they have their own keys.

    The server makes missing keys when a partition is attached, and takes those that are there.
    """
    made = {entry.id for entry in wanted}

    def ends(entry: Definition) -> set[int]:
        return {end.id for end in saved.ends(entry) or ()} if saved else set()

    late = [entry for entry in wanted if entry.desc in _ATTACHING and not made.issuperset(ends(entry))]
    late.sort(key=lambda entry: entry.desc == "INDEX ATTACH")
    later = {entry.id for entry in late}
    phases: dict[str, list[Definition]] = {"pre-data": [], "post-data": [], "access": [], "last": []}
    for entry in wanted:
        if entry.id not in later and entry.phase in phases:
            phases[entry.phase].append(entry)
    post = phases["post-data"]
    place = max((number for number, entry in enumerate(post, 1) if entry.desc in _KEYS), default=0)
    post[place:place] = late
    return phases


def unasked_indexes(connection: Connection, made: Iterable[Definition], saved: Definitions) -> list[str]:
    """Indexes that tables made just now were given by the server, because the table they are parts of has one.

    The saved partition had none: an index ON ONLY the parent. One that is joined to its parent cannot be dropped.
    """
    tables = {(entry.namespace, entry.tag) for entry in made if entry.desc == "TABLE"}
    known = {(entry.namespace, entry.tag) for entry in saved.of("INDEX")}
    known |= {(entry.namespace, entry.tag.rpartition(" ")[2]) for entry in saved.of("CONSTRAINT")}
    if not tables:
        return []
    return [
        f"{schema}.{table} has an index {index} that it did not have when it was saved: the server makes one for every "
        f"partition that joins a table with the index {parent}"
        for schema, table, index, parent in connection.execute(_JOINED).fetchall()
        if (schema, table) in tables and (schema, index) not in known
    ]


def _has_default(entry: Definition, catalog: Catalog, saved: Definitions) -> bool:
    for need in entry.needs:
        table = saved.get(need)
        if table is not None and table.desc == "TABLE" and entry.tag.startswith(f"{table.tag} "):
            living = catalog.relations.get((table.namespace, table.tag))
            column = living.columns.get(entry.tag.removeprefix(f"{table.tag} ")) if living else None
            return living is not None and (column is None or column.has_default)
    return False


def changed(saved: Iterable[Definition], living: Definitions) -> list[str]:
    """Relations that exist in both and are not defined alike: they are left as they are now, and told."""
    now = {entry.identity: entry.create for entry in living.entries}
    return [
        printable(entry)
        for entry in saved
        if entry.desc in RELATIONS
        and entry.desc != "SEQUENCE"
        and now.get(entry.identity, entry.create) != entry.create
    ]


def step_name(entry: Definition, names: Mapping[tuple[str, str], bytes]) -> bytes:
    """The name a plan gives a definition: that of the item for a table, else words: ``index public.events_day``."""
    if entry.desc in RELATIONS and (entry.namespace, entry.tag) in names:
        return names[entry.namespace, entry.tag]
    return printable(entry).encode("utf-8", "backslashreplace")


def _called(entry: Definition, names: Mapping[tuple[str, str], bytes], wanted: set[bytes]) -> bytes | None:
    """Its name among those wanted: a view is no item of a snapshot, so the restore had called it in words."""
    return next((name for name in (step_name(entry, names), step_name(entry, {})) if name in wanted), None)


def _goes_with_table(
    entry: Definition, living: Definitions, names: Mapping[tuple[str, str], bytes], wanted: set[bytes]
) -> bool:
    """Keys and places of a table that is dropped as well; a partition's keys could not be dropped alone."""
    if entry.desc not in {"INDEX", "CONSTRAINT", "TABLE ATTACH"}:
        return False
    tables = [need for number in entry.needs if (need := living.get(number)) is not None and need.desc == "TABLE"]
    return any(_called(table, names, wanted) for table in tables)


def _dropping(entry: Definition, living: Definitions) -> list[str]:
    """The statements that take it away; pg_dump has none for an attachment, because it goes with its table."""
    if entry.desc != "TABLE ATTACH":
        return split_statements(entry.drop)
    ends = living.ends(entry)
    if ends is None:
        return []
    child, parent = (qualified(end.namespace, end.tag) for end in ends)
    return [f"ALTER TABLE {parent} DETACH PARTITION {child}"]


def take_away(
    connection: Connection,
    living: Definitions,
    created: Iterable[bytes],
    names: Mapping[tuple[str, str], bytes],
) -> list[str]:
    """Drop what a restore had created, dependents first, never with CASCADE; the names of what was dropped.

    Runs in the open transaction. TargetError names what stands in the way.
    """
    wanted = set(created)
    dropped = []
    backwards = living.entries[::-1]
    # sequences last: most of them go with their table
    for entry in sorted(backwards, key=lambda entry: entry.desc == "SEQUENCE"):
        name = _called(entry, names, wanted)
        if name is None or _goes_with_table(entry, living, names, wanted):
            continue
        for statement in _dropping(entry, living):
            try:
                with connection.transaction():
                    connection.execute(living.encode(statement))
            except (psycopg.errors.UndefinedObject, psycopg.errors.UndefinedTable):
                continue
            except psycopg.Error as error:
                raise TargetError(
                    f"{printable(entry)}, made by the restore, cannot be dropped",
                    where=printable(entry),
                    why=reason(error),
                    hint=f"remove what depends on it, then undo again; the statement was: {first_line(statement)}",
                ) from error
        dropped.append(name.decode("utf-8", "replace"))
    return dropped
