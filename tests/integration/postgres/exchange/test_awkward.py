"""Schemas and values that trip exporters: out in every format, in again, and by PostgreSQL's own programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contracts.book_contract import cheap, room  # noqa: F401
from tests.integration.postgres.exchange.test_dumps import (
    ENVIRON,
    dumped,
    entry_of,
    imported,
    repository,  # noqa: F401
    taken,
    told,
)
from tests.servers.postgres import PostgresServer, fresh_database

from holdfast.repository.repository import Repository
from holdfast.sources.postgres import PostgresSource
from holdfast.usecases.exporting import ExportOrder, export
from holdfast.usecases.looking import open_book

pytestmark = pytest.mark.usefixtures("cheap")
AWKWARD = r"""
CREATE TYPE mood AS ENUM ('sad', 'so so', 'a,b', 'x;y', '');
CREATE DOMAIN percent AS numeric(5,2) CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE parts (region text NOT NULL, id int, at date NOT NULL, PRIMARY KEY (region, id, at)) PARTITION BY LIST
  (region);
CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu') PARTITION BY RANGE (at);
CREATE TABLE parts_eu_old PARTITION OF parts_eu FOR VALUES FROM (MINVALUE) TO ('2000-01-01');
CREATE TABLE parts_eu_new (id int NOT NULL, at date NOT NULL, region text NOT NULL);
ALTER TABLE parts_eu ATTACH PARTITION parts_eu_new FOR VALUES FROM ('2000-01-01') TO (MAXVALUE);
CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
INSERT INTO parts VALUES ('eu', 1, '1999-12-31'), ('eu', 2, '2026-01-01'), ('us', 3, '2026-01-01'), ('', 4,
  '-infinity');
CREATE TABLE odd (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, p percent, c pair, moods mood[], m mood, big numeric,
  twice numeric GENERATED ALWAYS AS (p * 2) STORED, f8 float8, f4 real, d date, ts timestamp, tz timestamptz, t time,
  iv interval, b bytea, txt text, vc varchar(10), ch char(5), bits bit(3), ip inet, j json, jb jsonb, u uuid, r
  int4range,
  grid int[][], at_odd int[], money money, xml xml, tsv tsvector, pt point);
