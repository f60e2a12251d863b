"""Everything a capture holds open: the snapshot, a second pair of eyes on the present, logins for children."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import psycopg

from holdfast.model.errors import SourceError
from holdfast.sources.postgres.catalog import Relation, Selection
from holdfast.sources.postgres.connection import Connection, connect
from holdfast.sources.postgres.conninfo import ChildAuth, Conninfo
from holdfast.sources.postgres.continuity import prepare_tokens, write_token
from holdfast.sources.postgres.early import EarlyDump, Looking, dump_options
from holdfast.sources.postgres.items import DEFINITIONS
from holdfast.sources.postgres.leader import Held, Wanted, hold_snapshot, lock_statements
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.refusals import translated
from holdfast.sources.postgres.stream import Session
from holdfast.sources.postgres.tools import Tool, tool
from holdfast.sources.postgres.unasked import Unasked, unasked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.model.snapshot import Notes
    from holdfast.sources.base import Previous
    from holdfast.sources.postgres.dump import DumpOptions
    from holdfast.sources.postgres.facts import Facts
    from holdfast.system.process import Child

_LOCKED_BY_LANES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a postgres source was configured with. ``repository_table``: a repository kept in this database."""

    conninfo: Conninfo
    tables: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    owner: bool = True
    acl: bool = True
    allow_write_token: bool = True
    repository_table: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    lock_patience: float = 60.0


@dataclass(slots=True, kw_only=True)
class Opened:
    """One held snapshot and what is needed to read it.

    ``wish`` is what was asked for, as far as a snapshot depends on it. ``unasked``: what may be kept unseen.
    ``early_dump``: a pg_dump of this snapshot that runs already, with ``dump_options``.
    """

    conninfo: Conninfo
    held: Held
    observer: Connection
    session: Session
    pg_dump: Tool
    selection: Selection
    left_out: list[Relation]
    wish: Notes
    unasked: Unasked | None
    dump_options: DumpOptions
    early_dump: Child | None
    token: str
    token_xid: int
    insert_lsn: str
    only: tuple[str, ...] = ()
    repository_label: str = ""

    def wants_item(self, name: bytes) -> bool:
        """Whether an item that is no table was chosen."""
        label = name.decode()
        return not self.only or any(fnmatchcase(label, pattern) for pattern in self.only)


@contextmanager
def open_snapshot(
    options: Options, only: tuple[str, ...] = (), tell: Callable[[str], None] = lambda _: None,
    previous: Previous | None = None,
) -> Iterator[Opened]:
    """Hold a snapshot of the chosen tables as long as the context lasts; SourceError when it cannot be had.

    ``tell`` hears what it is waited for. What is provably as ``previous`` has it is not looked at.
    """
    with ExitStack() as stack:
        looking = Looking()
        leader = stack.enter_context(_closing(options.conninfo))
        conninfo = options.conninfo.settled(leader)
        version = leader.info.server_version
        looking.wait()
        psql, pg_dump = tool("psql", version), tool("pg_dump", version)
        observer = stack.enter_context(_closing(conninfo))
        auth = stack.enter_context(ChildAuth(conninfo, options.environ))
        _prepare(observer, options)
        choice = _Choice(options, only)
        sleep = _Sleep(options, pg_dump, previous if not only else None)
        early = stack.enter_context(EarlyDump(pg_dump))

        def begun(name: str, facts: Facts) -> None:
            if previous is not None and previous.item(DEFINITIONS) is not None:
                return  # they may turn out to be unchanged
            session = Session(psql=psql.path, conninfo=conninfo, auth=auth, snapshot=name, encoding=facts.encoding)
            early.start(session, choice.dump_options(facts.encoding))

        held = hold_snapshot(
            leader, observer, conninfo,
            Wanted(choose=choice.tables, patience=options.lock_patience, tell=tell, few=sleep.few, begun=begun),
        )
        bytes_only = held.facts.encoding == "SQL_ASCII"
        few = len(held.tables) <= _LOCKED_BY_LANES
        session = Session(
            psql=psql.path, conninfo=conninfo, auth=auth, snapshot=held.name, encoding=held.facts.encoding,
            locks=tuple(f"{one};" for one in lock_statements(held.tables, ascii_only=not bytes_only)) if few else None,
        )
        token, token_xid, lsn = _link(observer, held, options)
        yield Opened(
            conninfo=conninfo, held=held, observer=observer, session=session, pg_dump=pg_dump,
            selection=choice.selection, left_out=choice.left_out, wish=sleep.wish, unasked=sleep.found,
            early_dump=early.child, dump_options=choice.dump_options(held.facts.encoding),
            token=token, token_xid=token_xid, insert_lsn=lsn, only=only, repository_label=choice.repository_label,
        )


