"""Many rows at once, rows held for oneself, ids that are free: what restores of entities rely on."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest
from tests.servers.postgres import PostgresServer

from holdfast.model.errors import HoldfastError, TargetError
from holdfast.model.records import Row
from holdfast.sources.postgres import PostgresSource
from holdfast.sources.records import Write

SCHEMA = """
CREATE TABLE event (id serial PRIMARY KEY, title text);
CREATE TABLE reg (id bigserial PRIMARY KEY, event_id int NOT NULL REFERENCES event ON DELETE CASCADE, note text);
CREATE INDEX ON reg (event_id);
CREATE TABLE moved (n int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, u uuid DEFAULT gen_random_uuid());
INSERT INTO event SELECT i, 'e' FROM generate_series(1, 200) i;
INSERT INTO reg (event_id, note) SELECT 1 + i % 200, 'n' || i FROM generate_series(1, 40000) i;
"""


def test_thousands_of_rows_take_no_longer_than_their_bytes(pg: PostgresServer, database: str) -> None:
    """Found, deleted with what hangs on them, written back, updated: each a handful of statements."""
    pg.run(SCHEMA + "INSERT INTO reg (event_id, note) SELECT 42, 'many' FROM generate_series(1, 7500)", database)
    source = PostgresSource(pg.url(database))
    with source.open_live() as live:
        event, reg = live.tables["event"], live.tables["reg"]
        begun = time.monotonic()
        rows = list(live.find(reg, ("event_id",), [("42",)]))
        (root,) = live.find(event, ("id",), [("42",)])
        assert len(rows) == 7700
        with live.transaction() as transaction:
            transaction.write([Write(verb="delete", table=event.name, row=root)])
            assert transaction.affected() == {event.name: (0, 0, 1), reg.name: (0, 0, 7700)}
        with live.transaction() as transaction:
            transaction.write([Write(verb="insert", table=event.name, row=root)])
            assert transaction.write([Write(verb="insert", table=reg.name, row=row) for row in rows]) == 7700
            changed = [Write(verb="update", table=reg.name, row=Row({**row.values, "note": "x"}), expect=row,
                             columns=("note",)) for row in rows]
            assert transaction.write(changed) == 7700
            assert transaction.write([Write(verb="delete", table=reg.name, row=row) for row in rows[:5000]]) == 5000
        assert time.monotonic() - begun < 10
        assert sum(1 for _ in live.find(reg, ("event_id",), [("42",)])) == 2700


def test_locked_rows_are_nobody_elses(pg: PostgresServer, database: str) -> None:
    """Whoever wants to change them waits until the transaction ends."""
    pg.run(SCHEMA, database)
    source = PostgresSource(pg.url(database))
    done = threading.Event()

    def change() -> None:
        pg.run("UPDATE event SET title = 'theirs' WHERE id = 7", database)
        done.set()

    with source.open_live() as live:
        with live.transaction() as transaction:
            assert len(list(transaction.find(live.tables["event"], ("id",), [("7",)], lock=True))) == 1
            thread = threading.Thread(target=change)
            thread.start()
            assert not done.wait(0.5)
        assert done.wait(10)
        thread.join()


def test_sequences_go_forward_only(pg: PostgresServer, database: str) -> None:
    """Past what was written, however far; never back; identities and UUIDs too."""
    pg.run(SCHEMA + "SELECT setval('event_id_seq', 100000)", database)
    source = PostgresSource(pg.url(database))
    with source.open_live() as live:
        event, moved = live.tables["event"], live.tables["moved"]
        with live.transaction() as transaction:
            transaction.advance_sequences(event)
            assert transaction.next_id(event, "id", 2) == ["100001", "100002"]
            rows = [Row({"n": "3", "u": None}), Row({"n": "5000000"})]
            transaction.write([Write(verb="insert", table=moved.name, row=row) for row in rows])
            transaction.advance_sequences(moved)
            assert transaction.next_id(moved, "n", 1) == ["5000001"]
            given = transaction.next_id(moved, "u", 3)
            assert len(set(given)) == 3 and all(len(str(one)) == 36 for one in given)
    with source.open_live() as live:
        (row,) = [row for row in live.rows(live.tables["moved"]) if row.values["n"] == "5000000"]
        assert row.values["u"] is not None


def test_rows_that_were_there_before_move_no_sequence(pg: PostgresServer, database: str) -> None:
    """One at the end of the type does not bring the numbering there; a fresh number is none of a row in the way."""
    pg.run(SCHEMA + "INSERT INTO event (id, title) VALUES (2147483647, 'system'), (100003, 'imported');"
           " SELECT setval('event_id_seq', 100000)", database)  # fmt: skip
    with PostgresSource(pg.url(database)).open_live() as live:
        event = live.tables["event"]
        with live.transaction() as transaction:
            for number in ("100001", "-5"):
                transaction.write([Write(verb="insert", table=event.name, row=Row({"id": number, "title": "x"}))])
                transaction.advance_sequences(event)
            assert transaction.next_id(event, "id", 2) == ["100002", "100004"]


def test_errors_say_what_and_where_and_never_the_password(pg: PostgresServer, database: str) -> None:
    """A constraint, a role without rights, a server that is gone."""
    pg.run(SCHEMA, database)
    pg.run("DROP ROLE IF EXISTS weak_writer; CREATE ROLE weak_writer LOGIN PASSWORD 'pass-w0rd'; "
           "GRANT SELECT ON ALL TABLES IN SCHEMA public TO weak_writer", database)  # fmt: skip
    try:
        weak = PostgresSource(pg.url(database, user="weak_writer", password="pass-w0rd"))
        with weak.open_live() as live, pytest.raises(TargetError) as caught, live.transaction() as transaction:
            transaction.write([Write(verb="insert", table="public.event", row=Row({"id": "1000", "title": "x"}))])
        assert "public.event (id=1000)" in str(caught.value) and "GRANT" in str(caught.value)
        assert "pass-w0rd" not in str(caught.value)
        source = PostgresSource(pg.url(database))
        with source.open_live() as live, pytest.raises(TargetError) as caught, live.transaction() as transaction:
            transaction.write([Write(verb="insert", table="public.reg", row=Row({"id": "-1", "event_id": "999"}))])
        assert "reg_event_id_fkey" in str(caught.value) and "999" in str(caught.value)
        wrong = PostgresSource(pg.url(database, user="weak_writer", password="wr0ng-one"))
        with pytest.raises(HoldfastError) as refused, wrong.open_live():
            pass
        assert "wr0ng-one" not in str(refused.value)
    finally:
        pg.run("DROP OWNED BY weak_writer; DROP ROLE weak_writer", database)


def test_a_book_whose_server_ended_the_session_says_so(pg: PostgresServer, database: str) -> None:
    """Not a traceback of the driver."""
    pg.run(SCHEMA, database)
    source = PostgresSource(pg.url(database))
    with source.open_live() as live:
        table = live.tables["event"]
        pg.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' "
               "AND pid <> pg_backend_pid()")  # fmt: skip
        with pytest.raises(HoldfastError) as caught:
            list(live.find(table, ("id",), [("1",)]))
        assert not isinstance(caught.value, psycopg.Error)
