"""What a snapshot says about keys and references is what the database has."""

from __future__ import annotations

from tests.integration.postgres.records.looking import view
from tests.servers.postgres import PostgresServer

from holdfast.entities.applying import apply
from holdfast.records.preview import Wish, preview
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


def test_rows_without_a_primary_key_of_their_own_values_have_a_unique_one(pg: PostgresServer, database: str) -> None:
    """Unique columns that are never NULL; a computed key is in no row. Rows come back one by one by it."""
    pg.run(
        "CREATE TABLE nat (a int NOT NULL, b int NOT NULL, v text, w text UNIQUE, UNIQUE (a, b));"
        "CREATE TABLE comp (x text NOT NULL UNIQUE, v text, id text GENERATED ALWAYS AS ('n' || x) STORED PRIMARY KEY);"
        "CREATE TABLE loose (a int UNIQUE, v text); CREATE TABLE only_comp (x text, v text,"
        " id text GENERATED ALWAYS AS ('n' || x) STORED PRIMARY KEY);"
        "INSERT INTO nat VALUES (1, 1, 'x'), (2, 2, 'y'); INSERT INTO comp VALUES ('1', 'x'), ('2', 'y');"
        "INSERT INTO loose VALUES (1, 'x'), (2, 'y'), (NULL, 'z'); INSERT INTO only_comp VALUES ('1', 'x'), ('2', 'y')",
        database,
    )
    source = PostgresSource(pg.url(database))
    book = SnapshotBook(view(source))
    pg.run(
        "UPDATE nat SET v = 'changed' WHERE a = 1; DELETE FROM nat WHERE a = 2;"
        "UPDATE comp SET v = 'changed' WHERE x = '1'; DELETE FROM comp WHERE x = '2';"
        "UPDATE loose SET v = 'changed' WHERE a = 1; DELETE FROM loose WHERE a = 2;"
        "DELETE FROM only_comp WHERE x = '2'",
        database,
    )
    keys = {"nat": ("a", "b"), "comp": ("x",), "loose": (), "only_comp": ()}
    fates = {"nat": "update create", "comp": "update create", "loose": "blocked create unchanged",
             "only_comp": "unchanged create"}  # fmt: skip
    with source.open_live() as live, live.transaction() as transaction:
        for name, key in keys.items():
            table, was = live.tables[name], book.tables[name]
            assert table.key == was.key == key
            rows = sorted(book.rows(was), key=lambda row: str(row.values["v"]))
            found = preview(Wish(rows=rows, source=was, target=table, live=live, overwrite=True), transaction.find)
            assert " ".join(each.fate for each in found) == fates[name]
            apply(live, transaction, [change for each in found if (change := each.difference())])
    with source.open_live() as live:
        for name in set(keys) - {"loose"}:
            assert sorted(map(str, live.rows(live.tables[name]))) == sorted(map(str, book.rows(book.tables[name])))