class _Sleep:
    """Decides, once the server's facts are known, what of the last snapshot may be kept without looking at it."""

    def __init__(self, options: Options, pg_dump: Tool, previous: Previous | None) -> None:
        self._options = options
        self._pg_dump = pg_dump
        self._previous = previous
        self.wish: Notes = {}
        self.found: Unasked | None = None

    def few(self, facts: Facts, present: set[str]) -> Sequence[int] | None:
        """The relations to be looked at; None when it must be all of them."""
        options = self._options
        self.wish = {
            "role": facts.role, "database": facts.database, "server": facts.version_text,
            "pg_dump": self._pg_dump.version, "tables": list(options.tables), "exclude": list(options.exclude),
            "owner": options.owner, "acl": options.acl, "repository": options.repository_table or "",
        }
        self.found = unasked(self._previous, self.wish, facts, present) if self._previous is not None else None
        return self.found.awake if self.found is not None else None


class _Choice:
    """Picks the tables to read, and refuses when one of them would come out incomplete."""

    def __init__(self, options: Options, only: tuple[str, ...]) -> None:
        self.selection = Selection(tables=options.tables, exclude=options.exclude, only=only)
        self._options = options
        self.left_out: list[Relation] = []
        self.repository_label = ""

    def tables(self, relations: list[Relation]) -> list[Relation]:
        """Ordinary tables that are wanted; SourceError names those this role may not read in full."""
        by_oid = {relation.oid: relation for relation in relations}
        chosen = []
        self.left_out = []
        for relation in relations:
            if relation.kind != "r" or (relation.member and relation.condition is None):
                continue
            above = [by_oid[oid] for oid in relation.ancestors if oid in by_oid]
            if self._is_repository(relation) or not self.selection.wants(relation, above):
                self.left_out.append(relation)
            else:
                chosen.append(relation)
        self._refuse_partial(chosen)
        return chosen

    def dump_options(self, encoding: str) -> DumpOptions:
        """What pg_dump is told once ``tables`` has chosen."""
        return dump_options(
            self.left_out, self.repository_label, encoding, owner=self._options.owner, acl=self._options.acl
        )

    def _is_repository(self, relation: Relation) -> bool:
        wanted = self._options.repository_table
        names = {relation.label, f"{relation.schema}.{relation.name}", relation.name}
        if wanted is None or wanted not in names:
            return False
        self.repository_label = relation.label
        return True

    def _refuse_partial(self, chosen: list[Relation]) -> None:
        role = quote(self._options.conninfo.user or "holdfast")
        unreadable = [one.label for one in chosen if not one.readable]
        if unreadable:
            raise SourceError(
                "this role may not read every table", where=self._options.conninfo.url,
                why="permission denied for " + _listed(unreadable),
                hint=f"as a superuser: GRANT pg_read_all_data TO {role};   -- before PostgreSQL 14: "
                f"GRANT USAGE ON SCHEMA … TO {role}; GRANT SELECT ON {', '.join(unreadable[:3])} TO {role};  "
                "or leave the tables out with 'exclude'",
            )
        hidden = [one.label for one in chosen if one.rows_hidden]
        if hidden:
            raise SourceError(
                "row security hides rows from this role", where=self._options.conninfo.url,
                why="policies apply to " + _listed(hidden),
                hint=f"as a superuser: ALTER ROLE {role} BYPASSRLS;   or leave the tables out with 'exclude'",
            )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


def _prepare(observer: Connection, options: Options) -> None:
    try:
        row = observer.execute("SELECT pg_is_in_recovery()").fetchone()
        if options.allow_write_token and row and not row[0]:
            prepare_tokens(observer)
    except psycopg.Error as error:
        raise translated(error, options.conninfo, doing="the continuity table could not be made") from error


def _link(observer: Connection, held: Held, options: Options) -> tuple[str, int, str]:
    """Leave a token for the next capture, and note how far the log had been written after the snapshot."""
    if held.facts.standby:
        return "", 0, ""
    try:
        token, xid = write_token(observer) if options.allow_write_token else ("", 0)
        row = observer.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
    except psycopg.Error as error:
        raise translated(error, options.conninfo, doing="the continuity token could not be written") from error
    return token, xid, str(row[0]) if row else ""


@contextmanager
def _closing(conninfo: Conninfo) -> Iterator[Connection]:
    connection = connect(conninfo)
    try:
        yield connection
    finally:
        connection.close()