INSERT INTO odd (p, c, moods, m, big, f8, f4, d, ts, tz, t, iv, b, txt, vc, ch, bits, ip, j, jb, u, r, grid,
  at_odd, money,
  tsv, pt) VALUES
 (12.5, '(1,"a,""b")', '{sad,"a,b"}', 'x;y', 1e40, '-0', '1e-40', '0044-03-15 BC', 'infinity',
  '4713-01-01 00:00:00+00 BC',
  '24:00', '1 year -3 days 04:05:06.7', '\x00ff0d0a', E'a\r\nb\tc\\N', '\N', 'ab', B'101', '::1/64', '{"a": 1, "a": 2}',
  '{"x": "\\N \t é", "n": 1.10}', '00000000-0000-0000-0000-00000000000A', '[1,5)', '{{1,2},{3,NULL}}',
  '[2:3]={7,8}', 12.34,
  'a:1 b:2', '(1,-2.5)'),
 (NULL, '(,)', '{}', '', 'NaN', 'Infinity', 'NaN', 'infinity', '0001-01-01 BC', '-infinity', '00:00', '0', '\x',
  '', '', '',
  B'000', '10.0.0.1', 'null', 'null', NULL, 'empty', '{}', '{}', -0.01, '', NULL),
 (0, NULL, '{NULL,"so so",""}', NULL, -0.0000000001, 1e-300, 0.1, '10000-01-01', NULL,
  '2026-03-29 01:30:00.000001+00', NULL,
  '-1 mon', NULL, E'\v\f\b\x01\x7f', E'\n', NULL, NULL, NULL, E'[1,\n2]', '"\u2028"', NULL, NULL, NULL, NULL, NULL,
  NULL, NULL),
 (100, '(7,"")', '{"x;y"}', 'sad', 0.00, 5e-324, 3.4e38, '2026-02-29'::text::date - 0, NULL, NULL, NULL, NULL, NULL,
  ' lead and trail ', 'null', '''', NULL, NULL, '"x;y"', '[]', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;
CREATE SCHEMA "Ünï ""q"".s";
CREATE TABLE "Ünï ""q"".s"."t.Able; --" (" sp ace " int PRIMARY KEY, "a;b" text, "x	y" text, "Select" text DEFAULT
  'é''"');
INSERT INTO "Ünï ""q"".s"."t.Able; --" VALUES (1, 'jazz;live', '=1+1', '日本'), (2, '{}', '\.', E'\u00a0x');
CREATE TABLE one_text (v text); INSERT INTO one_text VALUES (''), (NULL), ('\N'), ('\.'), (' '),
  ('"'), (','), (E'\r'), (E'\n');
CREATE TABLE hen (id int PRIMARY KEY, egg int); CREATE TABLE egg (id int PRIMARY KEY, hen int REFERENCES hen
  DEFERRABLE);
ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE;
BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO hen VALUES (1, 1); INSERT INTO egg VALUES (1, 1); COMMIT;
CREATE TABLE base (a int); CREATE TABLE kid (x text) INHERITS (base); INSERT INTO base VALUES (1); INSERT INTO kid
  VALUES (2, 'k');
CREATE MATERIALIZED VIEW seen AS SELECT region, count(*) FROM parts GROUP BY 1; CREATE UNIQUE INDEX ON seen (region);
ALTER TABLE odd ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON odd USING (txt IS NOT NULL);
COMMENT ON TABLE odd IS E'odd''s "table"\nnext'; COMMENT ON COLUMN odd.p IS '\N';
""".replace("'2026-02-29'::text::date - 0", "'2024-02-29'")


def wide() -> str:
    """A table as wide as they come."""
    columns = ", ".join(f"c{n} int" for n in range(1600))
    return f"CREATE TABLE wide ({columns}); INSERT INTO wide (c0, c1599) VALUES (1, 2), (NULL, 3);"


@pytest.mark.parametrize("format", ["sql", "pgdump"])
def test_awkward_schemas_load_by_the_tools_of_the_server(
    pg: PostgresServer, database: str, repository: Repository, format: str  # noqa: A002, F811
) -> None:
    """Into an empty database, and that dumps as the first does."""
    pg.run(AWKWARD + wide(), database)
    source = PostgresSource(pg.url(database), allow_write_token=False, environ=ENVIRON)
    path = pg.folder / f"awkward-{database}-{format}"
    export(repository, ExportOrder(entry=taken(repository, source), source=source, format=format, to=path))
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


@pytest.mark.parametrize("format", ["csv", "json", "jsonl", "sql", "inserts"])
def test_awkward_values_come_back_the_same_and_once(
    pg: PostgresServer, database: str, repository: Repository, tmp_path: Path, format: str  # noqa: A002, F811
) -> None:
    """By way of holdfast's own files and of INSERT statements of pg_dump; partitions do not double."""
    pg.run(AWKWARD + wide(), database)
    source = PostgresSource(pg.url(database), allow_write_token=False, environ=ENVIRON)
    entry = taken(repository, source)
    path = tmp_path / {"csv": "out", "jsonl": "out"}.get(format, f"out.{format.replace('inserts', 'sql')}")
    if format == "inserts":  # pg_dump writes it without quotes, and then it is 0 to the server too
        pg.run("UPDATE odd SET f8 = 0 WHERE f8::text = '-0'", database)
        entry = taken(repository, source)
        path.write_bytes(pg.client("pg_dump", "--inserts", database=database).stdout)
    else:
        export(repository, ExportOrder(entry=entry, source=source, format=format, to=path))
    found = imported(repository, source, path).backups
    assert found[0].snapshot is not None
    with open_book(repository, entry, source) as before, open_book(
        repository, entry_of(repository, found[0].snapshot.id), source
    ) as after:
        expected, got = told(before), told(after)
        whole = [name for name, table in before.tables.items() if not table.root]
        assert {name: sorted(map(dict_of, got[name]), key=repr) for name in whole} == {
            name: sorted(map(dict_of, expected[name]), key=repr) for name in whole
        }


def dict_of(row: tuple[object, ...]) -> list[object]:
    """Columns in the order of their names: parts of a table may have them in another."""
    return sorted(row, key=repr)
