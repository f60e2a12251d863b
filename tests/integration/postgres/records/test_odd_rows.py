"""Rows of odd kinds: too large for a line, in no encoding, spread over partitions, cut in the middle."""

from __future__ import annotations

import pytest
from tests.integration.postgres.records.looking import DictShelf, view
from tests.servers.postgres import PostgresServer, fresh_database

from holdfast.sources.postgres import PostgresSource, copying
from holdfast.sources.postgres.records import finding, units
from holdfast.sources.postgres.records.live_book import PostgresLiveBook
from holdfast.sources.postgres.records.snapshot_book import SnapshotBook


def test_rows_in_pieces_are_whole_again(
    pg: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was too large for a line is told, found and compared as any row is."""
    monkeypatch.setattr(copying, "_HUGE", 1 << 20)
    monkeypatch.setattr(copying, "_TOAST_WORTH_A_LOOK", 1000)
    monkeypatch.setattr(copying, "_BYTEA_PIECE", 100_000)
    monkeypatch.setattr(copying, "_TEXT_PIECE", 100_000)
    monkeypatch.setattr(finding, "_SCANNED", 100)
    pg.run(
        "CREATE TABLE big (id int PRIMARY KEY, a bytea, b text, c bool);"
        "ALTER TABLE big ALTER a SET STORAGE EXTERNAL; ALTER TABLE big ALTER b SET STORAGE EXTERNAL;"
        "INSERT INTO big SELECT i, decode(repeat(md5(i::text), 20000), 'hex'), repeat(E'x\\t\\\\ü', 150000), true "
        "FROM generate_series(1, 3) i; INSERT INTO big VALUES (4, NULL, NULL, NULL), (5, '', '', false)",
        database,
    )
    source = PostgresSource(pg.url(database))
    book = SnapshotBook(view(source))
    (part,) = book.parts("public.big")
    assert any((one.notes or {}).get("format") == "sliced" for one in part.item.segments)
    with source.open_live() as live:
        right = {row.values["id"]: row.values for row in live.rows(live.tables["big"])}
    table = book.tables["big"]
    assert {row.values["id"]: row.values for row in book.rows(table)} == right
    assert [row.values for row in book.find(table, ("id",), [("2",), ("9",)])] == [right["2"]]
    assert [row.values["id"] for row in book.find(table, ("c",), [("f",)])] == ["5"]
    assert list(book.rows_not_shared(table, book)) == []


def test_bytes_of_no_encoding_survive(pg: PostgresServer) -> None:
    """A SQL_ASCII database holds what it was given; names and values alike."""
    with fresh_database(pg, options="ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0") as database:
        with pg.connect(database, client_encoding="SQL_ASCII") as connection:
            connection.execute(b'CREATE TABLE "t\xe4" (id int PRIMARY KEY, v text)')
            connection.execute(b"INSERT INTO \"t\xe4\" VALUES (1, '\xff\xfe'), (2, '\xc3\xa4')")
        source = PostgresSource(pg.url(database))
        book = SnapshotBook(view(source))
        (table,) = book.tables.values()
        rows = {row.values["id"]: row.values["v"] for row in book.rows(table)}
        assert rows == {"1": "\xff\xfe", "2": "\xc3\xa4"}
        assert [row.values["id"] for row in book.find(table, ("v",), [("\xff\xfe",)])] == ["1"]
        with source.open_live() as live:
            assert {row.values["id"]: row.values["v"] for row in live.rows(live.tables[table.name])} == rows
            assert [row.values["id"] for row in live.find(table, ("v",), [("\xff\xfe",)])] == ["1"]
            chosen = SnapshotBook(view(source.of_rows(live, {table.name: list(live.rows(table))})))
        assert {row.values["id"]: row.values["v"] for row in chosen.rows(chosen.tables[table.name])} == rows


def test_rows_longer_than_a_cut_can_reach_are_found(
    pg: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks that begin in the middle of a row are read with what is before them."""
    monkeypatch.setattr(finding, "_SCANNED", 100)
    monkeypatch.setattr(units, "SMALL", 1000)
    pg.run(
        "CREATE TABLE long (id int PRIMARY KEY, v text);"
        "INSERT INTO long SELECT i, CASE i % 20 WHEN 0 THEN repeat(md5(i::text), 20000) ELSE 'short ' || i END "
        "FROM generate_series(1, 200) i",
        database,
    )
    source, shelf = PostgresSource(pg.url(database)), DictShelf()
    before = SnapshotBook(view(source, shelf, average=64 << 10))
    table = before.tables["long"]
    keys = [(str(number),) for number in range(202)]
    found = [row.values["id"] for row in before.find(table, ("id",), keys)]
    assert sorted(found, key=int) == [str(number) for number in range(1, 201)]
    for number in (1, 20, 21, 100, 200):
        fresh = SnapshotBook(view(source, DictShelf(), average=64 << 10))
        (row,) = fresh.find(table, ("id",), [(str(number),)])
        assert row.values["v"] == next(one for one in fresh.rows(table) if one.values["id"] == str(number)).values["v"]
    pg.run("UPDATE long SET v = v || '!' WHERE id IN (20, 21, 199)", database)
    after = SnapshotBook(view(source, shelf, average=64 << 10))
    old = {row.values["id"]: row.values["v"] for row in before.rows_not_shared(table, after)}
    new = {row.values["id"]: row.values["v"] for row in after.rows_not_shared(table, before)}
    assert {key for key in old | new if old.get(key) != new.get(key)} == {"20", "21", "199"}
    assert all(new[key] == old[key] + "!" for key in ("20", "21", "199"))


def test_a_later_snapshot_costs_the_index_what_changed(
    pg: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units known from before are not read again; answers stay complete; a forgetful shelf costs time only."""
    monkeypatch.setattr(finding, "_SCANNED", 100)
    pg.run("CREATE TABLE t (id uuid PRIMARY KEY, n int); INSERT INTO t SELECT md5(i::text)::uuid, i "
           "FROM generate_series(1, 20000) i", database)
    source, shelf = PostgresSource(pg.url(database)), DictShelf()

    def look(n: int) -> tuple[list[object], int]:
        seen = view(source, shelf)
        book = SnapshotBook(seen)
        seen.content.read_bytes = 0  # type: ignore[attr-defined]
        found = [row.values["id"] for row in book.find(book.tables["t"], ("n",), [(str(n),)])]
        return found, seen.content.read_bytes  # type: ignore[attr-defined]

    (first, cold), (again, warm) = look(77), look(77)
    assert len(first) == 1 and again == first and warm * 20 < cold
    for round_number in range(10):
        pg.run(
            f"INSERT INTO t SELECT md5('x{round_number}' || i)::uuid, 100000 + i FROM generate_series(1, 20) i",
            database,
        )
        found, cost = look(100007)
        assert len(found) == round_number + 1 and cost * 4 < cold
    assert look(77)[0] == first
    for name in [name for name in shelf if name.rpartition("-")[2] == "0"]:
        del shelf[name]
    assert look(77)[0] == first


def test_a_live_book_refuses_rows_hidden_from_it(pg: PostgresServer, database: str) -> None:
    """Row security never makes an answer short: it is an error, without the password in it."""
    pg.run(
        "CREATE TABLE secret (id int PRIMARY KEY, owner text); INSERT INTO secret VALUES (1, 'a');"
        "ALTER TABLE secret ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON secret USING (owner = current_user);"
        "DROP ROLE IF EXISTS hidden_reader; CREATE ROLE hidden_reader LOGIN PASSWORD 'pass-w0rd';"
        "GRANT SELECT ON secret TO hidden_reader", database,
    )
    source = PostgresSource(pg.url(database, user="hidden_reader", password="pass-w0rd"))
    with source.open_live() as live:
        table = live.tables["secret"]
        for ask in (lambda: list(live.rows(table)), lambda: list(live.find(table, ("id",), [("1",)]))):
            with pytest.raises(Exception, match="secret") as caught:
                ask()
            assert "pass-w0rd" not in str(caught.value) and "row-level security" in str(caught.value)
    pg.run("DROP OWNED BY hidden_reader; DROP ROLE hidden_reader", database)


def test_partitioned_tables_are_written_and_read_as_one(pg: PostgresServer, database: str) -> None:
    """Through the root; what happened in partitions is told of the root; chosen rows restore into it."""
    pg.run(
        "CREATE TABLE part (id int, day date, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);"
        "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"
        "CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');"
        "INSERT INTO part SELECT i, date '2026-01-01' + i % 59, 'v' FROM generate_series(1, 500) i", database,
    )
    source = PostgresSource(pg.url(database))
    with source.open_live() as live:
        assert isinstance(live, PostgresLiveBook)
        table = live.tables["part"]
        rows = list(live.rows(table))
        assert len(rows) == 500
        chosen = SnapshotBook(view(source.of_rows(live, {table.name: rows})))
        assert len(list(chosen.rows(chosen.tables["part"]))) == 500
        from holdfast.sources.records import Write

        with live.transaction() as transaction:
            gone = [Write(verb="delete", table=table.name, row=row) for row in rows[:100]]
            assert transaction.write(gone) == 100
            assert transaction.affected() == {"public.part": (0, 0, 100)}
            assert transaction.write([Write(verb="insert", table=table.name, row=row) for row in rows[:100]]) == 100
        assert len(list(live.rows(table))) == 500
