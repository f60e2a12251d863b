"""Roles and what is set for them and for the database: cluster-wide facts that a database dump leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sources.postgres.connection import Connection

_ATTRIBUTES = (
    ("rolsuper", "SUPERUSER"), ("rolinherit", "INHERIT"), ("rolcreaterole", "CREATEROLE"),
    ("rolcreatedb", "CREATEDB"), ("rolcanlogin", "LOGIN"), ("rolreplication", "REPLICATION"),
    ("rolbypassrls", "BYPASSRLS"),
)
_ROLES = (
    "SELECT r.rolname::text, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, "
    "rolbypassrls, rolconnlimit, rolvaliduntil::text, {}, shobj_description(r.oid, 'pg_authid') "
    "FROM {} r WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1"
)
_MEMBERS = (
    "SELECT g.rolname::text, m.rolname::text, a.admin_option, {more} FROM pg_auth_members a "
    "JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member "
    "WHERE m.rolname NOT LIKE 'pg\\_%' ORDER BY 1, 2"
)
_SETTINGS = (
    "SELECT r.rolname::text, s.setdatabase, s.setconfig FROM pg_db_role_setting s "
    "LEFT JOIN pg_roles r ON r.oid = s.setrole "
    "WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY 2, 1"
)
_DATABASE = (
    "SELECT datname::text, pg_get_userbyid(datdba)::text, datconnlimit, datacl IS NOT NULL, "
    "shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
)
_GRANTS = (
    "SELECT coalesce(r.rolname::text, 'public'), x.grantee = 0, x.privilege_type, x.is_grantable "
    "FROM pg_database d, aclexplode(d.datacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee "
    "WHERE d.datname = current_database() ORDER BY 1, 3"
)
_LISTS = {"search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries",
          "shared_preload_libraries", "unix_socket_directories"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The statements, one a line, and whether passwords are among them."""

    text: str
    passwords: bool


def read_roles(connection: Connection, *, acl: bool) -> Roles:
    """Everything about roles and the database this role may read."""
    rows, passwords = _role_rows(connection)
    lines = [line for row in rows for line in _role(row)]
    lines += _members(connection)
    lines += _settings(connection)
    lines += _database(connection, acl=acl)
    return Roles(text="".join(f"{line};\n" for line in lines), passwords=passwords)


def _role_rows(connection: Connection) -> tuple[list[tuple[object, ...]], bool]:
    try:
        with connection.transaction():
            query = _ROLES.format("r.rolpassword", "pg_authid")
            return connection.execute(query.encode()).fetchall(), True
    except psycopg.errors.InsufficientPrivilege:
        query = _ROLES.format("NULL", "pg_roles")
        return connection.execute(query.encode()).fetchall(), False


def _role(row: tuple[object, ...]) -> Iterator[str]:
    name = one_line(str(row[0]))
    words = [word if on else f"NO{word}" for (_, word), on in zip(_ATTRIBUTES, row[1:8], strict=True)]
    if row[8] != -1:
        words.append(f"CONNECTION LIMIT {row[8]}")
    if row[9] is not None:
        words.append(f"VALID UNTIL {text(str(row[9]))}")
    if row[10] is not None:
        words.append(f"PASSWORD {text(str(row[10]))}")
    yield f"CREATE ROLE {name}"
    yield f"ALTER ROLE {name} WITH {' '.join(words)}"
    if row[11] is not None:
        yield f"COMMENT ON ROLE {name} IS {text(str(row[11]))}"


def _members(connection: Connection) -> Iterator[str]:
    newer = connection.info.server_version >= 160000
    more = "a.inherit_option, a.set_option" if newer else "NULL, NULL"
    query = _MEMBERS.format(more=more)
    for group, member, admin, inherit, may_set in connection.execute(query.encode()).fetchall():
        options = f" WITH ADMIN {_bool(admin)}, INHERIT {_bool(inherit)}, SET {_bool(may_set)}"
        older = " WITH ADMIN OPTION" if admin else ""
        yield f"GRANT {one_line(group)} TO {one_line(member)}{options if newer else older}"


def _settings(connection: Connection) -> Iterator[str]:
    (database,) = connection.execute("SELECT current_database()::text").fetchall()[0]
    for role, in_database, config in connection.execute(_SETTINGS.encode()).fetchall():
        place = f" IN DATABASE {one_line(database)}" if in_database and role else ""
        target = f"ALTER ROLE {one_line(role)}{place}" if role else f"ALTER DATABASE {one_line(database)}"
        if not role and not in_database:
            target = "ALTER ROLE ALL"
        for setting in config:
            name, _, value = setting.partition("=")
            yield f"{target} SET {_setting_name(name)} TO {_setting_value(name, value)}"


def _database(connection: Connection, *, acl: bool) -> Iterator[str]:
    (name, owner, limit, has_acl, comment) = connection.execute(_DATABASE.encode()).fetchall()[0]
    database = one_line(name)
    yield f"ALTER DATABASE {database} OWNER TO {one_line(owner)}"
    if limit != -1:
        yield f"ALTER DATABASE {database} CONNECTION LIMIT {limit}"
    if comment is not None:
        yield f"COMMENT ON DATABASE {database} IS {text(comment)}"
    if not (acl and has_acl):
        return
    yield f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"
    for role, everybody, privilege, grantable in connection.execute(_GRANTS.encode()).fetchall():
        grantee = "PUBLIC" if everybody else one_line(role)
        option = " WITH GRANT OPTION" if grantable else ""
        yield f"GRANT {privilege} ON DATABASE {database} TO {grantee}{option}"


def one_line(name: str) -> str:
    """A quoted identifier without a line break in it."""
    if "\n" not in name and "\r" not in name:
        return '"' + name.replace('"', '""') + '"'
    escaped = name.replace('"', '""').replace("\\", "\\\\").replace("\n", "\\000a").replace("\r", "\\000d")
    return f'U&"{escaped}"'


def text(value: str) -> str:
    """A string constant without a line break in it."""
    quoted = value.replace("'", "''")
    if "\\" not in quoted and "\n" not in quoted and "\r" not in quoted:
        return f"'{quoted}'"
    escaped = quoted.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"E'{escaped}'"


def _setting_name(name: str) -> str:
    return ".".join(one_line(part) for part in name.split("."))


def _setting_value(name: str, value: str) -> str:
    """Settings that are lists keep their elements; others are one string, whatever is in it."""
    if name.lower() in _LISTS:
        return value or "''"
    return text(value)


def _bool(value: object) -> str:
    return "TRUE" if value else "FALSE"
