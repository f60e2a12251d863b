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
from holdfast.sources.postgres.inplace_catalog import Catalog
from holdfast.sources.postgres.items import CONTINUITY_SCHEMA
from holdfast.sources.postgres.target_place import Place, reason
from holdfast.sources.postgres.target_schema import about_database
from holdfast.sources.postgres.tools import tool

_LABELS = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})


def living_definitions(place: Place, server_version: int, environ: Mapping[str, str]) -> Definitions:
    """The definitions of a database as they are now, by pg_dump."""
    program = tool("pg_dump", server_version, environ.get("PATH"))
    with ChildAuth(place.conninfo, environ) as auth:
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
        if entry.desc in _LABELS and not (entry.needs and all(need in lost for need in entry.needs)):
            continue
        if entry.desc == "DEFAULT" and _has_default(entry, catalog, all_saved):
            continue
        found.append(entry)
        lost.add(entry.id)
    return found


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
        name = step_name(entry, names)
        if name not in wanted or not entry.drop:
            continue
        for statement in split_statements(entry.drop):
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
