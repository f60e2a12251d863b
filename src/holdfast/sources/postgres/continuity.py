"""A token left in the database after each snapshot: as long as it is there, history went on from that snapshot."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import psycopg

from holdfast.sources.postgres.items import CONTINUITY_SCHEMA
from holdfast.sources.postgres.names import literal

if TYPE_CHECKING:
    from holdfast.sources.postgres.connection import Connection

_TABLE = f"{CONTINUITY_SCHEMA}.token"
_KEPT = 256
_NOT_ALLOWED = (
    psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.LockNotAvailable, psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedTable,
    psycopg.errors.DuplicateTable, psycopg.errors.DuplicateSchema, psycopg.errors.UniqueViolation,
)
_MAKE = (
    f"CREATE TABLE {_TABLE} (token text PRIMARY KEY, written timestamptz NOT NULL DEFAULT now())",
    f"COMMENT ON TABLE {_TABLE} IS "
    + literal("Written by holdfast after each snapshot; while a row is here, unchanged data need not be read again."),
)


def present_tokens(connection: Connection) -> set[str]:
    """The tokens the open snapshot sees; none when the table is not there or not readable."""
    try:
        with connection.transaction():
            return {row[0] for row in connection.execute(f"SELECT token FROM {_TABLE}".encode())}
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege,
            psycopg.errors.InvalidSchemaName):
        return set()


def prepare_tokens(connection: Connection) -> None:
    """Make the table where this role may: before the snapshot, whose definitions then already know it."""
    try:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '5s'")
            _make_table(connection)
    except _NOT_ALLOWED:
        return


def write_token(connection: Connection) -> tuple[str, int]:
    """Write a new token durably and give it with the number of the transaction that did; ("", 0) where not allowed.

    Everything an earlier snapshot saw is durable once this returns: its commits come before ours in the log.
    """
    token = secrets.token_hex(16)
    try:
        with connection.transaction():
            connection.execute("SET LOCAL synchronous_commit = on")
            connection.execute("SET LOCAL lock_timeout = '5s'")
            connection.execute(f"INSERT INTO {_TABLE} (token) VALUES (%s)".encode(), [token])
            connection.execute(
                f"DELETE FROM {_TABLE} WHERE token IN "
                f"(SELECT token FROM {_TABLE} ORDER BY written DESC OFFSET {_KEPT})".encode()
            )
            (number,) = connection.execute("SELECT pg_current_xact_id()::text::int8").fetchall()[0]
    except _NOT_ALLOWED:
        return "", 0
    return token, int(number)


def _make_table(connection: Connection) -> None:
    found = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [_TABLE]).fetchone()
    if found and found[0]:
        return
    schema = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", [CONTINUITY_SCHEMA]).fetchone()
    if not (schema and schema[0]):
        connection.execute(f"CREATE SCHEMA {CONTINUITY_SCHEMA}".encode())
    for statement in _MAKE:
        connection.execute(statement.encode())
