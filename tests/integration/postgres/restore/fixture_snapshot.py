"""A snapshot made straight with pg_dump and COPY, for tests of restoring that must not depend on capturing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from tests.servers.postgres import PostgresServer

from holdfast.model.errors import Damaged
from holdfast.model.snapshot import Item, Notes, Segment

_PRELUDE = (
    "SET search_path = ''; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = postgres; SET TimeZone = 'UTC';"
    "SET extra_float_digits = 3; SET bytea_output = hex; SET row_security = off; SET synchronize_seqscans = off"
)


class FixtureSnapshot:
    """Manifest and Content at once; ``damage`` makes a segment unreadable."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._items: dict[bytes, Item] = {}
        self._bytes: dict[bytes, bytes] = {}
        self._count = itertools.count()
        self.damaged: set[bytes] = set()
        self.asked = 0

    @property
    def notes(self) -> Notes:
        return self._notes

    def items(self) -> Iterator[Item]:
        return iter([self._items[name] for name in sorted(self._items)])

    def item(self, name: bytes) -> Item | None:
        return self._items.get(name)

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        self.asked += 1
        if segment.stamp in self.damaged:
            raise Damaged("a chunk is damaged", where=f"packs/x ({segment.key})")
        data = self._bytes[segment.stamp]
        for start in range(0, len(data), 100_000):
            yield data[start : start + 100_000]

    def prefetch(self, segments: Sequence[Segment]) -> None:
        pass

    def add(
        self,
        name: bytes,
        kind: str,
        stretches: Sequence[tuple[str, int, bytes]],
        notes: Notes | None = None,
        segment_notes: Notes | None = None,
    ) -> Item:
        segments = []
        for key, rows, data in stretches:
            stamp = str(next(self._count)).encode()
            self._bytes[stamp] = data
            segments.append(Segment(key=key, rows=rows, size=len(data), slices=[], stamp=stamp, notes=segment_notes))
        item = Item(
            name=name,
            kind=kind,
            rows=sum(s.rows for s in segments),
            size=sum(s.size for s in segments),
            segments=segments,
            notes=notes,
        )
        self._items[name] = item
        return item

    def damage(self, name: bytes, segment: int = 0) -> None:
        self.damaged.add(self._items[name].segments[segment].stamp)

    def replace(self, name: bytes, segment: int, data: bytes) -> None:
        self._bytes[self._items[name].segments[segment].stamp] = data

    def content(self, name: bytes) -> bytes:
        return b"".join(self._bytes[segment.stamp] for segment in self._items[name].segments)

    def only(self, *names: bytes) -> FixtureSnapshot:
        """The same with these items alone, as a partial snapshot has."""
        part = FixtureSnapshot(self._notes)
        part._items = {name: self._items[name] for name in names}
        part._bytes = self._bytes
        part._count = self._count
        part.damaged = self.damaged
        return part


def snapshot_of(server: PostgresServer, database: str, *, blocks: int = 0, roles: str = "") -> FixtureSnapshot:
    """Everything in a database; ``blocks`` > 0 cuts tables into stretches of that many heap blocks."""
    with server.connect(database) as connection:
        for statement in _PRELUDE.split(";"):
            connection.execute(statement)
        snapshot = FixtureSnapshot(_notes(connection, database))
        archive = server.client("pg_dump", "-Fc", "-Z0", "--schema-only", database=database).stdout
        snapshot.add(b"definitions", "definitions", [("", 0, archive)])
        if roles:
            snapshot.add(b"roles", "roles", [("", 0, roles.encode())])
        _relations(connection, snapshot, blocks)
        _large_objects(connection, snapshot)
    return snapshot


def _notes(connection: Any, database: str) -> Notes:
    row = connection.execute(
        "SELECT current_setting('server_version_num')::int, pg_encoding_to_char(encoding), oid::int,"
        " (SELECT system_identifier::text FROM pg_control_system()) FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    extensions = dict(connection.execute("SELECT extname, extversion FROM pg_extension").fetchall())
    return {
        "server_version_num": row[0],
        "encoding": row[1],
        "database_oid": row[2],
        "system_identifier": row[3],
        "database": database,
        "extensions": extensions,
    }


def _relations(connection: Any, snapshot: FixtureSnapshot, blocks: int) -> None:
    found = connection.execute(
        "SELECT quote_ident(nspname) || '.' || quote_ident(relname), relkind::text, c.oid::int, relispopulated,"
        " pg_relation_size(c.oid) / 8192, relispartition FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'm', 'S') AND nspname !~ '^pg_' AND nspname NOT IN ('information_schema')"
    ).fetchall()
    for name, kind, oid, populated, pages, part in found:
        if kind == "m":
            snapshot.add(name.encode(), "matview", [], {"populated": populated})
        elif kind == "S":
            last, called = connection.execute(f"SELECT last_value, is_called FROM {name}").fetchone()
            snapshot.add(name.encode(), "sequence", [], {"last_value": last, "is_called": called})
        else:
            _table(connection, snapshot, name, oid, (pages, blocks, part))


def _table(connection: Any, snapshot: FixtureSnapshot, name: str, oid: int, cut: tuple[int, int, bool]) -> None:
    pages, blocks, part = cut
    columns, types = [], []
    for column, kind in connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND"
        " attgenerated = '' ORDER BY attnum",
        (oid,),
    ):
        columns.append(column)
        types.append(kind)
    listed = ", ".join('"' + column.replace('"', '""') + '"' for column in columns)
    ranges = [(start, start + blocks) for start in range(0, pages, blocks)] if blocks and pages > blocks else [(0, 0)]
    stretches = []
    for start, end in ranges:
        where = f" WHERE ctid >= '({start},0)' AND ctid < '({end},0)'" if end else ""
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY (SELECT {listed} FROM ONLY {name}{where}) TO STDOUT") as copy:
                data = b"".join(bytes(row) for row in copy)
            stretches.append((f"{start}-{end or ''}", cursor.rowcount, data))
    root = connection.execute("SELECT pg_partition_root(%s)::oid::int", (oid,)).fetchone()[0] if part else None
    above = (
        connection.execute(
            "SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = relnamespace WHERE c.oid = %s",
            (root,),
        ).fetchone()
        if root
        else None
    )
    notes = {"columns": columns, "types": types, "partition_of": above and above[0]}
    snapshot.add(name.encode(), "table", stretches, notes)


def _large_objects(connection: Any, snapshot: FixtureSnapshot) -> None:
    if not connection.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone()[0]:
        return
    stretches = []
    for key, query in (
        (
            "meta",
            (
                "SELECT oid, pg_get_userbyid(lomowner), lomacl::text, obj_description(oid, 'pg_largeobject')"
                " FROM pg_largeobject_metadata"
            ),
        ),
        ("data", "SELECT loid, pageno::bigint * 2048, data FROM pg_largeobject"),
    ):
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
                data = b"".join(bytes(row) for row in copy)
            stretches.append((key, cursor.rowcount, data))
    snapshot.add(b"largeobjects", "largeobjects", stretches)
