"""What the server or libpq said, in words for a person: what, where, why, and the statement that mends it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from holdfast.model.errors import HoldfastError, SourceError
from holdfast.sources.postgres.names import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sources.postgres.conninfo import Conninfo

_VERBOSE = re.compile(
    r"(?:psql:[^:]*:\d+: |psql: |pg_dump: |pg_restore: )?(?:error: )?(?:.*? failed: )?(ERROR|FATAL|PANIC):\s+"
    r"(?:([0-9A-Z]{5}): )?(.*)"
)
_REFUSED_AT_DOOR = (
    "password authentication failed", "no password supplied", "pg_hba.conf", "role ", "peer authentication",
    "not permitted to log in", "permission denied for database",
)
_ENDED = ("57P01", "57P02", "57P03")
_ENDED_WORDS = (
    "server closed the connection", "connection to server was lost", "SSL connection has been closed",
    "terminating connection", "could not receive data from server", "could not send data to server",
)
_PASSING = ("08", "53", "57", "40", "55")


def least_privilege(conninfo: Conninfo, *, role: str = "", exists: bool = True) -> str:
    """SQL that lets a role read everything in the database and nothing else; it makes the role unless it ``exists``."""
    name = quote(role or conninfo.user or "holdfast")
    database = quote(conninfo.database)
    return (
        ("" if exists else f"CREATE ROLE {name} LOGIN PASSWORD '...';\n") +
        f"GRANT CONNECT ON DATABASE {database} TO {name};\n"
        f"GRANT pg_read_all_data TO {name};   -- PostgreSQL 14 and later\n"
        f"ALTER ROLE {name} BYPASSRLS;   -- only when tables have row security\n"
        "CREATE SCHEMA IF NOT EXISTS holdfast_continuity;   -- lets unchanged data be skipped safely\n"
        f"GRANT USAGE, CREATE ON SCHEMA holdfast_continuity TO {name};"
    )


def translated(
    error: psycopg.Error, conninfo: Conninfo, kind: type[HoldfastError] = SourceError, *, doing: str = ""
) -> HoldfastError:
    """The failure of a statement or of a connection that was already open."""
    state = error.sqlstate or ""
    why = scrubbed(error.diag.message_primary or str(error), conninfo)
    return explained(state, why, conninfo, kind, doing=doing or "PostgreSQL refused a statement")


@contextmanager
def translating(conninfo: Conninfo, *, doing: str) -> Iterator[None]:
    """Whatever psycopg raises inside becomes a SourceError."""
    try:
        yield
    except psycopg.Error as error:
        raise translated(error, conninfo, doing=doing) from error


def explained(
    state: str, why: str, conninfo: Conninfo, kind: type[HoldfastError] = SourceError, *, doing: str
) -> HoldfastError:
    """An error from SQLSTATE and message, however they arrived."""
    if state in _ENDED or state.startswith("08") or any(phrase in why for phrase in _ENDED_WORDS):
        return kind(
            "the server ended the connection", where=conninfo.url, why=f"{doing}: {' '.join(why.split())}",
            hint="was the server stopped or restarted, or did it run out of memory? its log tells; then run again",
            retryable=True,
        )
    hint = _hint(state, why, conninfo)
    return kind(doing, where=conninfo.url, why=why, hint=hint, retryable=state[:2] in _PASSING)


def unreachable(
    error: psycopg.Error, conninfo: Conninfo, kind: type[HoldfastError] = SourceError
) -> HoldfastError:
    """A connection that could not be opened: no server, wrong password, refused role, missing database."""
    why = scrubbed(str(error).strip(), conninfo)
    if any(phrase in why for phrase in ("authentication failed", "no password supplied")):
        return kind(
            "PostgreSQL did not accept the password", where=conninfo.url, why=why,
            hint="check the role's password where the configuration refers to it",
        )
    if 'database "' in why and "does not exist" in why:
        return kind("there is no such database", where=conninfo.url, why=why, hint="psql -l lists them")
    if any(phrase in why for phrase in _REFUSED_AT_DOOR) and "FATAL" in why:
        return kind(
            "PostgreSQL refused the role", where=conninfo.url, why=why,
            hint="as a superuser:\n" + least_privilege(conninfo, exists="does not exist" not in why),
        )
    return kind(
        "PostgreSQL cannot be reached", where=conninfo.url, why=why,
        hint=f"is the server running, and do host and port {conninfo.place} lead to it?", retryable=True,
    )


def from_child(text: str, conninfo: Conninfo, *, doing: str) -> HoldfastError:
    """An error out of what psql or pg_dump wrote; with VERBOSITY verbose the SQLSTATE is in it."""
    for line in text.splitlines():
        found = _VERBOSE.match(line)
        if found:
            why = scrubbed(found.group(3), conninfo)
            return explained(found.group(2) or "", why, conninfo, doing=doing)
    last = [line for line in text.strip().splitlines() if not line.startswith("LOCATION:")][-3:]
    why = scrubbed(" ".join(last), conninfo) or "the program ended without saying why"
    return explained("", why, conninfo, doing=doing)


def scrubbed(text: str, conninfo: Conninfo) -> str:
    """``text`` without the password, should anything have put it there."""
    if conninfo.password:
        text = text.replace(conninfo.password, "***")
    return text


def _hint(state: str, why: str, conninfo: Conninfo) -> str:
    role = quote(conninfo.user or "holdfast")
    if "row-level security" in why:
        return f"rows are hidden from this role; as a superuser: ALTER ROLE {role} BYPASSRLS;"
    if "large object" in why:
        return f"as its owner: GRANT SELECT ON LARGE OBJECT … TO {role};   or: GRANT pg_read_all_data TO {role};"
    if state == "42501" or "permission denied" in why:
        return (
            f"as a superuser: GRANT pg_read_all_data TO {role};   -- before PostgreSQL 14: "
            f"GRANT SELECT ON ALL TABLES IN SCHEMA … TO {role};"
        )
    if state == "53200" or "max_locks_per_transaction" in why or "out of shared memory" in why:
        return "raise max_locks_per_transaction in postgresql.conf and restart the server"
    if state == "55P03":
        return "another session holds or waits for a lock; try again when it is done"
    return ""
