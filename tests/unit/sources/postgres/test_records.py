"""COPY text, paths and typed values, without a server."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.model.errors import UsageError
from holdfast.model.records import Column, Row, Table
from holdfast.sources.postgres.records.paths import elements, path_of, reader
from holdfast.sources.postgres.records.selecting import Selector
from holdfast.sources.postgres.records.text import Form, escaped, unescaped
from holdfast.sources.postgres.records.typed import typed

TEXTS = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
FORM = Form(names=("a", "b", "c"), types=("text", "text", "text"))


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS)))
def test_what_is_written_is_read_again(rows: list[tuple[str | None, str | None, str | None]]) -> None:
    """Every text, NULL, tabs and line ends of any kind."""
    held = [Row(dict(zip("abc", row, strict=True))) for row in rows]
    assert list(FORM.rows(FORM.lines(held))) == held


@settings(max_examples=300)
@given(
    st.lists(st.tuples(*[st.sampled_from([None, "", "1", "11", "a\tb", "\\N", "\n", "x"])] * 3), max_size=30),
    st.sampled_from([("a",), ("b",), ("c",), ("c", "a")]), st.integers(1, 20),
)
def test_rows_are_picked_as_by_comparing_each(
    rows: list[tuple[str | None, ...]], columns: tuple[str, ...], count: int
) -> None:
    """However few or many keys are sought; and the hashes of all of them are told."""
    held = [Row(dict(zip("abc", row, strict=True))) for row in rows]
    wanted = {row.key(columns) for row in held[::3]} | {tuple(f"{n}" for _ in columns) for n in range(count)}
    selector, data = Selector(FORM, columns), FORM.lines(held)
    sought = selector.sought(wanted)
    picked = b"".join(selector.lines(data, sought))
    assert list(FORM.rows(picked)) == [row for row in held if row.key(columns) in wanted]
    assert len(selector.hashes(data)) == len({row.key(columns) for row in held})


def test_numbers_and_letters_are_compared_as_the_database_does() -> None:
    """Trailing zeros of a numeric, blanks of a char, letters of citext."""
    form = Form(names=("n", "c", "i"), types=("numeric(10,2)", "character(5)", "public.citext"))
    data = b"10.00\tab   \tJoe\n0.50\tx    \tann\n"
    for column, value, count in (("n", "10", 1), ("n", "10.0", 1), ("n", "1", 0), ("c", "ab", 1), ("i", "JOE", 1)):
        selector = Selector(form, (column,))
        assert len(list(selector.lines(data, selector.sought({(value,)})))) == count, (column, value)


def test_times_are_typed_as_the_server_takes_them() -> None:
    """The end of a day, and zones of old, which had seconds."""
    table = Table(name="t", columns=(Column(name="c", type="time without time zone"),
                                     Column(name="z", type="timestamp with time zone")))  # fmt: skip
    assert typed(table, "c", "24:00") == typed(table, "c", "24:00:00.0") == "24:00:00"
    with pytest.raises(UsageError):
        typed(table, "c", "24:01")
    for text in ("1900-01-01 00:00:00+00:19:32", "1900-01-01 01:00:00+01:19:32", "1899-12-31 22:40:28 -01"):
        assert typed(table, "z", text) == "1899-12-31 23:40:28+00", text


def test_numbers_within_documents_arrays_and_ranges_are_compared_as_the_database_does() -> None:
    """Zeros at the end mean nothing there; within texts they do. A domain compares as the type it is over."""
    form = Form(names=("j", "a", "r", "d"), types=("jsonb", "numeric(9,2)[]", "numrange", "public.price"))
    data = rb"""{"a\\"1.0": [1.0, "\\\\", "2.0", -0.0]}	{1.00,NULL}	[1.0,5.50)	1.50""" + b"\n"
    for column, value, count in (
        ("j", r'''{"a\"1.0": [1, "\\", "2.0", 0]}''', 1), ("j", r'''{"a\"1.00": [1, "\\", "2.0", 0]}''', 0),
        ("j", r'''{"a\"1.0": [1, "\\", "2.00", 0]}''', 0), ("a", "{1,NULL}", 1), ("a", "{10,NULL}", 0),
        ("r", "[1,5.5)", 1), ("d", "1.5", 1),
    ):  # fmt: skip
        selector = Selector(form, (column,), {"public.price": "numeric"}.__getitem__)
        assert len(list(selector.lines(data, selector.sought({(value,)})))) == count, (column, value)


@pytest.mark.parametrize(
    ("path", "field", "found"),
    [
        ("j.a", '{"a": 1}', ["1"]), ("j.a.b", '{"a": {"b": "x\\\\ny"}}', ["x\ny"]), ("j.a[]", '{"a": [1, "2", true]}',
         ["1", "2", "true"]), ("j.a[].b", '{"a": [{"b": null}, 3, {"b": 1.50}]}', [None, "1.50"]), ("j.a", "{}", []),
        ("j.a", "\\N", []), ("j[]", '["u"]', ["u"]), ("j.a", '{"a": {"b": 1}}', []),
    ],
)  # fmt: skip
def test_paths_lead_to_scalars(path: str, field: str, found: list[str | None]) -> None:
    """Fields, elements, fields of elements; numbers as they are written."""
    where = path_of(path, ["j"])
    assert where is not None
    assert reader(Form(names=("j",), types=("jsonb",)), where)(field.encode()) == found


def test_elements_of_arrays_are_read() -> None:
    """Quotes, NULL and what looks like it, several dimensions, other lower bounds."""
    assert list(elements('{a,"b c",NULL,"NULL","q\\"\\\\"}')) == ["a", "b c", None, "NULL", 'q"\\']
    assert list(elements("{{1,2},{3,4}}")) == ["1", "2", "3", "4"]
    assert list(elements("[0:1]={5,6}")) == ["5", "6"]
    assert list(elements("{}")) == []


def test_escapes_are_those_of_the_server() -> None:
    """Both ways."""
    assert escaped("\\N\t\n\r\b\f\v") == r"\\N\t\n\r\b\f\v"
    assert unescaped(r"\\N") == r"\N"
    assert unescaped(r"\N") is None


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", " 7 ", "7"), ("integer", "2147483648", None), ("bigint", "2147483648", "2147483648"),
        ("smallint", "x", None), ("boolean", "Yes", "t"), ("boolean", "maybe", None), ("numeric(10,2)", "1e1", "10.00"),
        ("uuid", "C4CA4238A0B923820DCC509A6F75849B", "c4ca4238-a0b9-2382-0dcc-509a6f75849b"), ("uuid", "1", None),
        ("date", "2026-11-21", "2026-11-21"), ("date", "tomorrow", None), ("text", "tomorrow", "tomorrow"),
        ("timestamp with time zone", "2026-01-01 13:30+01:30", "2026-01-01 12:00:00+00"),
        ("timestamp(3) with time zone", "2026-01-01T12:00:00.12345Z", "2026-01-01 12:00:00.123+00"),
        ("timestamp without time zone", "2026-1-1 12:00", "2026-01-01 12:00:00"),
        ("timestamp without time zone", "2026-01-01T12:00:00.500000+05", "2026-01-01 12:00:00.5"),
        ("timestamp without time zone", "2026-02-30 12:00", None), ("date", "2026-1-2", "2026-01-02"),
        ("time without time zone", "9:05", "09:05:00"), ("bytea", "\\x00FF", "\\x00ff"), ("bytea", "ab", "\\x6162"),
        ("double precision", "1e22", "1e+22"), ("double precision", ".5", "0.5"), ("double precision", "5.0", "5"),
        ("double precision", "1e15", "1e+15"), ("double precision", "-0.0", "-0"), ("real", "0.1", "0.1"),
        ("real", "1e6", "1e+06"), ("real", "x", None), ("numeric", "nan", "NaN"), ("integer[]", "{1, 2}", "{1,2}"),
    ],
)  # fmt: skip
def test_typed_values_are_put_as_the_server_writes_them(kind: str, text: str, value: str | None) -> None:
    """Or refused, naming them."""
    table = Table(name="t", columns=(Column(name="c", type=kind),))
    if value is not None:
        assert typed(table, "c", text) == value
        return
    with pytest.raises(UsageError, match=text):
        typed(table, "c", text)
    with pytest.raises(UsageError, match="nothing"):
        typed(table, "nothing", text)
