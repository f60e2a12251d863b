"""What is exported of PostgreSQL is read by PostgreSQL's own programs, and what those wrote becomes a snapshot."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contracts.book_contract import cheap, room  # noqa: F401
from tests.faults.world import World
from tests.integration.postgres.restore.applying import EVERYTHING
from tests.servers.postgres import PostgresServer, fresh_database

from holdfast.model.errors import HoldfastError
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.postgres import PostgresSource
from holdfast.sources.postgres.archive_script import script_of
from holdfast.sources.records import Book
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.exporting import ExportOrder, export
from holdfast.usecases.importing import ImportOrder, ImportResult, import_
from holdfast.usecases.looking import open_book

pytestmark = pytest.mark.usefixtures("cheap")
ENVIRON = dict(os.environ)
SHOP = r"""
CREATE TABLE genres (id smallint PRIMARY KEY, name text NOT NULL, on_sale boolean);
CREATE TABLE events (id serial PRIMARY KEY, title text, tags text[], seats int[], price numeric(10,2), ratio float8,
  data jsonb, note json, raw bytea, at timestamptz, genre smallint REFERENCES genres,
  twice int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE "Odd ""Name" ("a b" text, "c,d" text);
CREATE TABLE empty_one (id int);
INSERT INTO genres VALUES (1, 'jazz', true), (2, '', false), (3, 'x', NULL);
INSERT INTO events (title, tags, seats, price, ratio, data, note, raw, at, genre) VALUES
  ('plain', '{jazz,live}', '{1,2,NULL}', 12.50, 1e300, '{"b": [1.50, "é"], "a": null}', '{"x":  1,"x":2}', '\x00ff',
   '2026-11-20 04:20:00+00', 1),
  (E'tab\t"quote" \\ new\nline', '{"a;b","",NULL,"NULL"}', '{{1,2},{3,4}}', 'NaN', '-Infinity', 'null', 'null', '\x',
   'infinity', 2),
  ('', '{}', '[0:1]={5,6}', 0.10, -0.0, '"text"', '"text"', NULL, NULL, NULL),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), ('=1+1', '{=cmd}', NULL, 1e5, 0.1, '{"$json": 1}',
   '[1, 2.0]', NULL, NULL, 3);
