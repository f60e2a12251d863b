"""A session over books in memory: what DuckDB is given, what it may do, and what happens when rows cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.contracts.memory_book import MemoryBook, table_of

from holdfast.model.errors import Damaged, UsageError
from holdfast.model.records import Column, Row, Table
from holdfast.records.sql import arrow
from holdfast.records.sql.session import open_session
from holdfast.sources.records import Book

PEOPLE = table_of("people", "id int key", "name text", "odd text")
VISITS = table_of("app.visits", "person int", "page text")


def book(count: int = 3) -> MemoryBook:
    people = [{"id": n, "name": None if n % 3 == 0 else f"é{n}", "odd": n if n % 2 else "text"} for n in range(count)]
    return MemoryBook([PEOPLE, VISITS], {"people": people, "app.visits": [{"person": 1, "page": "/"}]})


def asked(statement: str, **books: Book) -> list[tuple[Any, ...]]:
    with open_session(books or {"": book()}) as session:
        return list(session.ask(statement).rows)


def test_many_batches_arrive_whole_and_are_let_go() -> None:
    """Counted, joined with itself, and cut short; nothing that C pointed to is kept afterwards."""
    large = book(20_000)
    with open_session({"": large}) as session:
        assert list(session.ask("SELECT count(*), count(name), sum(id) FROM people").rows) == [
            (20_000, 13_333, sum(range(20_000)))
        ]
    joined = "SELECT count(*) FROM people a JOIN people b ON a.id = b.id + 1 WHERE a.name IS NOT NULL"
    assert asked(joined, **{"": large}) == [(13_333,)]
    assert len(asked("SELECT * FROM people LIMIT 7", **{"": large})) == 7
    asked("SELECT id FROM people")
    arrow._let_go()
    assert len([kept for kept in arrow._held.values() if isinstance(kept, tuple) and len(kept) == 5]) == 0


def test_tables_are_found_with_and_without_schema_and_side_by_side() -> None:
    """One book has its own names; two are a and b."""
    assert asked("SELECT v.page, w.page FROM app.visits v, visits w") == [("/", "/")]
    assert asked("SELECT count(*) FROM a.people JOIN b.people USING (id)", a=book(3), b=book(2)) == [(2,)]
    assert asked('SELECT page FROM a."app.visits"', a=book(), b=book()) == [("/",)]


def test_values_of_several_kinds_in_one_column_are_text() -> None:
    """Where a column has no type of its own, nothing is lost."""
    assert asked("SELECT odd FROM people ORDER BY id") == [("text",), ("1",), ("text",)]


def test_numbers_that_are_none_make_the_column_text_and_say_so() -> None:
    """As SQLite allows: an INTEGER column that holds a word."""
    odd = MemoryBook([PEOPLE], {"people": [{"id": 1}, {"id": "x"}]})
    with open_session({"": odd}) as session:
        answer = session.ask("SELECT id FROM people ORDER BY 1")
        assert list(answer.rows) == [("1",), ("x",)]
        assert any("people.id" in note for note in answer.notes)


def test_texts_among_bytes_and_columns_without_type_are_noted() -> None:
    """As SQLite allows both: nothing is passed off as something else."""
    table = Table(
        name="odd", key=("id",),
        columns=(Column(name="id", type="int"), Column(name="data", type="blob"), Column(name="any")),
    )
    odd = MemoryBook([table], {"odd": [{"id": 1, "data": b"\0\xff", "any": 5}, {"id": 2, "data": "text", "any": "5"}]})
    with open_session({"": odd}) as session:
        answer = session.ask('SELECT data, "any" FROM odd ORDER BY id')
        assert list(answer.rows) == [("\\x00ff", "5"), ("text", "5")]
        assert any("odd.data" in note for note in answer.notes)
        assert any("odd.any" in note for note in answer.notes)


def test_a_cast_of_the_question_itself_stays_wrong() -> None:
    """No column is to blame."""
    with pytest.raises(UsageError, match="cannot be carried out"):
        asked("SELECT name::int FROM people")


def test_documents_have_the_columns_of_their_fields() -> None:
    """Types where they agree, text where they do not, the whole document besides."""
    documents = MemoryBook([Table(name="events", key=("_id",))], {})
    documents.data["events"] = [
        {"_id": 1, "title": "a", "mixed": 1, "inner": {"x": [1, 2]}},  # type: ignore[dict-item]
        {"_id": 2, "mixed": "b", "when": {"$date": "2026-11-21T00:00:00Z"}},  # type: ignore[dict-item]
    ]
    with open_session({"": documents}) as session:
        answer = session.ask('SELECT _id, title, mixed, "inner"->\'$.x[1]\', year("when") FROM events ORDER BY _id')
        assert list(answer.rows) == [(1, "a", "1", "2", None), (2, None, "b", None, 2026)]
        assert any("mixed" in note for note in answer.notes)
    assert asked("SELECT _document->>'$.title' FROM events ORDER BY _id", **{"": documents}) == [("a",), (None,)]


class Broken(MemoryBook):
    """A book whose chunks are damaged after some rows."""

    def rows(self, table: Table) -> Iterator[Row]:
        yield from (Row({"id": n, "name": "x", "odd": "y"}) for n in range(10_000))
        raise Damaged("a chunk is damaged", where="packs/1")


def test_damage_is_told_as_what_it_is() -> None:
    """Not as a failure of the statement, and never as fewer rows."""
    with pytest.raises(Damaged, match="a chunk is damaged"):
        asked("SELECT count(*) FROM people", **{"": Broken([PEOPLE], {})})


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE x (i int)", "INSERT INTO people VALUES (1)", "DELETE FROM people", "SET threads = 9",
        "PRAGMA database_list", "CALL pragma_version()", "ATTACH ':memory:' AS x", "COPY people TO '/tmp/x'",
        "SELECT 1; DROP VIEW people", "LOAD json", "INSTALL httpfs", "EXPORT DATABASE '/tmp/x'", "", ";", "CHECKPOINT",
        "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_json('/etc/passwd')", "FROM '/etc/passwd'",
        "SELECT * FROM read_blob('/proc/self/environ')", "SELECT * FROM glob('/*')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM read_csv('https://localhost/x')", "SELECT getenv('HOME')", "FROM parquet_scan('/etc/passwd')",
        "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')", "SELECT * FROM query_table('/etc/passwd')",
        "SELECT * FROM read_csv(['holdfast://0', '/etc/passwd'])", "FROM read_text('holdfast:///etc/passwd')",
        "SUMMARIZE '/etc/passwd'", "DESCRIBE '/etc/passwd'", "ATTACH 'https://localhost/x.db'", "FROM '~/.ssh/id_rsa'",
        "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''/etc/passwd'')'))",
        "WITH x AS (INSERT INTO people VALUES (1) RETURNING 1) SELECT * FROM x", "PREPARE x AS SELECT 1",
        "SELECT * FROM large", "EXPLAIN ANALYZE COPY people TO '/tmp/holdfast-never.csv'",
    ],
)  # fmt: skip
def test_nothing_but_a_question_is_carried_out(statement: str) -> None:
    """Files, settings, extensions, other databases, Python's own variables: all refused."""
    large = book()  # noqa: F841 - DuckDB would find it by its name
    with pytest.raises(UsageError):
        asked(statement)


def test_quoted_names_are_tables_and_what_is_within_is_hidden() -> None:
    """A name with quotes and a dot is asked as the database writes it; only the snapshot's own tables are shown."""
    odd = table_of('public."We""ird ta.ble"', "id int key", "v text")
    book = MemoryBook([odd], {odd.name: [{"id": 1, "v": "x"}]})
    with open_session({"": book}) as session:
        assert list(session.ask('select id from "We""ird ta.ble"').rows) == [(1,)]
    with open_session({"": book}) as session:
        assert {row[0] for row in session.ask("show tables").rows} == {odd.name, 'We"ird ta.ble'}
