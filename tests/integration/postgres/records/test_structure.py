"""What a snapshot says about keys and references is what the database has."""

from __future__ import annotations

from tests.integration.postgres.records.looking import view
from tests.servers.postgres import PostgresServer

from holdfast.sources.postgres import PostgresSource
from holdfast.sources.postgres.records.snapshot_book import SnapshotBook

SCHEMA = """
CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text NOT NULL, part int, note text,
  twice int GENERATED ALWAYS AS (part * 2) STORED, UNIQUE (code, part));
CREATE UNIQUE INDEX ON a (note); CREATE UNIQUE INDEX ON a (lower(note)); CREATE UNIQUE INDEX ON a (part) WHERE part > 0;
CREATE TABLE "s t" (n serial PRIMARY KEY, a int NOT NULL CONSTRAINT up REFERENCES a ON DELETE CASCADE,
  self int REFERENCES "s t" ON DELETE SET NULL DEFERRABLE, c text, p int, FOREIGN KEY (c, p) REFERENCES a (code, part));
CREATE TABLE part (day date, id int, a int REFERENCES a, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE points (day date, id int, FOREIGN KEY (day, id) REFERENCES part);
INSERT INTO a (code, part) VALUES ('x', 1); INSERT INTO part VALUES ('2026-01-03', 1, 1);
"""


def test_keys_and_references_are_kept(pg: PostgresServer, database: str) -> None:
    """Unique keys without expressions, references once each, sequences, nullability, generated columns."""
    pg.run(SCHEMA, database)
    book = SnapshotBook(view(PostgresSource(pg.url(database))))
    a = book.tables["a"]
    assert a.key == ("id",)
    assert set(a.unique) == {("code", "part"), ("note",)}
    assert a.sequences == {"id": "public.a_id_seq"}
    assert {one.name: (one.nullable, one.generated) for one in a.columns} == {
        "id": (False, False), "code": (False, False), "part": (True, False), "note": (True, False),
        "twice": (True, True),
    }
    found = {(one.table, one.columns): one for one in book.references}
    assert set(found) == {
        ('public."s t"', ("a",)), ('public."s t"', ("self",)), ('public."s t"', ("c", "p")),
        ("public.part", ("a",)), ("public.points", ("day", "id")),
    }
    up = found['public."s t"', ("a",)]
    assert (up.name, up.to, up.to_columns, up.on_delete, up.nullable) == ("up", "public.a", ("id",), "cascade", False)
    assert found['public."s t"', ("self",)].deferrable
    assert found['public."s t"', ("c", "p")].to_columns == ("code", "part")
    assert found["public.points", ("day", "id")].to == "public.part"
    assert book.tables["s t"].sequences == {"n": 'public."s t_n_seq"'}
    assert book.tables["part"].key == book.tables["part_1"].key == ("day", "id")
    assert book.tables["part"].rows == 1
