"""What anybody deletes under guard is kept, whole, in the transaction that deletes it."""

from __future__ import annotations

import psycopg
import pytest
from tests.servers.postgres import PostgresServer

from holdfast.model.errors import TargetError, UsageError
from holdfast.sources.guarding import Kept
from holdfast.sources.postgres import PostgresSource

_TABLES = """
CREATE TABLE events (id int PRIMARY KEY, title text, parent int REFERENCES events ON DELETE CASCADE);
CREATE TABLE registrations (id bigserial PRIMARY KEY, event int NOT NULL REFERENCES events ON DELETE CASCADE,
  at timestamptz DEFAULT '2026-01-02 03:04:05.678+02', data bytea, amount numeric(12,4), f float8, j jsonb, m money,
  tags text[], span interval, d date, note text, twice int GENERATED ALWAYS AS (event * 2) STORED);
CREATE TABLE lines (event int REFERENCES events ON DELETE CASCADE, no int, gone text, "we""ird, (col)" text,
  PRIMARY KEY (event, no)) PARTITION BY RANGE (no);
CREATE TABLE lines_1 PARTITION OF lines FOR VALUES FROM (0) TO (10);
CREATE TABLE "Lines 2" ("we""ird, (col)" text, gone text, no int NOT NULL, event int NOT NULL);
ALTER TABLE lines ATTACH PARTITION "Lines 2" FOR VALUES FROM (10) TO (20);
INSERT INTO events VALUES (1, 'One', NULL), (2, E'T"w\\\\o, (2)\\n\\t{}', 1), (3, '', NULL), (4, NULL, NULL);
INSERT INTO registrations (event, data, amount, f, j, m, tags, span, d, note)
  SELECT 1 + n % 2, E'\\\\x00ff5c22', 1.5, 0.1::float8 + 0.2,
    '{"a": "b,\\"c\\" \\\\\\\\"}', 12.5, ARRAY['x,y', NULL, 'q"r'],
    '1 mon -3 days', '2026-12-31', repeat('é', n) FROM generate_series(1, 50) n;
INSERT INTO lines SELECT 1 + n % 3, n, 'g' || n,
  CASE WHEN n % 2 = 0 THEN E'x\\\\"y' END FROM generate_series(0, 19) n;
"""
_ALL = ("public.events", "public.registrations", "public.lines")


@pytest.fixture
def source(pg: PostgresServer, database: str) -> PostgresSource:
    """The application, with its guard up."""
    pg.run(_TABLES, database)
    made = PostgresSource(pg.url(database))
    with made.guard() as guard:
        guard.install(_ALL)
    return made


def kept(source: PostgresSource) -> list[Kept]:
    with source.open_live() as book:
        return sorted(source.kept(book.rows(book.tables[source.guard_table])), key=lambda each: each.number)


def state_of(source: PostgresSource) -> dict[str, list[dict[str, object]]]:
    """All rows with the columns that are stored, by table."""
    with source.open_live() as book:
        return {name: [dict(row.values) for row in book.rows(book.tables[name])] for name in _ALL}


def lost(before: dict[str, list[dict[str, object]]], after: dict[str, list[dict[str, object]]]) -> list[str]:
    return sorted(f"{name} {row}" for name, rows in before.items() for row in rows if row not in after[name])


def told(rows: list[Kept]) -> list[str]:
    stored = [
        (each.table, {name: value for name, value in each.row.values.items() if name != "twice"}) for each in rows
    ]
    order = {"public.lines": ("event", "no", "gone", 'we"ird, (col)')}
    return sorted(
        f"{table} { {name: values[name] for name in order.get(table, values)} }" for table, values in stored
    )


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events WHERE id = 1",
        "DELETE FROM registrations WHERE event = 2",
        "DELETE FROM lines WHERE no > 5",
        'DELETE FROM "Lines 2"',
        "TRUNCATE lines",
        "TRUNCATE lines_1",
        "TRUNCATE events CASCADE",
        "WITH d AS (DELETE FROM lines RETURNING *) DELETE FROM registrations",
    ],
)
def test_every_way_to_delete_is_kept_whole(
    pg: PostgresServer, database: str, source: PostgresSource, statement: str
) -> None:
    """Cascades, partitions, TRUNCATE and odd client settings: what is gone is what is kept, to the letter."""
    before = state_of(source)
    with pg.connect(database) as connection:
        connection.execute("SET datestyle = 'German'; SET timezone = 'Asia/Tokyo'; SET bytea_output = 'escape';"
                           " SET intervalstyle = 'sql_standard'; SET extra_float_digits = 0; SET search_path = public")
        connection.execute(statement.encode())
    gone = lost(before, state_of(source))
    assert gone
    assert told(kept(source)) == gone


