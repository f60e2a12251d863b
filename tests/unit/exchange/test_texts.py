"""Text formats are read as they were written, however the text is cut into pieces."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.exchange import naming
from holdfast.exchange.csv_text import CsvReader
from holdfast.exchange.json_stream import JsonStream
from holdfast.exchange.reading import instant, instant_of_id
from holdfast.exchange.records import BadFile, Origin
from holdfast.exchange.sql_text import SqlReader
from holdfast.model.csv_cells import line
from holdfast.model.errors import UsageError

LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
CELLS = st.one_of(st.none(), st.text(st.sampled_from('a,;" \r\n\\.é='), max_size=8), LETTERS)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), LETTERS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(LETTERS, inner, max_size=3)),
    max_leaves=8,
)


def pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def cells(text: str, size: int = 1 << 20) -> list[list[Any]]:
    reader = CsvReader(pieces(text, size), "x.csv", "x")
    return [list(record.values.values()) for record in reader.records(Origin(format="csv"))]


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=6), st.integers(1, 9))
def test_cells_come_back_whatever_is_in_them(rows: list[list[str | None]], size: int) -> None:
    """NULL and the empty text, quotes, commas and line ends."""
    text = "".join(map(line, [["a", "b", "c"], *rows]))
    assert cells(text, size) == rows
    told = [[cell or "" for cell in row] for row in rows]
    assert list(csv.reader(io.StringIO(text, newline="")))[1:] == told


@given(JSON, st.integers(1, 9))
def test_values_come_back_from_any_pieces(value: Any, size: int) -> None:
    """As Python's own reader sees them."""
    stream = JsonStream(pieces(json.dumps({"rows": [value, 1.50], "end": 12}), size), "x.json")
    found: dict[str, Any] = {}
    for name in stream.members():
        found[name] = [stream.value() for _ in stream.elements()] if name == "rows" else stream.value()
    stream.finish()
    assert found == {"rows": [value, Decimal("1.5")], "end": 12}


@given(JSON, st.data())
def test_half_a_document_is_never_taken_for_a_whole_one(value: Any, data: st.DataObject) -> None:
    """Wherever it was cut."""
    text = json.dumps({"rows": [value]})
    cut = data.draw(st.integers(0, len(text) - 1))

    def read() -> None:
        stream = JsonStream(iter([text[:cut]]), "x.json")
        for _ in stream.members():
            stream.value()
        stream.finish()

    with pytest.raises(BadFile):
        read()


@given(st.integers(1, 40))
def test_a_dump_is_read_from_any_pieces(size: int) -> None:
    """COPY, INSERT, bodies of functions and triggers, comments, psql's commands."""
    text = (
        "--\n-- PostgreSQL database dump\n--\n\\restrict x\nSET client_encoding = 'UTF8';\n"
        "CREATE FUNCTION f() RETURNS text AS $a$ INSERT INTO t VALUES (9); $b$ ; $a$ LANGUAGE sql;\n"
        "CREATE TABLE public.t (id integer NOT NULL, \"a;b\" numeric(3,1) DEFAULT 1, CONSTRAINT x CHECK (id > 0));\n"
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO t VALUES (8); END;\n"
        "COPY public.t (id, \"a;b\") FROM stdin;\n1\tx\\ty\\\\\n2\t\\N\n\\.\n\n"
        "INSERT INTO public.t VALUES (3, 'it''s -- ; '), (-4, E'\\n'), (5, X'00ff');\n"
        "INSERT INTO public.t VALUES (6, replace('a\\nb','\\n',char(10)));\n"
        "/* a ; b */ INSERT INTO \"public\".\"t\" (id) VALUES (7::integer);\n"
        "-- PostgreSQL database dump complete\n\\unrestrict x\n"
    )
    reader = SqlReader(pieces(text, size), "x.sql")
    origin = Origin(format="sql")
    found = [(record.table, list(record.values.values())) for record in reader.records(origin)]
    assert found == [
        ("public.t", ["1", "x\ty\\"]), ("public.t", ["2", None]), ("public.t", [3, "it's -- ; "]),
        ("public.t", [-4, "\n"]),
        ("public.t", [5, b"\x00\xff"]), ("public.t", [6, "a\nb"]), ("public.t", [7]),
    ]  # fmt: skip
    assert origin.tables["public.t"] == ("id", "a;b")


def test_tables_are_found_by_what_files_call_them() -> None:
    """With or without schema, as models, never by guessing."""
    tables = ["public.tickets", 'public."Ticket Types"', "public.companies", "shop.events", "public.events"]
    assert naming.matching("Ticket", tables) == "public.tickets"
    assert naming.matching("public.Ticket Types", tables) == 'public."Ticket Types"'
    assert naming.matching("Company", tables) == "public.companies"
    assert naming.matching("tick", tables) is None
    with pytest.raises(UsageError, match="could mean"):
        naming.matching("events", tables)