INSERT INTO "Odd ""Name" VALUES (NULL, NULL), ('', ' x '), (E'\r\n', '\.');
"""


@pytest.fixture
def repository(room: Path) -> Iterator[Repository]:  # noqa: F811
    """An empty one."""
    with World(room / "world").create().opened("client") as opened:
        yield opened


def taken(repository: Repository, source: PostgresSource) -> SnapshotEntry:
    """A whole snapshot of it."""
    made = backup(repository, BackupRequest(sources={"shop": source}))
    assert not made.failures, made.failures
    return entry_of(repository, made.snapshots[0].id)


def entry_of(repository: Repository, name: str) -> SnapshotEntry:
    """A snapshot by its id."""
    return next(entry for entry in repository.snapshots() if entry.info.id == name)


def told(book: Book) -> dict[str, list[tuple[object, ...]]]:
    """All rows by table, in the order of their text."""
    return {
        name: sorted((tuple(row.values.items()) for row in book.rows(table)), key=repr)
        for name, table in book.tables.items()
    }


def imported(repository: Repository, source: PostgresSource, path: Path, **more: object) -> ImportResult:
    """What is at ``path``, as snapshots of the shop."""
    order = ImportOrder(
        name="shop", source=source, path=path, unpack=lambda each: script_of(each, ENVIRON), **more  # type: ignore[arg-type]
    )
    return import_(repository, order)


def dumped(pg: PostgresServer, database: str) -> str:
    """All of a database as pg_dump tells it, without what says when and by whom."""
    text = pg.client("pg_dump", "--no-large-objects" if pg.major >= 16 else "--no-blobs", database=database).stdout
    kept = re.sub(r"^(\\(un)?restrict .*|--.*)$", "", text.decode(), flags=re.MULTILINE)
    return "\n".join(sorted(line for line in kept.splitlines() if line))


@pytest.mark.parametrize("format", ["sql", "pgdump"])
def test_a_dump_loads_into_an_empty_database(
    pg: PostgresServer, database: str, repository: Repository, tmp_path: Path, format: str  # noqa: A002
) -> None:
    """psql and pg_restore make of it what the database was: every definition, row and sequence."""
    pg.run(EVERYTHING, database)
    source = PostgresSource(pg.url(database), allow_write_token=False, environ=ENVIRON)
    path = pg.folder / f"out-{database}-{format}"
    order = ExportOrder(entry=taken(repository, source), source=source, format=format, to=path)
    assert export(repository, order).files[str(path)] == path.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    try:
        with fresh_database(pg) as other:
            if format == "sql":
                pg.client("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(path), database=other)
            else:
                pg.client("pg_restore", "--exit-on-error", str(path), database=other)
            assert dumped(pg, other) == dumped(pg, database)
    finally:
        path.unlink()


def test_chosen_tables_are_a_dump_of_their_own(
    pg: PostgresServer, database: str, repository: Repository, tmp_path: Path
) -> None:
    """What the tables need goes with them, nothing else does."""
    pg.run(SHOP, database)
    source = PostgresSource(pg.url(database), environ=ENVIRON)
    path = pg.folder / f"out-{database}"
    order = ExportOrder(
        entry=taken(repository, source), source=source, format="pgdump", to=path, only=("public.genres", "events")
    )
    export(repository, order)
    path.chmod(0o644)
    try:
        with fresh_database(pg) as other:
            pg.client("pg_restore", "--exit-on-error", "-j", "2", str(path), database=other)
            assert pg.run("SELECT count(*), sum(id), nextval('events_id_seq') FROM events", other) == [(5, 15, 6)]
            assert pg.run("SELECT to_regclass('empty_one')", other) == [(None,)]
    finally:
        path.unlink()


@pytest.mark.parametrize("format", ["json", "csv", "jsonl", "sql", "pgdump"])
def test_what_is_exported_comes_back_the_same(
    pg: PostgresServer, database: str, repository: Repository, tmp_path: Path, format: str  # noqa: A002
) -> None:
    """Every value of every type, by way of each format."""
    pg.run(SHOP, database)
    source = PostgresSource(pg.url(database), environ=ENVIRON)
    entry = taken(repository, source)
    path = tmp_path / {"json": "shop.json", "sql": "shop.sql", "pgdump": "shop.dump"}.get(format, "shop")
    export(repository, ExportOrder(entry=entry, source=source, format=format, to=path))
    found = imported(repository, source, path).backups
    assert [each.skipped for each in found] == [""]
    with open_book(repository, entry, source) as before:
        expected = told(before)
    assert found[0].snapshot is not None
    with open_book(repository, entry_of(repository, found[0].snapshot.id), source) as after:
        assert told(after) == expected


@pytest.mark.parametrize("options", [(), ("--inserts",), ("--column-inserts", "--rows-per-insert=3"), ("-Fc",)])
def test_dumps_of_pg_dump_become_snapshots(
    pg: PostgresServer, database: str, repository: Repository, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Plain with COPY, with INSERT of every form, packed, and custom archives."""
    function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $x$ SELECT 1; -- COPY a (b) FROM stdin;\n$x$;"
    pg.run(SHOP + function, database)
    source = PostgresSource(pg.url(database), environ=ENVIRON)
    with open_book(repository, taken(repository, source), source) as book:
        expected = told(book)
    data = pg.client("pg_dump", *options, database=database).stdout
    path = tmp_path / ("old.dump" if "-Fc" in options else "old.sql.gz")
    path.write_bytes(data if "-Fc" in options else gzip.compress(data))
    snapshot = imported(repository, source, path).backups[0].snapshot
    assert snapshot is not None
    with open_book(repository, entry_of(repository, snapshot.id), source) as book:
        assert told(book) == expected
    half = tmp_path / "half.sql"
    if "-Fc" not in options:
        half.write_bytes(data[: data.rindex(b"\n", 0, len(data) * 2 // 3) - 3])
        with pytest.raises(HoldfastError, match=r"half|fields"):
            imported(repository, source, half)


def test_cells_are_what_copy_writes(
    pg: PostgresServer, database: str, repository: Repository, tmp_path: Path
) -> None:
    """COPY … CSV of the server reads an exported file, but for lists, which are written for people."""
    pg.run(SHOP + "ALTER TABLE events DROP COLUMN tags, DROP COLUMN seats", database)
    source = PostgresSource(pg.url(database), environ=ENVIRON)
    export(repository, ExportOrder(entry=taken(repository, source), source=source, format="csv", to=tmp_path / "out"))
    with pg.connect(database) as connection:
        for table in ("genres", "events", '"Odd ""Name"'):
            path = tmp_path / "out" / {"genres": "public.genres.csv", "events": "public.events.csv"}.get(
                table, "public.%22Odd %22%22Name%22.csv"
            )
            names = path.read_text().splitlines()[0]
            names = names if table != '"Odd ""Name"' else '"a b", "c,d"'
            connection.execute(f"CREATE TEMP TABLE x AS TABLE {table} WITH NO DATA")
            with connection.cursor().copy(f"COPY x ({names}) FROM STDIN (FORMAT csv, HEADER)") as copy:
                copy.write(path.read_bytes())
            different = f"SELECT {names}::text FROM {table} EXCEPT ALL SELECT {names}::text FROM x"
            different = f"SELECT ({names})::text FROM {table} EXCEPT ALL SELECT ({names})::text FROM x"
            assert connection.execute(different).fetchall() == []  # type: ignore[arg-type]
            connection.execute("DROP TABLE x")