def test_a_role_without_any_right_to_the_guard_deletes_as_before(
    pg: PostgresServer, database: str, source: PostgresSource
) -> None:
    """The application needs no right to be guarded, sees nothing of what is kept, and is told apart."""
    pg.run("DROP ROLE IF EXISTS app_guarded; CREATE ROLE app_guarded LOGIN PASSWORD 'x';"
           " DROP ROLE IF EXISTS app_team; CREATE ROLE app_team; GRANT app_team TO app_guarded;"
           " GRANT DELETE, SELECT ON ALL TABLES IN SCHEMA public TO app_team", database)
    with pg.connect(database, user="app_guarded", password="x", application_name="shop", autocommit=True) as app:
        app.execute("SET ROLE app_team")
        with app.transaction():
            app.execute("DELETE FROM public.registrations WHERE id = 1")
            app.execute("DELETE FROM public.registrations WHERE id = 2")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("SELECT * FROM holdfast_guard.deleted")
    pg.run("DROP OWNED BY app_team; DROP OWNED BY app_guarded; DROP ROLE app_guarded; DROP ROLE app_team", database)
    first, second = kept(source)
    assert (first.by.user, first.by.role, first.by.application) == ("app_guarded", "app_team", "shop")
    assert first.by.address == "127.0.0.1"
    assert first.transaction == second.transaction
    assert first.began == second.began <= first.at


def test_the_application_s_own_numbers_stay_what_they_were(
    pg: PostgresServer, database: str, source: PostgresSource
) -> None:
    """lastval() is what its own insert gave, whatever it deletes after that."""
    with psycopg.connect(pg.url(database)) as mine:
        mine.execute("INSERT INTO registrations (event) VALUES (1)")
        given = mine.execute("SELECT lastval()").fetchone()
        for statement in ("DELETE FROM lines WHERE no < 5", "DELETE FROM events WHERE id = 2", "TRUNCATE lines"):
            mine.execute(statement)
            assert mine.execute("SELECT lastval()").fetchone() == given


def test_what_is_rolled_back_is_not_kept(pg: PostgresServer, database: str, source: PostgresSource) -> None:
    """Rows are kept in the transaction that deletes them, and share its fate."""
    with pg.connect(database, autocommit=False) as connection:
        connection.execute("DELETE FROM events")
        connection.rollback()
    assert kept(source) == []


def test_columns_that_come_later_are_kept(pg: PostgresServer, database: str, source: PostgresSource) -> None:
    """A table may change its columns under guard, also within one session."""
    with pg.connect(database) as connection:
        connection.execute("DELETE FROM registrations WHERE id = 1")
        connection.execute("ALTER TABLE registrations DROP COLUMN note, ADD COLUMN fresh text DEFAULT 'new'")
        connection.execute("ALTER TABLE lines ADD COLUMN fresh text DEFAULT 'new'")
        connection.execute("DELETE FROM registrations WHERE id = 2")
        connection.execute("DELETE FROM lines WHERE no = 3")
    first, second, third = kept(source)
    assert "note" in first.row.values
    assert "note" not in second.row.values
    assert (second.row.values["fresh"], third.row.values["fresh"]) == ("new", "new")


def test_partitions_that_come_later_are_under_guard(
    pg: PostgresServer, database: str, source: PostgresSource
) -> None:
    """DELETE in a partition attached later is kept at once; TRUNCATE of it alone is told as a gap until reinstalled."""
    pg.run("CREATE TABLE lines_3 PARTITION OF lines FOR VALUES FROM (20) TO (30);"
           " INSERT INTO lines VALUES (1, 20, 'a', 'b'), (1, 21, 'c', 'd')", database)
    with source.guard() as guard:
        gaps = {each.table: each.gaps for each in guard.state().watched}
        assert set(gaps) == set(_ALL)
        assert "lines_3" in " ".join(gaps["public.lines"])
        pg.run("DELETE FROM lines WHERE no = 20; TRUNCATE lines", database)
        assert {"20", "21"} <= {each.row.values["no"] for each in kept(source)}
        guard.install(_ALL)
        assert not any(each.gaps for each in guard.state().watched)


def test_triggers_that_are_disabled_or_gone_are_told(
    pg: PostgresServer, database: str, source: PostgresSource
) -> None:
    """A guard that does not stand any more says so."""
    pg.run("ALTER TABLE registrations DISABLE TRIGGER holdfast_guard_delete;"
           " DROP TRIGGER holdfast_guard_truncate ON events", database)
    with source.guard() as guard:
        gaps = {each.table: " ".join(each.gaps) for each in guard.state().watched}
    assert "disabled" in gaps["public.registrations"]
    assert "TRUNCATE is gone" in gaps["public.events"]
    assert gaps["public.lines"] == ""


def test_rows_leave_the_guard_only_when_settled(pg: PostgresServer, database: str, source: PostgresSource) -> None:
    """Claims name what a shipment holds, take every row once, and outlive whoever made them."""
    pg.run("DELETE FROM registrations", database)
    with source.guard() as guard:
        first, second = guard.claim(30), guard.claim(30)
        assert first is not None and second is not None
        assert guard.claim(30) is None
    with source.guard() as guard:
        assert guard.claimed() == sorted([first, second])
        assert guard.settle(first) == 30
        assert [each.shipment for each in kept(source)] == [second] * 20
        with pytest.raises(TargetError, match="20 deleted rows wait"):
            guard.remove()
        assert guard.settle(second) == 20
        guard.remove()
        assert not guard.state().installed
    pg.run("DELETE FROM events", database)


