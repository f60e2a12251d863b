"""What a first user gets wrong with a PostgreSQL source, asked of the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from holdfast.model.errors import HoldfastError
from holdfast.sources.base import Finding
from holdfast.sources.postgres.catalog import read_relations
from holdfast.sources.postgres.connection import Connection, connect
from holdfast.sources.postgres.facts import OLDEST_SERVER, TID_RANGE_SERVER, Facts, read_facts
from holdfast.sources.postgres.items import CONTINUITY_SCHEMA
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.refusals import least_privilege, translated
from holdfast.sources.postgres.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sources.postgres.opening import Options

_MAY_WRITE = (
    # looked up in the catalogs: naming a table in a schema one may not use is an error of its own
    "SELECT CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE') "
    "WHEN c.oid IS NULL THEN has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE') "
    "ELSE has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') "
    "AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'DELETE') END, n.oid, c.oid "
    "FROM (SELECT 1) one LEFT JOIN pg_namespace n ON n.nspname = %(schema)s "
    "LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'token'"
)


def examine(options: Options) -> list[Finding]:
    """Findings in the order a person would mend them; nothing is changed anywhere."""
    try:
        connection = connect(options.conninfo)
    except HoldfastError as error:
        return [Finding(level="fail", what=_told(error), mend=error.hint)]
    with connection:
        try:
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                return list(_findings(connection, options))
        except psycopg.Error as error:
            problem = translated(error, options.conninfo, doing="the catalogs cannot be read")
            return [Finding(level="fail", what=_told(problem), mend=problem.hint)]


def _findings(connection: Connection, options: Options) -> Iterator[Finding]:
    facts = read_facts(connection)
    yield _version(facts, options)
    yield from _programs(facts)
    yield from _tables(connection, options)
    yield from _role(connection, facts, options)
    yield _continuity(connection, facts, options)
    yield _size(connection)
    if facts.extensions:
        shown = ", ".join(f"{name} {version}" for name, version in facts.extensions)
        yield Finding(level="ok", what=f"extensions a restore needs on its server: {shown}")


def _version(facts: Facts, options: Options) -> Finding:
    place = options.conninfo.place
    if facts.version < OLDEST_SERVER:
        return Finding(level="fail", what=f"PostgreSQL {facts.version_text} at {place} is too old",
                       mend="upgrade to PostgreSQL 12 or later")
    if facts.version < TID_RANGE_SERVER:
        return Finding(level="warn", what=f"PostgreSQL {facts.version_text} at {place}: every backup reads all rows",
                       mend="from PostgreSQL 14 on unchanged data is skipped")
    if facts.standby:
        return Finding(level="warn", what=f"{place} is a standby: every backup reads all rows",
                       mend="name the primary in the source URL to read only what changed")
    return Finding(level="ok", what=f"PostgreSQL {facts.version_text} at {place} answers, no pooler in between")


def _programs(facts: Facts) -> Iterator[Finding]:
    for name in ("psql", "pg_dump", "pg_restore"):
        try:
            found = tool(name, facts.version)
        except HoldfastError as error:
            yield Finding(level="fail", what=_told(error), mend=error.hint)
        else:
            yield Finding(level="ok", what=f"{name} {found.version} ({found.path})")


def _tables(connection: Connection, options: Options) -> Iterator[Finding]:
    tables = [one for one in read_relations(connection) if one.kind == "r" and not one.member]
    unreadable = [one.label for one in tables if not one.readable]
    hidden = [one.label for one in tables if one.rows_hidden]
    if unreadable:
        yield Finding(level="fail", what="the role may not read " + ", ".join(unreadable[:5]),
                      mend=least_privilege(options.conninfo))
    if hidden:
        role = quote(options.conninfo.user or "holdfast")
        yield Finding(level="fail", what="row security hides rows of " + ", ".join(hidden[:5]),
                      mend=f"ALTER ROLE {role} BYPASSRLS;")
    if not unreadable and not hidden:
        yield Finding(level="ok", what=f"all {len(tables)} tables can be read")


def _role(connection: Connection, facts: Facts, options: Options) -> Iterator[Finding]:
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'holdfast'").fetchone() is not None
    if facts.superuser:
        yield Finding(level="warn", what=f"the role {facts.role} is a superuser; reading needs far less",
                      mend=least_privilege(options.conninfo, role="holdfast", exists=exists))
    else:
        yield Finding(level="ok", what=f"the role {facts.role} is no superuser (role passwords stay unsaved)")


def _continuity(connection: Connection, facts: Facts, options: Options) -> Finding:
    if facts.standby or not options.allow_write_token:
        return Finding(level="warn", what="no continuity token is written: after a restart everything is read")
    row = connection.execute(_MAY_WRITE, {"schema": CONTINUITY_SCHEMA}).fetchone()
    if row and row[0]:
        return Finding(level="ok", what=f"a continuity token can be kept in {CONTINUITY_SCHEMA}.token")
    role = quote(options.conninfo.user or facts.role)
    _, schema, table = row or (False, None, None)
    if schema is None:
        mend = f"CREATE SCHEMA {CONTINUITY_SCHEMA} AUTHORIZATION {role};"
    elif table is None:
        mend = f"GRANT USAGE, CREATE ON SCHEMA {CONTINUITY_SCHEMA} TO {role};"
    else:
        mend = (
            f"GRANT USAGE ON SCHEMA {CONTINUITY_SCHEMA} TO {role}; "
            f"GRANT SELECT, INSERT, DELETE ON {CONTINUITY_SCHEMA}.token TO {role};"
        )
    return Finding(
        level="warn", what="no continuity token can be written: after a restart everything is read again", mend=mend
    )


def _size(connection: Connection) -> Finding:
    row = connection.execute("SELECT pg_size_pretty(pg_database_size(current_database()))").fetchone()
    return Finding(level="ok", what=f"the database takes {row[0] if row else '?'} on the server, indexes included")


def _told(error: HoldfastError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what
