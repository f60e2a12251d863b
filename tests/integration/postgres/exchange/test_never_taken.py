"""Rows that a table could never take are refused when they are imported, with the line, and nothing is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contracts.book_contract import cheap, room  # noqa: F401
from tests.faults.world import World
from tests.integration.postgres.exchange.test_dumps import imported, taken
from tests.servers.postgres import PostgresServer

from holdfast.exchange.records import BadFile
from holdfast.repository.repository import Repository
from holdfast.sources.postgres import PostgresSource

pytestmark = pytest.mark.usefixtures("cheap")
TABLE = (
    "CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL, e varchar(3) UNIQUE, at timestamptz, j jsonb, d date);"
    "CREATE TABLE plain (v varchar(3))"
)
REFUSED = {
    "zero byte": ("t.jsonl", '{"id":1,"v":"a\\u0000b"}\n', "zero byte", "line 1"),
    "key twice": ("t.csv", "id,v\n1,a\n2,b\n1,c\n", "two rows of id 1", "line 4"),
    "unique twice": ("t.csv", "id,v,e\n1,a,x\n2,b,x\n", "two rows of e x", "line 3"),
    "key twice in lines": ("t.sql", "COPY public.t (id, v) FROM stdin;\n7\ta\n7\tb\n\\.\n", "two rows of id", "line 3"),
    "null key": ("t.csv", "id,v\n1,a\n,b\n", "t.id has no value", "line 3"),
    "null": ("t.csv", "id,v\n1,a\n2,\n", "t.v has no value", "line 3"),
    "null in lines": ("t.sql", "COPY public.t (id, v) FROM stdin;\n7\t\\N\n\\.\n", "t.v has no value", "line 2"),
    "not there": ("t.csv", "id\n1\n", "t.v is not in the file", "line 2"),
    "long": ("t.csv", "id,v,e\n1,a,abc\n2,a,abcd\n", "too long for public.t.e", "line 3"),
    "long in lines": ("t.sql", "COPY public.t (id, v, e) FROM stdin;\n7\ta\tabcd\n\\.\n", "too long", "line 2"),
    "no json": ("t.csv", 'id,v,j\n1,a,"{bad"\n', "is no JSON", "line 2"),
    "no json in lines": ("t.sql", "COPY public.t (id, v, j) FROM stdin;\n7\ta\t{bad\n\\.\n", "no value of", "line 2"),
    "zero in json": ("t.jsonl", '{"id":1,"v":"a","j":{"a":"\\u0000"}}\n', "no value of public.t.j", "line 1"),
    "seconds": ("t.csv", "id,v,at\n1,a,1700000000\n", "'1700000000' is no value of public.t.at", "line 2"),
    "seconds in lines": (
        "t.sql", "COPY public.t (id, v, at) FROM stdin;\n7\ta\t1700000000\n\\.\n", "no value of public.t.at", "line 2",
    ),
    "far day": ("t.jsonl", '{"id":1,"v":"a","d":"9999999-01-01"}\n', "no value of public.t.d", "line 1"),
}  # fmt: skip


@pytest.fixture
def repository(room: Path) -> Iterator[Repository]:  # noqa: F811
    """An empty one."""
    with World(room / "world").create().opened("client") as opened:
        yield opened


def test_what_could_never_be_stored_is_refused(
    pg: PostgresServer, database: str, repository: Repository, tmp_path: Path
) -> None:
    """Each kind, by rows and by whole lines."""
    pg.run(TABLE, database)
    source = PostgresSource(pg.url(database))
    taken(repository, source)
    for case, (name, text, what, where) in REFUSED.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(BadFile, match=what) as caught:
            imported(repository, source, tmp_path / name)
        assert where in caught.value.where, case
        (tmp_path / name).unlink()
    assert len(repository.snapshots()) == 1


def test_what_only_looks_so_is_taken(
    pg: PostgresServer, database: str, repository: Repository, tmp_path: Path
) -> None:
    """Spaces beyond the length, NULL in a unique column twice, NULL shorter than its sign, days without dashes."""
    pg.run(TABLE, database)
    source = PostgresSource(pg.url(database))
    taken(repository, source)
    doubled = '{"a":"' + 4 * "\\" + 'u0000"}'
    rows = [f"1\ta\t\\N\t20261120\t{doubled}", "2\tb\t\\N\tinfinity\t\\N", "3\tc\tabc  \t2026-11-20\t1"]
    (tmp_path / "t.sql").write_text(
        "COPY public.t (id, v, e, at, j) FROM stdin;\n" + "\n".join(rows) + "\n\\.\n"
        "COPY public.plain (v) FROM stdin;\n\\N\nabc\n\\N\n\\.\n"
    )
    result = imported(repository, source, tmp_path / "t.sql")
    assert result.backups[0].rows == {"public.t": 3, "public.plain": 3}
