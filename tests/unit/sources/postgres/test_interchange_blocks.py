"""Whole blocks of rows become the very text that single rows become, whatever stands in them; and back."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from holdfast.exchange import csv_blocks
from holdfast.exchange.csv_text import CsvReader
from holdfast.exchange.records import Origin, Stretch
from holdfast.model import csv_cells
from holdfast.model.records import Column, Row, Table
from holdfast.sources.postgres.interchange import PostgresInterchange
from holdfast.sources.postgres.interchange_blocks import Singles, TableText
from holdfast.sources.postgres.records.text import Form

TYPES = ("integer", "bigint", "numeric(10,2)", "numeric", "double precision", "boolean", "text", "character varying(9)",
         "timestamp with time zone", "date", "jsonb", "json", "text[]", "integer[]", "bytea", "mood")  # fmt: skip
TABLE = Table(name="t", columns=tuple(Column(name=f'c"{n}', type=kind) for n, kind in enumerate(TYPES)))
NAMES = [column.name for column in TABLE.columns]
FORM = Form(names=tuple(NAMES), types=TYPES)
TEXTS = st.one_of(
    st.text(st.sampled_from('a,;" \r\n\t\v\\.Né=\x00\x01\x1c\x7f\u2003😀'.replace("\x00", "")), max_size=6),
    st.sampled_from(["\\N", "\\.", "", " ", "null", "NULL", "x" * 70]),
)
VALUES = {
    "integer": st.sampled_from(["0", "-1", "007", "+5", "2147483647"]),
    "bigint": st.integers(-(1 << 63), (1 << 63) - 1).map(str),
    "numeric(10,2)": st.sampled_from(["0.10", "-5.00", "NaN", "1.5"]),
    "numeric": st.sampled_from(["0", "1e+5", "123456789012345678901234567890.5", "Infinity", "5.", ".5"]),
    "double precision": st.sampled_from(["-0", "1e+300", "-Infinity", "NaN", "0.1"]),
    "boolean": st.sampled_from(["t", "f"]),
    "timestamp with time zone": st.sampled_from(["2026-11-20 04:20:00+00", "0044-03-15 12:00:00+00 BC", "infinity"]),
    "date": st.sampled_from(["2026-02-28", "infinity", "10000-01-01"]),
    "jsonb": st.sampled_from(['{"a": "x\\\\n\\"é"}', "null", '{"$json": 1}', "[1, 2.50]", '"a\\ttab"', "1"]),
    "json": st.sampled_from(['{"a":1, "a":2}', "null", "[1,\n2]", '"x"', "{}"]),
    "text[]": st.sampled_from(["{}", "{jazz,live}", '{"a;b",NULL}', '{"a ",b}', "{{a},{b}}", "[0:0]={a}"]),
    "integer[]": st.sampled_from(["{1,2,NULL}", "{}", "{{1},{2}}"]),
    "bytea": st.sampled_from(["\\x", "\\x00ff"]),
}
ROWS = st.lists(
    st.tuples(*(st.one_of(st.none(), VALUES.get(kind, TEXTS)) for kind in TYPES)).map(
        lambda row: Row(dict(zip(NAMES, row, strict=True)))
    ),
    min_size=1, max_size=5,
)  # fmt: skip


class Stored:
    """A book of one table whose rows lie in one block."""

    def __init__(self, rows: list[Row]) -> None:
        self.data = FORM.lines(rows)

    def parts(self, name: str) -> list[Any]:
        return [SimpleNamespace(form=FORM)] if name else []

    def stored(self, part: Any) -> Iterator[tuple[bytes, Iterator[Row]]]:
        yield self.data, part.form.rows(self.data)


def text_of(rows: list[Row]) -> TableText:
    """What exports these rows by blocks."""
    by = PostgresInterchange({})
    told = Singles(
        cell=lambda name, value: by.cell(TABLE, name, value),
        told=lambda name, value: by.told(TABLE, Row({name: value}))[name],
    )
    return TableText(book=Stored(rows), table=TABLE, singles=told)  # type: ignore[arg-type]


@given(ROWS)
def test_blocks_are_the_text_of_single_rows(rows: list[Row]) -> None:
    """CSV and JSON, byte for byte."""
    by, encoder = PostgresInterchange({}), msgspec.json.Encoder(decimal_format="number")
    cells = [[by.cell(TABLE, name, row.values[name]) for name in NAMES] for row in rows]
    assert b"".join(b.data for b in text_of(rows).csv(NAMES)) == "".join(map(csv_cells.line, cells)).encode()
    told = b"".join(encoder.encode(by.told(TABLE, row)) + b"\n" for row in rows)
    assert b"".join(b.data for b in text_of(rows).json()) == told


@given(ROWS)
def test_lines_of_a_dump_are_kept_as_they_are(rows: list[Row]) -> None:
    """Or not taken, where something in them is not as COPY writes it."""
    by, text = PostgresInterchange({}), FORM.lines(rows).decode()
    lines = by.lines_of_copy(TABLE, NAMES, text)
    assert lines in (text, None)
    turned = by.lines_of_copy(TABLE, [*NAMES[1:], None], text)
    if turned is not None:
        expected = [[*list(row.values.values())[:-1]] for row in rows]
        assert [[row.values[name] for name in NAMES[1:]] for row in by.rows_of_lines(TABLE, turned)] == expected
    assert by.lines_of_copy(TABLE, NAMES[:-1], text) is None


@given(st.lists(st.lists(st.one_of(st.none(), TEXTS), min_size=3, max_size=3), max_size=6), st.sampled_from(",;\t"))
def test_cells_by_columns_are_those_of_rows(rows: list[list[str | None]], sign: str) -> None:
    """Whatever parts them, and in whatever pieces."""
    text = sign.join("abc") + "\r\n"
    for row in rows:
        text += sign.join("" if cell is None else csv_cells.quoted(cell) for cell in row) + "\r\n"
    reader = CsvReader(iter([text[:9], text[9:]]), "x.csv", "x")
    found: list[list[str | None]] = []
    for each in reader.stretches(Origin(format="csv")):
        if isinstance(each, Stretch):
            found += [[cell or None for cell in row] for row in zip(*each.cells, strict=True)]
            assert [list(record.values.values()) for record in each.singly()] == found[-each.rows :]
        else:
            found.append(list(each.values.values()))
    assert found == rows


def test_a_row_that_is_not_whole_is_not_taken_by_columns() -> None:
    """Too few cells here and too many there are not the same as enough."""
    assert csv_blocks.columns_of("1,2\n3\n4,5,6\n", 2, ",") is None
    assert csv_blocks.columns_of('1,"2"\n3\n4,5,6\n', 2, ",") is None
    assert csv_blocks.columns_of('1,"2"x\n', 2, ",") is None
    by = PostgresInterchange({})
    two = Table(name="t", columns=(Column(name="a", type="text"), Column(name="b", type="text")))
    assert by.lines_of_copy(two, ["a", "b"], "1\t2\n3\n4\t5\t6\n") is None
    assert by.lines_of_copy(two, ["a", "b"], "1\t\\x41\n") is None
