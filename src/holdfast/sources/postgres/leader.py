"""The session that holds a snapshot open, and the locks that keep every table as that snapshot saw it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from holdfast.model.errors import SourceError
from holdfast.sources.postgres.catalog import Catalog, altered, moved, read_columns, read_relations, read_types
from holdfast.sources.postgres.continuity import present_tokens
from holdfast.sources.postgres.facts import OLDEST_SERVER, Facts, read_facts
from holdfast.sources.postgres.names import escaped_qualified, qualified
from holdfast.sources.postgres.refusals import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from holdfast.sources.postgres.catalog import Relation
    from holdfast.sources.postgres.connection import Connection
    from holdfast.sources.postgres.conninfo import Conninfo

_BATCH = 250
_ATTEMPTS = 8
_LOCK_WAIT = "2s"
_MOMENT = 5.0


class _ChangedError(Exception):
    """Something was altered between snapshot and lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to lock: ``choose`` picks tables out of everything found; ``patience`` seconds for their locks.

    ``tell`` is called once when that takes longer than a moment, with who is in the way. ``few`` gives the oids of
    the only relations that need looking at, by the server's facts and the tokens in it; None means all of them.
    ``begun`` hears the name of each snapshot that was tried, when tables are chosen and before they are locked.
    """

    choose: Callable[[list[Relation]], list[Relation]]
    patience: float = 60.0
    tell: Callable[[str], None] = lambda _: None
    few: Callable[[Facts, set[str]], Sequence[int] | None] = lambda _facts, _present: None
    begun: Callable[[str, Facts], None] = lambda _name, _facts: None


class _Waiting:
    """How long locks were waited for, and whom that was said to."""

    def __init__(self, observer: Connection, wanted: Wanted) -> None:
        self._observer = observer
        self._tell = wanted.tell
        self._patience = wanted.patience
        self._begin = time.monotonic()
        self._told = False

    def over(self) -> bool:
        """Whether to give up; on the way to that, says once who is in the way."""
        waited = time.monotonic() - self._begin
        if waited >= _MOMENT and not self._told:
            self._told = True
            self._tell(
                f"waiting for a lock to read a table, for {self._patience:.0f} s at most: "
                + (_who_blocks(self._observer) or "another session holds it")
            )
        return waited >= self._patience


@dataclass(slots=True, kw_only=True)
class Held:
    """A snapshot held by ``connection``: ``name`` to import it, and what was looked at in it. ``tables`` are locked.

    ``present``: the continuity tokens it sees.
    """

    connection: Connection
    name: str
    facts: Facts
    catalog: Catalog
    tables: list[Relation]
    present: set[str]


def hold_snapshot(connection: Connection, observer: Connection, conninfo: Conninfo, wanted: Wanted) -> Held:
    """Open a snapshot and lock the wanted tables so that they are exactly what it sees.

    Starts over when a table was truncated, rewritten or altered in between. ``observer`` is a second session,
    which sees the present. SourceError when locks cannot be had (it names who holds them).
    """
    waiting = _Waiting(observer, wanted)
    attempt = 0
    while attempt < _ATTEMPTS:
        try:
            return _attempt(connection, observer, wanted, waiting)
        except _ChangedError:
            connection.execute("ROLLBACK")
            time.sleep(0.05 * attempt)
            attempt += 1
        except psycopg.errors.LockNotAvailable as error:
            blocked = _who_blocks(observer)
            connection.execute("ROLLBACK")
            if not waiting.over():
                continue
            raise SourceError(
                f"a table could not be locked for reading within {wanted.patience:.0f} s",
                where=conninfo.url, why=blocked or "another session holds a lock",
                hint="run the backup again when that session is done, or end it: "
                "SELECT pg_terminate_backend(pid);",
                retryable=True,
            ) from error
        except psycopg.Error as error:
            raise translated(error, conninfo, doing="the tables could not be locked for reading") from error
    raise SourceError(
        "tables were altered again and again while the snapshot was taken", where=conninfo.url,
        hint="run the backup when no migration is running", retryable=True,
    )


def _attempt(connection: Connection, observer: Connection, wanted: Wanted, waiting: _Waiting) -> Held:
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    # asking for a table's size waits for its lock as well
    connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'".encode())
    (name,) = connection.execute("SELECT pg_export_snapshot()").fetchall()[0]
    facts = read_facts(connection)
    if facts.version < OLDEST_SERVER:
        raise SourceError(
            f"PostgreSQL {facts.version_text} is too old", hint="holdfast reads version 12 and later"
        )
    present = present_tokens(connection)
    relations = read_relations(connection, wanted.few(facts, present))
    tables = wanted.choose(relations)
    wanted.begun(name, facts)
    _lock(connection, tables, waiting)
    oids = [table.oid for table in tables]
    columns = read_columns(connection, oids)
    doubtful = altered(observer, facts.xmin, oids)
    now = read_columns(observer, doubtful) if doubtful else {}
    if moved(connection, oids) or any(now[oid] != columns[oid] for oid in doubtful):
        raise _ChangedError
    types = read_types(connection, columns.values())
    catalog = Catalog(relations=relations, columns=columns, types=types)
    return Held(connection=connection, name=name, facts=facts, catalog=catalog, tables=tables, present=present)


def lock_statements(tables: Iterable[Relation], *, ascii_only: bool = False) -> list[str]:
    """``LOCK TABLE`` for these, in few statements; with escaped names for psql."""
    name = escaped_qualified if ascii_only else qualified
    names = [f"ONLY {name(table.schema, table.name)}" for table in tables]
    return [
        f"LOCK TABLE {', '.join(names[start:start + _BATCH])} IN ACCESS SHARE MODE"
        for start in range(0, len(names), _BATCH)
    ]


def _lock(connection: Connection, tables: Sequence[Relation], waiting: _Waiting) -> None:
    """Lock them all; a batch that has to wait too long is given up and tried again until the deadline."""
    for statement in lock_statements(tables):
        while True:
            connection.execute("SAVEPOINT holdfast_lock")
            try:
                connection.execute(statement.encode(connection.info.encoding))
            except psycopg.errors.LockNotAvailable:
                if waiting.over():
                    raise
                connection.execute("ROLLBACK TO SAVEPOINT holdfast_lock")
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName,
                    psycopg.errors.WrongObjectType):
                raise _ChangedError from None
            else:
                connection.execute("RELEASE SAVEPOINT holdfast_lock")
                break


def _who_blocks(observer: Connection) -> str:
    """The sessions that hold or wait for an exclusive lock on a table, for an error."""
    rows = observer.execute(
        "SELECT DISTINCT a.pid, coalesce(a.usename::text, ''), coalesce(a.application_name, ''), "
        "l.relation::regclass::text FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
        "WHERE l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND l.relation >= 16384 "
        "AND a.pid <> pg_backend_pid() LIMIT 5"
    ).fetchall()
    return "; ".join(
        f"process {pid} ({user}, {application or 'unnamed'}) locks {table}"
        for pid, user, application, table in rows
    )
