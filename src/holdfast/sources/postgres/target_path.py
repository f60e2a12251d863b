"""Where names are looked for that functions of the application do not qualify: as its own sessions look for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg

from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definitions
from holdfast.sources.postgres.definitions_sql import split_statements
from holdfast.sources.postgres.names import literal

NOT_FOUND = (
    pg.UndefinedFunction, pg.UndefinedTable, pg.UndefinedObject, pg.InvalidSchemaName, pg.UndefinedColumn,
)  # fmt: skip
_FAILED = psycopg.pq.TransactionStatus.INERROR
_DEFAULT = '"$user", public'
_SAVED = re.compile(r"\AALTER\s+(?:DATABASE|ROLE)\s.*?\sSET\s+search_path\s+(?:TO|=)\s+(?P<path>.*?);?\s*\Z", re.DOTALL)


def search_paths(connection: Connection, definitions: Definitions | None) -> list[str]:
    """Paths of the saved database and its roles, of this session as it began, and PostgreSQL's own; none twice.

    Functions mostly need none: they are looked for with an empty path first, which nobody can lead astray.
    """
    row = connection.execute("SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'search_path'").fetchone()
    found = [*(_saved(definitions) if definitions else ()), str(row[0]) if row and row[0] else "", _DEFAULT]
    return list(dict.fromkeys(path for path in found if path.strip(" \"'")))


def _saved(definitions: Definitions) -> Iterator[str]:
    for entry in definitions.of("DATABASE PROPERTIES"):
        for statement in split_statements(entry.create):
            if setting := _SAVED.match(statement):
                yield re.sub(r"'((?:[^']|'')*)'", r'"\1"', setting["path"])


def take_path(connection: Connection, path: str) -> None:
    """Look there from now on."""
    connection.execute(f"SELECT pg_catalog.set_config('search_path', {literal(path)}, false)")


def no_path(connection: Connection) -> None:
    """Look nowhere: names have to be qualified."""
    take_path(connection, "")


@contextmanager
def looking(connection: Connection, path: str) -> Iterator[None]:
    """Look there inside; nowhere afterwards, also when it ends in an error that undoes a transaction."""
    take_path(connection, path)
    try:
        yield
    finally:
        if not connection.closed and connection.info.transaction_status != _FAILED:
            no_path(connection)
