"""What a person types means one table and one key, or is refused with what it could be."""

from __future__ import annotations

import pytest
from tests.contracts.memory_book import MemoryBook, table_of

from holdfast.model.errors import UsageError
from holdfast.records.naming import asked, keys_of, table_named

BOOK = MemoryBook(
    [
        table_of("public.events", "id int key", "slug text", "a=b text", unique=[("slug",)]),
        table_of("public.lines", "event int key", "number int key", "text text"),
        table_of("app.lines", "id int key"),
        table_of("public.Log", "said text"), table_of('public."T0"', "id int key"), table_of("public.t1", "id int key"),
        table_of('public."t.d ""x"', "id int key"),
    ],
    {},
)
EVENTS, LINES = BOOK.tables["public.events"], BOOK.tables["public.lines"]


def test_tables_are_found_without_schema_and_in_other_case() -> None:
    """Where that is one table only."""
    assert table_named(BOOK, "events").name == "public.events"
    assert table_named(BOOK, "LOG").name == "public.Log"
    for spelled in ('public."T0"', "public.T0", "T0", "t0", '"T0"'):
        assert table_named(BOOK, spelled).name == 'public."T0"'
    assert table_named(BOOK, 'public."t1"').name == table_named(BOOK, '"public".t1').name == "public.t1"
    assert table_named(BOOK, 'public.t.d "x').name == table_named(BOOK, '"t.d ""x"').name == 'public."t.d ""x"'
    with pytest.raises(UsageError, match="more than one"):
        table_named(BOOK, "lines")
    with pytest.raises(UsageError) as caught:
        table_named(BOOK, "event")
    assert "public.events" in caught.value.hint


def test_a_key_may_be_the_primary_or_a_unique_one() -> None:
    """What cannot stand in the one is looked for in the other."""
    assert [(each.columns, each.key) for each in asked(BOOK, EVENTS, ["7"])] == [(("id",), (7,)), (("slug",), ("7",))]
    assert [(each.columns, each.key) for each in asked(BOOK, EVENTS, ["fair,x"])] == [(("slug",), ("fair,x",))]


def test_composite_keys_are_one_word_or_several() -> None:
    """Quoted as in CSV."""
    for words in (["7,2"], ["7", "2"], ["event=7", "number=2"]):
        (found,) = asked(BOOK, LINES, words)
        assert (found.columns, found.key) == (("event", "number"), (7, 2))
    with pytest.raises(UsageError):
        asked(BOOK, LINES, ["7"])


def test_the_longest_column_name_counts() -> None:
    """Names and values may hold the sign themselves."""
    (found,) = asked(BOOK, EVENTS, ["a=b=c=d"])
    assert (found.columns, found.key) == (("a=b",), ("c=d",))
    with pytest.raises(UsageError):
        asked(BOOK, EVENTS, ["7", "slug=x"])


def test_lists_of_keys() -> None:
    """One column: separated by commas; several: one key a word."""
    assert keys_of(BOOK, EVENTS, ["1,2", "3", "2"]) == [(1,), (2,), (3,)]
    assert keys_of(BOOK, LINES, ["1,2", "1,3"]) == [(1, 2), (1, 3)]
    with pytest.raises(UsageError, match="has 2 values"):
        keys_of(BOOK, LINES, ["1,2,3"])
    with pytest.raises(UsageError, match="has no key"):
        keys_of(BOOK, BOOK.tables["public.Log"], ["1"])


def test_an_empty_text_is_a_key() -> None:
    """As ``--keys ''`` says it."""
    people = table_of("people", "name text key")
    book = MemoryBook([people], {"people": [{"name": ""}]})
    assert keys_of(book, people, ["a,b", ""]) == [("a",), ("b",), ("",)]