def test_a_missing_right_is_named_and_nothing_is_half_installed(
    pg: PostgresServer, database: str
) -> None:
    """Whoever may not install is told what is missing."""
    pg.run(_TABLES + "DROP ROLE IF EXISTS nobody_special; CREATE ROLE nobody_special LOGIN PASSWORD 'x';"
           " GRANT SELECT ON ALL TABLES IN SCHEMA public TO nobody_special", database)
    source = PostgresSource(pg.url(database, user="nobody_special", password="x"))
    try:
        with source.guard() as guard:
            with pytest.raises(TargetError, match="TRIGGER and SELECT"):
                guard.install(_ALL)
            with pytest.raises(UsageError, match="no table"):
                guard.install(["public.nothing"])
            assert not guard.state().installed
    finally:
        pg.run("DROP OWNED BY nobody_special; DROP ROLE nobody_special", database)



def test_rows_that_row_security_would_hide_are_not_lost(
    pg: PostgresServer, database: str, source: PostgresSource
) -> None:
    """TRUNCATE of a table whose policies bind the guard's owner too is refused, not half kept."""
    pg.run("CREATE ROLE rls_keeper; GRANT USAGE ON SCHEMA holdfast_guard TO rls_keeper", database)
    try:
        pg.run(
            "GRANT SELECT ON registrations TO rls_keeper; GRANT ALL ON holdfast_guard.deleted TO rls_keeper;"
            "GRANT CREATE ON SCHEMA holdfast_guard TO rls_keeper;"
            "ALTER FUNCTION holdfast_guard.keep_all() OWNER TO rls_keeper;"
            "ALTER TABLE registrations ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON registrations USING (id = 1)",
            database,
        )
        with psycopg.connect(pg.url(database)) as mine, pytest.raises(psycopg.errors.InsufficientPrivilege):
            mine.execute("TRUNCATE registrations")
    finally:
        pg.run("DROP OWNED BY rls_keeper CASCADE; DROP ROLE rls_keeper", database)


def test_a_row_that_moves_to_another_partition_is_told_as_moved(pg: PostgresServer, database: str) -> None:
    """Not a delete: the row stands elsewhere. A delete beside it, in the same transaction or in a function, is one."""
    pg.run(
        "CREATE TABLE regs (id int, status text, x json, PRIMARY KEY (id, status)) PARTITION BY LIST (status);"
        "CREATE TABLE regs_new PARTITION OF regs FOR VALUES IN ('new');"
        "CREATE TABLE regs_paid PARTITION OF regs FOR VALUES IN ('paid');"
        "INSERT INTO regs SELECT n, 'new', '{}' FROM generate_series(1, 5) n;"
        "CREATE FUNCTION gone(int) RETURNS void LANGUAGE sql AS 'DELETE FROM regs WHERE id = $1'",
        database,
    )
    source = PostgresSource(pg.url(database))
    with source.guard() as guard:
        guard.install(("public.regs",))
    pg.run("UPDATE regs SET status = 'paid', x = NULL WHERE id = 1; SELECT gone(2)", database)
    with psycopg.connect(pg.url(database)) as mine:
        mine.execute("DELETE FROM regs WHERE id = 0")
        with mine.transaction():
            mine.execute("WITH u AS (UPDATE regs SET status = 'paid' WHERE id = 3) SELECT 1")
        mine.execute("DELETE FROM regs WHERE id = 4")
    pg.run("DELETE FROM regs WHERE id = 5", database)
    assert [(each.row.values["id"], each.operation) for each in kept(source)] == [
        ("1", "move"), ("2", "delete"), ("3", "move"), ("4", "delete"), ("5", "delete"),
    ]


def test_a_guard_of_an_earlier_version_says_what_to_do(
    pg: PostgresServer, database: str, source: PostgresSource
) -> None:
    """Its status tells it, nothing is shipped, and what waits in it is not dropped with it."""
    pg.run("ALTER TABLE holdfast_guard.deleted DROP COLUMN salt CASCADE", database)
    with source.guard() as guard:
        assert all("earlier version" in each.gaps[-1] for each in guard.state().watched)
        with pytest.raises(TargetError, match="earlier version") as caught:
            guard.claim(10)
        assert "remove" in caught.value.hint
        pg.run(
            "INSERT INTO holdfast_guard.deleted"
            " (id, transaction_id, began, table_name, operation, columns, types, old_row)"
            " VALUES (1, 1, now(), 'public.events', 'delete', '{}', '{}', '')", database,
        )  # fmt: skip
        with pytest.raises(TargetError, match="1 deleted rows wait") as caught:
            guard.remove()
        assert "CREATE TABLE kept AS TABLE holdfast_guard.deleted" in caught.value.hint
        pg.run("TRUNCATE holdfast_guard.deleted", database)
        guard.remove()
        guard.install(_ALL)
        assert all(not each.gaps for each in guard.state().watched)
