"""Makes the roles that are missing on a server, and touches no role that exists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import psycopg

from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions_sql import split_statements
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_place import reason

_NAME = r'(?P<role>"(?:[^"]|"")*"|[^\s";]+)'
_CREATE = re.compile(rf"CREATE\s+(?:ROLE|USER|GROUP)\s+{_NAME}", re.IGNORECASE)
_ALTER = re.compile(rf"(?:ALTER\s+(?:ROLE|USER)|COMMENT\s+ON\s+ROLE)\s+{_NAME}", re.IGNORECASE)
_GRANT = re.compile(rf'GRANT\s+(?:"(?:[^"]|"")*"|[^\s";]+)\s+TO\s+{_NAME}', re.IGNORECASE | re.DOTALL)
_IN_DATABASE = re.compile(rf"ALTER\s+(?:ROLE|USER)\s+{_NAME}\s+IN\s+DATABASE\b", re.IGNORECASE)
_PASSWORD = re.compile(r"\bPASSWORD\s+(?!NULL\b)", re.IGNORECASE)


@dataclass(slots=True)
class RolesMade:
    """``made`` roles; ``without_password`` those that could log in and now cannot; ``problems`` in words."""

    made: list[str] = field(default_factory=list)
    without_password: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def role_names(script: str) -> list[str]:
    """The roles a script of ``CREATE ROLE`` statements makes."""
    found = (_CREATE.match(statement) for statement in split_statements(script))
    return [_unquoted(match["role"]) for match in found if match]


def make_roles(connection: Connection, script: str, existing: Iterable[str], wanted: set[str] | None) -> RolesMade:
    """Run the statements about roles that do not exist yet (``wanted`` None: all of them).

    A role without a known password is made NOLOGIN. What the server refuses is told, and stops nothing.
    """
    missing = [name for name in role_names(script) if name not in set(existing)]
    chosen = {name for name in missing if wanted is None or name in wanted}
    made = RolesMade()
    with_password: set[str] = set()
    can_login: set[str] = set()
    for statement in split_statements(script):
        role = _about(statement)
        if role not in chosen:
            continue
        if _try(connection, statement, made) and _CREATE.match(statement):
            made.made.append(role)
        head = re.sub(r"'(?:[^']|'')*'", "''", statement)
        if _PASSWORD.search(head):
            with_password.add(role)
        if re.search(r"(?<!NO)LOGIN\b", head, re.IGNORECASE) and not _GRANT.match(statement):
            can_login.add(role)
    for role in sorted((can_login & set(made.made)) - with_password):
        _try(connection, f"ALTER ROLE {quote(role)} NOLOGIN", made)
        made.without_password.append(role)
    return made


def _about(statement: str) -> str:
    """The role a statement changes, "" when it is about something else (a database, a role in a database)."""
    if _IN_DATABASE.match(statement):
        return ""
    found = _CREATE.match(statement) or _ALTER.match(statement) or _GRANT.match(statement)
    return _unquoted(found["role"]) if found else ""


def _try(connection: Connection, statement: str, made: RolesMade) -> bool:
    try:
        with connection.transaction():
            connection.execute(statement)
    except psycopg.Error as error:
        if connection.closed:
            raise
        made.problems.append(f"role {_about(statement)}: {reason(error)}")
        return False
    return True


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
