"""Opening connections that answer the same whatever the role, the database or a pooler had set up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from holdfast.model.errors import HoldfastError, SourceError
from holdfast.sources.postgres.names import literal
from holdfast.sources.postgres.refusals import translated, unreachable

if TYPE_CHECKING:
    from holdfast.sources.postgres.conninfo import Conninfo

Connection = psycopg.Connection[Any]

SETTINGS = (
    ("search_path", ""),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("xmloption", "content"),
    ("standard_conforming_strings", "on"),
    ("synchronize_seqscans", "off"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("row_security", "off"),
    ("quote_all_identifiers", "off"),
    ("default_transaction_deferrable", "off"),
    ("jit", "off"),
    ("max_parallel_workers_per_gather", "0"),
)
_WHERE_KNOWN = (
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
    ("restrict_nonsystem_relation_kind", "view, foreign-table"),
)


def prelude(encoding: str = "UTF8") -> str:
    """Statements, on one line, that fix each setting which changes what COPY writes or when it stops.

    Settings a server version does not know, or does not let this role see, are left alone.
    """
    known = [f"pg_catalog.set_config('{name}', '{value}', false)" for name, value in SETTINGS]
    known.append(f"pg_catalog.set_config('client_encoding', {literal(encoding)}, false)")
    first = "SELECT " + ", ".join(known)
    later = "".join(
        f"; SELECT pg_catalog.set_config('{name}', '{value}', false) "
        f"WHERE pg_catalog.current_setting('{name}', true) IS NOT NULL"
        for name, value in _WHERE_KNOWN
    )
    return first + later + ";"


def connect(
    conninfo: Conninfo, *, error: type[HoldfastError] = SourceError, direct: bool = True
) -> Connection:
    """An autocommit connection with the prelude applied; ``error`` is the class of what is raised.

    A connection pooler is refused (``direct``), because session settings leak through one into the
    application's connections, and exported snapshots do not survive it.
    """
    try:
        connection: Connection = psycopg.connect(
            "", autocommit=True, fallback_application_name="holdfast", **conninfo.keywords()
        )
    except psycopg.Error as problem:
        raise unreachable(problem, conninfo, error) from problem
    try:
        if direct:
            _refuse_pooler(connection, conninfo, error)
        _settle(connection)
    except psycopg.Error as problem:
        connection.close()
        raise translated(problem, conninfo, error, doing="the session could not be set up") from problem
    except BaseException:
        connection.close()
        raise
    return connection


def behind_pooler(connection: Connection) -> bool:
    """Whether something between us and the server hands out server connections of its own."""
    found = connection.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    return found is not None and int(found[0]) != connection.info.backend_pid


def _refuse_pooler(connection: Connection, conninfo: Conninfo, error: type[HoldfastError]) -> None:
    if behind_pooler(connection):
        raise error(
            "this address leads to a connection pooler, not to PostgreSQL itself",
            where=conninfo.url,
            why="the server process that answers is not the one that was connected to",
            hint="use the direct address of the server (often the same host with port 5432, or the "
            "'direct connection' your provider shows)",
        )


def _settle(connection: Connection) -> None:
    """Apply the prelude; a SQL_ASCII database speaks LATIN1 to us, so that any byte of a name survives."""
    server = connection.info.parameter_status("server_encoding")
    encoding = "LATIN1" if server == "SQL_ASCII" else "UTF8"
    cursor = connection.execute(prelude(encoding).encode())
    while cursor.nextset():
        pass
