"""Names and statements survive whatever people put into them."""

from __future__ import annotations

import pytest

from holdfast.sources.postgres.definitions_sql import for_database, split_name, split_statements
from holdfast.sources.postgres.inplace_keys import parents_first
from holdfast.sources.postgres.inplace_living import Reference
from holdfast.sources.postgres.readback import RowSums
from holdfast.sources.postgres.target import beside
from holdfast.sources.postgres.target_roles import role_names


def test_statements_end_at_semicolons_outside_quotes_only() -> None:
    """Strings, quoted names, dollar quotes and comments may hold semicolons."""
    script = """GRANT a TO "x;y"; -- not; here
        COMMENT ON ROLE a IS 'it''s; fine'; SELECT E'a\\';b'; SELECT 'C:\\';
        DO $$ begin; end $$; DO $t$ a;$$;b $t$; /* ; */ SELECT 1"""
    assert split_statements(script) == [
        'GRANT a TO "x;y"',
        "COMMENT ON ROLE a IS 'it''s; fine'",
        "SELECT E'a\\';b'",
        "SELECT 'C:\\'",
        "DO $$ begin; end $$",
        "DO $t$ a;$$;b $t$",
        "SELECT 1",
    ]


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (b"public.events", ("public", "events")),
        (b'"s.1"."t""q"', ("s.1", 't"q')),
        ('"Ä".tabelle'.encode(), ("Ä", "tabelle")),
        (b'public."a\nb;\'"', ("public", "a\nb;'")),
    ],
)
def test_item_names_are_read_back_exactly(item: bytes, name: tuple[str, str]) -> None:
    """Quoted parts may hold dots, quotes and line breaks."""
    assert split_name(item) == name


@pytest.mark.parametrize("item", [b"nodot", b"a.b.c", b'"open.b', b""])
def test_what_is_no_table_name_is_refused(item: bytes) -> None:
    """A name with fewer or more than two parts is an error, never a guess."""
    with pytest.raises(ValueError, match="not a table name"):
        split_name(item)


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ('CREATE DATABASE "a b" WITH ENCODING', 'CREATE DATABASE "new""one" WITH ENCODING'),
        ("ALTER DATABASE shop SET work_mem TO '5MB'", 'ALTER DATABASE "new""one" SET work_mem TO \'5MB\''),
        ("ALTER ROLE joe IN DATABASE shop SET x TO 1", 'ALTER ROLE joe IN DATABASE "new""one" SET x TO 1'),
        (
            "GRANT CONNECT,TEMPORARY ON DATABASE shop TO joe",
            'GRANT CONNECT,TEMPORARY ON DATABASE "new""one" TO joe',
        ),
        ("COMMENT ON DATABASE shop IS 'x'", 'COMMENT ON DATABASE "new""one" IS \'x\''),
        ("CREATE TABLE shop (a int)", "CREATE TABLE shop (a int)"),
    ],
)
def test_statements_about_the_saved_database_are_turned_to_the_new_one(statement: str, changed: str) -> None:
    """Only the name of the database changes."""
    assert for_database(statement, 'new"one') == changed


def test_a_name_beside_the_source_fits_into_63_bytes() -> None:
    """The label is never cut, the database's own name is, at a whole letter."""
    name = beside("ä" * 40, "20261120_0420")
    assert name.endswith("_restored_20261120_0420")
    assert len(name.encode()) <= 63


def test_roles_are_read_from_create_statements_alone() -> None:
    """Quoted names lose their quotes; other statements make no role."""
    assert role_names('CREATE ROLE joe; CREATE ROLE "a b;""c"; ALTER ROLE x LOGIN; GRANT joe TO y;') == [
        "joe",
        'a b;"c',
    ]


def test_row_sums_do_not_depend_on_order_or_on_where_blocks_are_cut() -> None:
    """Equal multisets of rows have equal sums; a lost, doubled or changed row has not."""
    rows = [f"{number}\trow {number % 7}\n".encode() for number in range(500)]
    whole, pieces, reverse = RowSums(), RowSums(), RowSums()
    data = b"".join(rows)
    whole.add([data])
    pieces.add(data[start : start + 13] for start in range(0, len(data), 13))
    reverse.add(reversed(rows))
    assert whole == pieces == reverse
    assert whole.rows == 500
    for other in (data[:-1] + b"!\n", data + rows[0], b"".join(rows[1:]), data.replace(b"17\t", b"18\t", 1)):
        changed = RowSums()
        changed.add([other])
        assert changed != whole


def test_empty_rows_are_counted() -> None:
    """A table without columns has rows that are empty lines."""
    two, three = RowSums(), RowSums()
    two.add([b"\n\n"])
    three.add([b"\n", b"\n\n"])
    assert (two.rows, three.rows) == (2, 3)


def test_tables_come_after_those_they_refer_to_and_rings_do_not_hang() -> None:
    """Parents first; a ring keeps every table exactly once."""

    def refers(table: str, other: str) -> Reference:
        return Reference(
            name="f",
            table=("s", table),
            other=("s", other),
            columns=("a",),
            others=("b",),
            operators=("=",),
            collates=("",),
            period=False,
            whole=False,
            other_whole=False,
            acts=False,
            follows=False,
            checked=True,
            deferrable=False,
        )

    order = parents_first([("s", "pay"), ("s", "reg"), ("s", "ev")], [refers("pay", "reg"), refers("reg", "ev")])
    assert order == [("s", "ev"), ("s", "reg"), ("s", "pay")]
    ring = parents_first([("s", "a"), ("s", "b")], [refers("a", "b"), refers("b", "a"), refers("a", "a")])
    assert sorted(ring) == [("s", "a"), ("s", "b")]
