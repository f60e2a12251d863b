"""A database to restore into: how to reach it, what server it is on, and the state every session starts from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from holdfast.model.errors import TargetError
from holdfast.sources.postgres.connection import Connection, connect
from holdfast.sources.postgres.conninfo import Conninfo
from holdfast.sources.postgres.names import literal
from holdfast.sources.postgres.refusals import scrubbed

_SESSION = {
    "check_function_bodies": "off",
    "client_min_messages": "warning",
    "default_transaction_read_only": "off",
    "default_tablespace": "",
    "default_transaction_isolation": "read committed",
    "application_name": "holdfast restore",
}

# materialized views are filled by reading the application's views; readers of its tables must not
_VIEWS_TOO = (
    "SELECT pg_catalog.set_config('restrict_nonsystem_relation_kind', '', false)"
    " WHERE pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A database and how to get there; the password appears in nothing it gives out."""

    conninfo: Conninfo

    @property
    def url(self) -> str:
        """Printable."""
        return self.conninfo.url

    @property
    def database(self) -> str:
        """The database's name."""
        return self.conninfo.database

    def named(self, database: str) -> Place:
        """Another database of the same server."""
        return Place(conninfo=self.conninfo.with_database(database))

    def connect(self, **settings: str) -> Connection:
        """An autocommit session in the state that restores need. TargetError when it cannot be had."""
        connection = connect(self.conninfo, error=TargetError)
        calls = [
            f"pg_catalog.set_config({literal(name)}, {literal(value)}, false)"
            for name, value in {**_SESSION, **settings}.items()
        ]
        try:
            connection.execute("SELECT " + ", ".join(calls))
            connection.execute(_VIEWS_TOO)
        except psycopg.Error as error:
            connection.close()
            raise self.refused("the session could not be set up", error) from error
        return connection

    @contextmanager
    def session(self, **settings: str) -> Iterator[Connection]:
        """A session for a while."""
        connection = self.connect(**settings)
        try:
            yield connection
        finally:
            connection.close()

    def refused(self, what: str, error: psycopg.Error, hint: str = "") -> TargetError:
        """The server's own words as an error of ours, without the password."""
        passing = isinstance(error, psycopg.OperationalError) and not error.sqlstate
        return TargetError(what, where=self.url, why=self.harmless(reason(error)), hint=hint, retryable=passing)

    def harmless(self, text: str) -> str:
        """``text`` without the password."""
        return scrubbed(text, self.conninfo)


def place_of(url: str, source: Conninfo) -> Place:
    """The place behind a URL; the source's password is used when the URL leads to the same server and role."""
    conninfo = Conninfo.parse(url)
    same = (conninfo.place, conninfo.user) == (source.place, source.user)
    if conninfo.password is None and same:
        conninfo = Conninfo.parse(url, source.password)
    return Place(conninfo=conninfo)


def reason(error: psycopg.Error) -> str:
    """What the server said: message, detail and place; whole rows of the application are left out."""
    diagnosis = error.diag
    if not diagnosis.message_primary:
        return str(error).strip()
    detail = diagnosis.message_detail or ""
    place = re.match(r"COPY .*?, line \d+(, column \S+)?", diagnosis.context or "", re.DOTALL)
    said = [
        diagnosis.message_primary,
        "" if detail.startswith("Failing row") else detail,
        place[0] if place else "",
    ]
    return "; ".join(part.strip() for part in said if part)[:1000]


def value(connection: Connection, query: str, *parameters: Any) -> Any:
    """The one value of a query."""
    row = connection.execute(query, parameters or None).fetchone()
    return row[0] if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What can be known of a server before anything is written."""

    version: int
    identity: str | None
    user: str
    superuser: bool
    may_create_databases: bool
    standby: bool
    databases: frozenset[str]
    extensions: dict[str, frozenset[str]]
    roles: frozenset[str]
    tablespaces: frozenset[str]

    @property
    def major(self) -> int:
        """15, 16, 18 …"""
        return self.version // 10000


def look_at(connection: Connection) -> Server:
    """Read the facts of the server behind a session."""
    row = connection.execute(
        "SELECT r.rolname, r.rolsuper, r.rolcreatedb OR r.rolsuper, pg_is_in_recovery()"
        " FROM pg_catalog.pg_roles r WHERE r.rolname = current_user"
    ).fetchone()
    assert row is not None  # noqa: S101 - current_user always has a role
    offered: dict[str, set[str]] = {}
    for name, version in connection.execute("SELECT name, version FROM pg_catalog.pg_available_extension_versions"):
        offered.setdefault(name, set()).add(version)
    return Server(
        version=connection.info.server_version,
        identity=_identity(connection),
        user=row[0],
        superuser=row[1],
        may_create_databases=row[2],
        standby=row[3],
        databases=_names(connection, "SELECT datname FROM pg_catalog.pg_database"),
        extensions={name: frozenset(versions) for name, versions in offered.items()},
        roles=_names(connection, "SELECT rolname FROM pg_catalog.pg_roles"),
        tablespaces=_names(connection, "SELECT spcname FROM pg_catalog.pg_tablespace"),
    )


def _names(connection: Connection, query: str) -> frozenset[str]:
    return frozenset(row[0] for row in connection.execute(query))


def _identity(connection: Connection) -> str | None:
    try:
        return str(value(connection, "SELECT system_identifier FROM pg_catalog.pg_control_system()"))
    except psycopg.Error:  # some platforms keep it to themselves
        return None
