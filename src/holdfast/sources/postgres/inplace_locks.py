"""Holds tables still while they are saved and restored: readers go on, writers wait, and nobody waits for ever."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from holdfast.model.errors import TargetError
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.inplace_living import Living
from holdfast.sources.postgres.target_place import Place

WRITE, STILL = "SHARE ROW EXCLUSIVE", "SHARE"
_BATCH = 100


def lock(connection: Connection, tables: Sequence[Living], mode: str, place: Place) -> None:
    """Lock tables in the open transaction; TargetError names who is in the way when it takes too long.

    WRITE keeps other writers (and other restores) out; STILL keeps what rows refer to from changing. Both let
    readers through, pg_dump and COPY among them.
    """
    ordered = sorted(tables, key=lambda table: table.oid)
    for start in range(0, len(ordered), _BATCH):
        batch = ordered[start : start + _BATCH]
        names = ", ".join(f"ONLY {table.sql}" for table in batch)
        try:
            connection.execute(f"LOCK TABLE {names} IN {mode} MODE")
        except psycopg.errors.LockNotAvailable as error:
            raise TargetError(
                "tables are being written to by somebody else, and the wait for them was ended",
                where=", ".join(".".join(table.name) for table in batch[:5]),
                why=_blockers(place, batch),
                hint="let them finish, or end them with SELECT pg_terminate_backend(PID); nothing was changed",
                retryable=True,
            ) from error
        except psycopg.Error as error:
            raise place.refused("tables could not be locked; nothing was changed", error) from error


def _blockers(place: Place, tables: Sequence[Living]) -> str:
    """Who holds a lock that keeps writers out; the text of queries stays with the server, it may hold secrets."""
    with place.session() as connection:
        rows = connection.execute(
            "SELECT DISTINCT a.pid, a.usename, a.application_name, a.state, c.relname,"
            " extract(epoch FROM now() - a.xact_start)::int"
            " FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
            " JOIN pg_catalog.pg_class c ON c.oid = l.relation"
            " WHERE l.granted AND l.relation = ANY(%s::oid[]) AND l.mode IN ('RowExclusiveLock',"
            " 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
            " AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())",
            ([table.oid for table in tables],),
        ).fetchall()
    told = [
        f"process {pid} ({user}, {application or 'no application name'}, {state}) has held {table} for {age} s"
        for pid, user, application, state, table, age in rows[:5]
    ]
    return "; ".join(told) or "the lock was given up again just now"