@given(st.lists(LETTERS.filter(bool), unique=True, max_size=6))
def test_no_table_leaves_its_folder_or_takes_anothers_file(tables: list[str]) -> None:
    """Whatever it is called."""
    names = naming.file_names(tables, ".csv")
    assert len({name.casefold() for name in names.values()}) == len(tables)
    assert all("/" not in name and "\0" not in name and not name.startswith(".") for name in names.values())


def test_times_of_old_ids_are_known() -> None:
    """Milliseconds, a stamp of the day, a file's name."""
    assert instant_of_id("backup-1700000000000") == "2023-11-14T22:13:20.000Z"
    assert instant_of_id("backup_20261120_042000") == "2026-11-20T04:20:00.000Z"
    assert instant_of_id("event_7_backup_1700000000000") == "2023-11-14T22:13:20.000Z"
    assert instant_of_id("backup_20261399_042000") == instant_of_id("notes") == ""
    assert instant({"$date": "2026-11-20T04:20:00Z"}) == instant("2026-11-20 04:20:00") == "2026-11-20T04:20:00.000Z"


CHANGING = [
    "UPDATE t SET v = 'new';", "DELETE FROM t;", "TRUNCATE t;", "DROP TABLE t;", "ALTER TABLE t RENAME TO u;",
    "ALTER TABLE t DROP COLUMN v;", "CREATE TABLE u AS SELECT * FROM t;", "SELECT * INTO u FROM t;", "ROLLBACK;",
    "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE;", "/* a /* b */ INSERT INTO t VALUES (2, 'x'); */",
]  # fmt: skip


def records(script: str) -> list[dict[str, Any]]:
    return [dict(record.values) for record in SqlReader(iter([script]), "x.sql").records(Origin(format="sql"))]


@pytest.mark.parametrize("statement", CHANGING)
def test_a_script_that_changes_its_own_rows_is_refused(statement: str) -> None:
    """A reader of rows alone would take those that are gone."""
    script = f"CREATE TABLE t (id int, v text);\nINSERT INTO t VALUES (1, 'old');\n{statement}\n"
    with pytest.raises(BadFile, match=r"changes rows|comment"):
        records(script)


def test_what_dumps_write_beside_rows_is_read_past() -> None:
    """Texts that look like statements, what sqlite3 and pg_dump --clean do before rows, constraints after them."""
    script = """DROP TABLE IF EXISTS t;
CREATE TABLE t (id int, v text);
DELETE FROM sqlite_sequence;
INSERT INTO t VALUES (1, 'UPDATE t SET v = 1; /* a /* b */ SELECT 1 INTO x');
INSERT INTO t VALUES (2, E'caf\\303\\251 \\x41\\u00e9');
ALTER TABLE ONLY t ADD CONSTRAINT p PRIMARY KEY (id);
SELECT pg_catalog.setval('s', 1, true);
CREATE RULE r AS ON DELETE TO t DO INSTEAD UPDATE t SET v = 'x';
"""
    assert [each["v"] for each in records(script)] == ["UPDATE t SET v = 1; /* a /* b */ SELECT 1 INTO x", "café Aé"]


def test_rows_of_inheriting_tables_and_of_tables_without_columns_are_read() -> None:
    """As pg_dump --inserts writes them."""
    script = """CREATE TABLE public.base (a integer);
CREATE TABLE public.kid (x text
)
INHERITS (public.base);
CREATE TABLE public.nothing (
);
CREATE TABLE public.parts (region text NOT NULL)
PARTITION BY LIST (region);
INSERT INTO public.kid VALUES (2, 'k');
INSERT INTO public.nothing DEFAULT VALUES;
INSERT INTO public.kid VALUES (3, B'101');
"""
    origin = Origin(format="sql")
    found = [dict(record.values) for record in SqlReader(iter([script]), "x.sql").records(origin)]
    assert found == [{"a": 2, "x": "k"}, {}, {"a": 3, "x": "101"}]
    assert "public.parts" not in origin.tables


def test_rows_of_copy_with_the_line_ends_of_windows_are_read_without_them() -> None:
    """And a byte written by its number is part of a letter."""
    script = "COPY t (id, v) FROM stdin;\r\n1\tx\r\n2\tcaf\\303\\251\r\n\\.\r\n"
    assert records(script) == [{"id": "1", "v": "x"}, {"id": "2", "v": "café"}]
    with pytest.raises(BadFile, match="UTF-8"):
        records("COPY t (id, v) FROM stdin;\n1\t\\377\n\\.\n")


@pytest.mark.parametrize("sign", [";", "\t", ","])
def test_csv_of_other_writers_is_read(sign: str) -> None:
    """A mark at the beginning, semicolons or tabs, line ends of Windows, line ends and signs in quotes."""
    text = f'id{sign}v\r\n1{sign}"a{sign}b\r\nc"\r\n2{sign}\r\n3{sign}""\r\n'
    assert cells(text) == [["1", f"a{sign}b\r\nc"], ["2", None], ["3", ""]]
