"""Everything that is not rows of tables: definitions, roles, sequences, views to refresh, large objects' owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.sources.base import Cut, Piece, PieceResult
from holdfast.sources.postgres.catalog_stamp import catalog_stamp
from holdfast.sources.postgres.connection import connect, prelude
from holdfast.sources.postgres.dump import archive, start_dump
from holdfast.sources.postgres.items import (
    DEFINITIONS,
    KIND_DEFINITIONS,
    KIND_EXTENSION_CONFIG,
    KIND_LARGE_OBJECTS,
    KIND_MATVIEW,
    KIND_ROLES,
    KIND_SEQUENCE,
    LARGE_OBJECTS,
    META_KEY,
    ROLES,
)
from holdfast.sources.postgres.names import literal, qualified, quote
from holdfast.sources.postgres.refusals import translating
from holdfast.sources.postgres.roles import Roles, read_roles
from holdfast.sources.postgres.sequences import read_sequences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.model.snapshot import Item, Notes
    from holdfast.sources.postgres.catalog import Relation
    from holdfast.sources.postgres.connection import Connection
    from holdfast.sources.postgres.inventory import Inventory
    from holdfast.sources.postgres.opening import Opened, Options
    from holdfast.system.process import Child

_BLOCK = 256 << 10
_OWNERS = (
    "COPY (SELECT m.oid, pg_get_userbyid(m.lomowner), m.lomacl::text, obj_description(m.oid, 'pg_largeobject') "
    "FROM pg_largeobject_metadata m ORDER BY m.oid) TO STDOUT"
)
_LO_READ = 262144
_CONTENT = (
    "COPY (SELECT s.oid, g.at, lo_get(s.oid, g.at, 2048) FROM (SELECT o.oid, lo_lseek64(o.fd, 0, 2) AS size, "
    "lo_close(o.fd) FROM (SELECT m.oid, lo_open(m.oid, {read}) AS fd FROM pg_largeobject_metadata m "
    "ORDER BY m.oid OFFSET 0) o OFFSET 0) s, LATERAL generate_series(0::int8, s.size - 1, 2048) AS g(at)) TO STDOUT"
)


class Beside:
    """The lane beside the tables. Uses the session that holds the snapshot, and one of its own for COPY."""

    def __init__(self, opened: Opened, options: Options, inventory: Inventory, *, keeping: bool) -> None:
        self._opened = opened
        self._options = options
        self._inventory = inventory
        self._keeping = keeping
        self._leader = opened.held.connection
        self._dump: Child | None = None
        self._stamp = b""
        self._roles = Roles(text="", passwords=True)
        self._copier: Connection | None = None

    def start(self) -> None:
        """Find out whether definitions changed; if so start pg_dump, which runs while rows are read."""
        if self._opened.early_dump is not None:
            self._dump = self._opened.early_dump
            return
        self._find_stamp()
        if self._kept_definitions() is None:
            self._dump = start_dump(self._opened.pg_dump, self._opened.session, self._opened.dump_options)

    def _find_stamp(self) -> None:
        facts = self._opened.held.facts
        if facts.version >= 140000 and self._opened.unasked is None and not self._stamp:
            self._stamp = catalog_stamp(
                self._leader, self._opened.pg_dump.version, facts.version_text, repr(self._opened.dump_options),
                facts.database,
            )

    def pieces(self) -> Iterator[Piece]:
        """Quick things first; pg_dump's output is waiting in its pipe meanwhile."""
        self._find_stamp()
        self._roles = read_roles(self._leader, acl=self._options.acl)
        yield _whole(ROLES, KIND_ROLES, self._roles.text.encode(self._inventory.codec))
        yield from self._sequences()
        yield from self._views()
        yield self._definitions()
        for relation in self._inventory.configurations:
            yield self._configuration(relation)
        if self._inventory.large_objects:
            yield from self._large_objects()

    def notes(self) -> Notes:
        """Facts for the snapshot's notes."""
        return {"passwords": self._roles.passwords, "pg_dump": self._opened.pg_dump.version}

    def not_protected(self) -> list[str]:
        """What could not be read."""
        lines = [] if self._roles.passwords else ["passwords of roles (only a superuser may read them)"]
        lines += [
            f"subscription {name}: it is restored disabled, without its slot"
            for (name,) in self._leader.execute(
                "SELECT subname::text FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid "
                "WHERE d.datname = current_database() ORDER BY 1"
            )
        ]
        return lines

    def neighbours(self) -> list[str]:
        """Other databases one can connect to on this server, without those that every server has."""
        found = self._leader.execute(
            "SELECT datname::text FROM pg_database WHERE datallowconn AND NOT datistemplate "
            "AND datname NOT IN (current_database(), 'postgres') ORDER BY 1"
        )
        return [name for (name,) in found]

    def close(self) -> None:
        """End pg_dump and the session for COPY."""
        if self._dump is not None:
            self._dump.close()
        if self._copier is not None:
            self._copier.close()

    def _kept_definitions(self) -> Piece | None:
        before = self._inventory.previous(DEFINITIONS)
        if not self._keeping or before is None or not before.segments:
            return None
        if self._opened.unasked is None and not self._is_stamped(before):
            return None
        return Piece(item=DEFINITIONS, kind=KIND_DEFINITIONS, kept=before.segments, item_notes=before.notes)

    def _is_stamped(self, before: Item) -> bool:
        """Whether the system catalogs are what they were when these definitions were read."""
        return bool(self._stamp) and len(before.segments) == 1 and before.segments[0].stamp == self._stamp

    def _definitions(self) -> Piece:
        kept = self._kept_definitions()
        if kept is not None or self._dump is None:
            return kept or Piece(item=DEFINITIONS, kind=KIND_DEFINITIONS)
        before = self._inventory.previous(DEFINITIONS)
        result = PieceResult(stamp=self._stamp)
        return Piece(
            item=DEFINITIONS, kind=KIND_DEFINITIONS, cut=Cut.WHOLE, blocks=archive(self._dump, self._opened.session),
            base=before.segments[0] if before and before.segments else None, result=lambda: result,
            item_notes={"pg_dump": self._opened.pg_dump.version},
        )

    def _sequences(self) -> Iterator[Piece]:
        wanted = [one for one in self._opened.held.catalog.of_kind("S")
                  if self._inventory.wanted(one) or one.condition is not None]
        for relation, last, called in read_sequences(self._leader, wanted):
            yield Piece(
                item=self._inventory.name(relation), kind=KIND_SEQUENCE,
                item_notes={"last_value": last, "is_called": called, "oid": relation.oid},
            )

    def _views(self) -> Iterator[Piece]:
        for relation in self._opened.held.catalog.of_kind("m"):
            if self._inventory.wanted(relation):
                yield Piece(
                    item=self._inventory.name(relation), kind=KIND_MATVIEW,
                    item_notes={"populated": relation.populated, "oid": relation.oid},
                )

    def _configuration(self, relation: Relation) -> Piece:
        names = ", ".join(quote(name) for name in self._inventory.columns(relation).names)
        table = qualified(relation.schema, relation.name)
        query = f"COPY (SELECT {names} FROM ONLY {table} {relation.condition}) TO STDOUT"
        return self._copied(self._inventory.name(relation), KIND_EXTENSION_CONFIG, query,
                            notes=self._inventory.notes(relation))

    def _large_objects(self) -> Iterator[Piece]:
        yield self._copied(LARGE_OBJECTS, KIND_LARGE_OBJECTS, _OWNERS, key=META_KEY)
        if not self._inventory.large_objects_readable:
            content = _CONTENT.format(read=_LO_READ)
            yield self._copied(LARGE_OBJECTS, KIND_LARGE_OBJECTS, content, key="0-", order=1)

    def _copied(
        self, item: bytes, kind: str, query: str, *, key: str = "", order: int = 0, notes: Notes | None = None
    ) -> Piece:
        result = PieceResult()
        return Piece(
            item=item, kind=kind, order=order, key=key, cut=Cut.ROWS, item_notes=notes,
            blocks=self._copy(query, result), result=lambda: result,
        )

    def _copy(self, query: str, result: PieceResult) -> Iterator[bytes]:
        """Small things, through our own connection: their conditions are not ours to feed to psql."""
        with translating(self._opened.conninfo, doing="large objects or extension tables could not be read"):
            yield from self._copy_rows(query, result)

    def _copy_rows(self, query: str, result: PieceResult) -> Iterator[bytes]:
        connection = self._copying()
        parts: list[bytes] = []
        size = 0
        with connection.cursor() as cursor:
            with cursor.copy(query.encode(connection.info.encoding)) as rows:
                for row in rows:
                    parts.append(bytes(row))
                    size += len(row)
                    if size >= _BLOCK:
                        yield b"".join(parts)
                        parts, size = [], 0
            result.rows = cursor.rowcount
        if parts:
            yield b"".join(parts)

    def _copying(self) -> Connection:
        if self._copier is None:
            session = self._opened.session
            connection = connect(self._opened.conninfo)
            cursor = connection.execute(prelude(session.encoding).encode())
            while cursor.nextset():
                pass
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute(f"SET TRANSACTION SNAPSHOT {literal(session.snapshot)}".encode())
            self._copier = connection
        return self._copier


def _whole(item: bytes, kind: str, content: bytes) -> Piece:
    result = PieceResult(rows=0)
    return Piece(item=item, kind=kind, cut=Cut.WHOLE, blocks=[content] if content else [], result=lambda: result)
