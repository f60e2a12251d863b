"""When a table's rows may be kept, and what happens when tables change under the reader."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.integration.postgres.capture.draining import Saved, capture
from tests.servers.postgres import PostgresServer, fresh_database, shared_server

from holdfast.model.errors import SourceError
from holdfast.model.events import Warned
from holdfast.sources.base import CaptureRequest
from holdfast.sources.postgres import PostgresSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.model.events import Event

VERSIONS = ("15", "16", "18")
ROWS = 4000


@pytest.fixture(params=VERSIONS)
def place(request: pytest.FixtureRequest) -> Iterator[tuple[PostgresServer, str]]:
    server = shared_server(request.param)
    with fresh_database(server) as name:
        server.run(
            "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE other (id int);"
            "CREATE TABLE t (id int PRIMARY KEY, m mood, v text);"
            f"INSERT INTO t SELECT g, 'sad', repeat('x', 30) FROM generate_series(1, {ROWS}) g", name,
        )
        yield server, name


def of(place: tuple[PostgresServer, str], **more: object) -> PostgresSource:
    server, name = place
    return PostgresSource(server.url(name), **more)  # type: ignore[arg-type]


def kept(saved: Saved, table: bytes = b"public.t") -> bool:
    return any(name == table for name, _ in saved.kept)


def test_a_renamed_label_changes_rows_nobody_touched(
    place: tuple[PostgresServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renaming an enum label makes every row with it read anew; without the signature the old text stays."""
    server, name = place
    first = capture(of(place))
    assert kept(capture(of(place), first))
    server.run("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'", name)
    second = capture(of(place), first)
    assert not kept(second)
    assert second.lines("public.t")[0].split(b"\t")[1] == b"blue"
    monkeypatch.setattr("holdfast.sources.postgres.guards.same_table", lambda *_: True)
    monkeypatch.setattr("holdfast.sources.postgres.work.same_table", lambda *_: True)
    monkeypatch.setattr("holdfast.sources.postgres.compare.Comparison._sample", lambda *_: [])
    assert capture(of(place), first).lines("public.t")[0].split(b"\t")[1] == b"sad"


@pytest.mark.parametrize("change", [
    "ALTER TABLE t ADD COLUMN more int DEFAULT 7",
    "ALTER TABLE t DROP COLUMN v",
    "ALTER TABLE t ALTER COLUMN v TYPE varchar(100)",
    "ALTER TABLE t ALTER COLUMN id TYPE bigint",
    "VACUUM FULL t",
])
def test_any_change_of_the_columns_reads_the_table(place: tuple[PostgresServer, str], change: str) -> None:
    """Fast defaults and dropped columns touch no row, and still change what a row says."""
    server, name = place
    first = capture(of(place))
    with server.connect(name) as connection:
        connection.execute(change.encode())
    second = capture(of(place), first)
    assert not kept(second)
    assert second.stored[b"public.t"].rows == ROWS
    assert second.text("public.t") == server.client("psql", "-XqAt", "-c", "COPY t TO STDOUT", database=name).stdout


def test_names_inside_rows_are_always_read(place: tuple[PostgresServer, str]) -> None:
    """A regclass prints another table's name, which may change without the row."""
    server, name = place
    server.run(f"CREATE TABLE refs AS SELECT g, 'other'::regclass AS r FROM generate_series(1, {ROWS}) g", name)
    first = capture(of(place))
    server.run("ALTER TABLE other RENAME TO renamed", name)
    second = capture(of(place), first)
    assert not kept(second, b"public.refs")
    assert second.lines("public.refs")[0] == b"1\tpublic.renamed"


def test_unlogged_tables_are_always_read(place: tuple[PostgresServer, str]) -> None:
    """Their rows can vanish in a crash without a trace in any row version."""
    server, name = place
    server.run(f"CREATE UNLOGGED TABLE fast AS SELECT g FROM generate_series(1, {ROWS}) g", name)
    first = capture(of(place))
    second = capture(of(place), first)
    assert not kept(second, b"public.fast")
    assert kept(second)
    assert second.stored[b"public.fast"].rows == ROWS


def test_tiny_tables_are_compared_by_content(place: tuple[PostgresServer, str]) -> None:
    """They are read each time and kept when equal, whatever the server's history."""
    server, name = place
    server.run("INSERT INTO other VALUES (1)", name)
    first = capture(of(place))
    second = capture(of(place), first)
    assert kept(second, b"public.other")
    server.run("UPDATE other SET id = 2", name)
    third = capture(of(place), second)
    assert third.lines("public.other") == [b"2"]
    assert not kept(third, b"public.other")


def test_a_wrong_sample_is_an_alarm_and_everything_is_read(place: tuple[PostgresServer, str]) -> None:
    """Should a fingerprint ever lie, the rotating sample says so and nothing is kept in that run."""
    first = capture(of(place))
    for number, content in first.content.items():
        first.content[number] = content.replace(b"17\tsad", b"17\tmad")
    second = capture(of(place), first)
    assert any("ALARM" in line for line in second.learned.warnings)
    assert not kept(second)
    assert b"\n17\tsad" in second.text("public.t")


def test_on_a_quiet_server_nothing_is_asked(
    place: tuple[PostgresServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When no transaction but our own ran, every table is kept unasked; unlogged ones are not."""
    server, name = place
    server.run("CREATE UNLOGGED TABLE fast AS SELECT generate_series(1, 9000) AS g", name)
    first = capture(of(place))

    def asked(*_: object) -> None:
        raise AssertionError("a fingerprint was asked for")

    monkeypatch.setattr("holdfast.sources.postgres.compare.Comparison._asking", asked)
    second = capture(of(place), first)
    assert kept(second)
    assert kept(second, b"public.other") is (first.stored[b"public.other"].segments != [])
    assert not kept(second, b"public.fast")
    third = capture(of(place), second)
    assert kept(third)
    assert third.learned.notes["sampled"] == 1


def test_a_transaction_open_during_a_snapshot_is_not_missed_by_the_next(
    place: tuple[PostgresServer, str]
) -> None:
    """It got its number before, commits after, and its rows are read."""
    server, name = place
    previous: Saved | None = None
    for number in range(1, 4):
        with server.connect(name, autocommit=False) as writer:
            writer.execute(f"UPDATE t SET v = 'open {number}' WHERE id = {number}".encode())
            first = capture(of(place), previous)
            writer.commit()
        previous = capture(of(place), first)
        assert f"{number}\tsad\topen {number}".encode() in previous.lines("public.t")


def test_only_changed_stretches_of_a_large_table_are_read(place: tuple[PostgresServer, str]) -> None:
    """A table of several stretches keeps those whose rows are as they were, at their places."""
    server, name = place
    server.run(
        "CREATE TABLE large AS SELECT g AS id, repeat('y', 900) AS v FROM generate_series(1, 12000) g;"
        "ALTER TABLE large SET (autovacuum_enabled = off)", name,
    )
    first = capture(of(place))
    keys = [one.key for one in first.stored[b"public.large"].segments]
    assert keys == ["0-512", "512-1024", "1024-1536"]
    assert first.stored[b"public.large"].rows == 12000
    server.run("UPDATE large SET v = 'changed' WHERE id = 5000", name)
    second = capture(of(place), first)
    assert [key for table, key in second.kept if table == b"public.large"] == ["0-512", "1024-1536"]
    assert sorted(second.lines("public.large")) == sorted(
        server.client("psql", "-XqAt", "-c", "COPY large TO STDOUT", database=name).stdout.splitlines()
    )
    assert [one.key for one in second.stored[b"public.large"].segments] == keys


@pytest.mark.parametrize("change", [
    "TRUNCATE t; INSERT INTO t VALUES (1, 'glad', 'after')",
    "ALTER TABLE t ALTER COLUMN v TYPE varchar(50)",
    "ALTER TABLE t ALTER COLUMN id TYPE bigint",
    "ALTER TABLE t DROP COLUMN v",
])
def test_a_change_between_snapshot_and_lock_starts_over(
    place: tuple[PostgresServer, str], change: str
) -> None:
    """TRUNCATE or a rewrite in that window would give an empty table; it is seen and the snapshot taken anew."""
    server, name = place
    result: list[Saved] = []
    with server.connect(name, autocommit=False) as other:
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        reader = threading.Thread(target=lambda: result.append(capture(of(place))))
        reader.start()
        wait_until(server, name, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
        other.execute(change.encode())
        other.commit()
    reader.join(60)
    assert result[0].text("public.t") == server.client(
        "psql", "-XqAt", "-c", "COPY t TO STDOUT", database=name
    ).stdout


def test_a_lock_that_never_comes_is_an_error_that_names_its_holder(place: tuple[PostgresServer, str]) -> None:
    """Waiting is bounded, the message says who blocks, and not with which values."""
    server, name = place
    source = of(place)
    object.__setattr__(source.options, "lock_patience", 0.5)
    with server.connect(name, autocommit=False, application_name="migration") as other:
        other.execute("SELECT 'secret-value'; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceError, match="could not be locked") as caught:
            capture(source)
    assert "migration" in caught.value.why and "postgres" in caught.value.why and "LOCK" not in caught.value.why
    assert "secret-value" not in str(caught.value)


def test_a_backup_that_waits_for_a_lock_says_so_and_goes_on(place: tuple[PostgresServer, str]) -> None:
    """The one in the way is named while there is still time."""
    server, name = place
    with server.connect(name, autocommit=False, application_name="migration") as other:
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        told: list[str] = []

        def listen(event: Event) -> None:
            if isinstance(event, Warned):
                told.append(event.text)
                other.rollback()

        with of(place).capture(CaptureRequest(source="t", report=listen)):
            pass
    assert "waiting for a lock" in told[0] and "migration" in told[0] and "60 s" in told[0]


def test_types_changed_while_reading_fail_the_capture(place: tuple[PostgresServer, str]) -> None:
    """A label renamed meanwhile would make a snapshot that cannot be restored; a label added does no harm."""
    server, name = place

    def rename() -> None:
        server.run("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'", name)

    def add() -> None:
        server.run("ALTER TYPE mood ADD VALUE 'new' BEFORE 'sad'", name)

    assert capture(of(place), before_finish=add).stored[b"public.t"].rows == ROWS
    with pytest.raises(SourceError, match="types were changed"):
        capture(of(place), before_finish=rename)


@pytest.mark.parametrize("moment", ["between", "before_finish"])
def test_losing_the_snapshot_fails_the_capture(place: tuple[PostgresServer, str], moment: str) -> None:
    """Rows read after the snapshot's session died are of no snapshot at all."""
    server, name = place

    def kill() -> None:
        server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL "
            f"AND datname = '{name}' AND pid <> pg_backend_pid() AND state = 'idle in transaction'", name,
        )

    with pytest.raises(SourceError):
        capture(of(place), **{moment: kill})


def test_rows_of_one_instant_only(place: tuple[PostgresServer, str]) -> None:
    """What is committed after the snapshot is not in it, in any table."""
    server, name = place

    def write() -> None:
        server.run("INSERT INTO other VALUES (99); UPDATE t SET v = 'later'; DELETE FROM t WHERE id < 10", name)

    saved = capture(of(place), between=write)
    assert saved.stored[b"public.t"].rows == ROWS
    assert b"later" not in saved.text("public.t")
    assert saved.text("public.other") == b""


def test_patterns_choose_tables_and_say_what_is_left_out(place: tuple[PostgresServer, str]) -> None:
    """``tables`` and ``exclude``; partitions follow their table; the definitions stay whole."""
    server, name = place
    server.run(
        "CREATE SCHEMA s; CREATE TABLE s.log (id int); CREATE TABLE p (id int) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p DEFAULT; INSERT INTO p VALUES (1)", name,
    )
    some = capture(of(place, tables=("public.p", "s.*")))
    assert {n for n, one in some.stored.items() if one.kind == "table"} == {b"public.p1", b"s.log"}
    less = capture(of(place, exclude=("public.p", "log")))
    assert {n for n, one in less.stored.items() if one.kind == "table"} == {b"public.t", b"public.other"}
    assert any("rows of public.p1" in line for line in less.learned.not_protected)
    assert less.stored[b"definitions"].size > 1000
    only = capture(of(place), only=("public.t",))
    assert {n for n, one in only.stored.items() if one.kind == "table"} == {b"public.t"}


def test_a_repository_in_the_same_database_is_left_out(place: tuple[PostgresServer, str]) -> None:
    """Neither its rows nor its definition belong to the application."""
    server, name = place
    server.run("CREATE TABLE hf_repo (name text PRIMARY KEY, content bytea)", name)
    saved = capture(of(place, exclude_repository_table="public.hf_repo"))
    assert b"public.hf_repo" not in saved.stored
    assert b"hf_repo" not in saved.text("definitions")


def test_rows_too_large_for_a_line_are_cut_into_pieces(
    place: tuple[PostgresServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every column of such a row comes in pieces; NULL stays NULL, empty stays empty."""
    server, name = place
    monkeypatch.setattr("holdfast.sources.postgres.copying._HUGE", 200_000)
    monkeypatch.setattr("holdfast.sources.postgres.copying._BYTEA_PIECE", 100_000)
    monkeypatch.setattr("holdfast.sources.postgres.copying._TEXT_PIECE", 70_000)
    server.run(
        "CREATE DOMAIN blob AS bytea; CREATE TYPE duo AS (a int, b int);"
        "CREATE TABLE huge (id int, b bytea, d blob, txt text, yes bool, two duo, c char(4), none text);"
        "ALTER TABLE huge ALTER b SET STORAGE EXTERNAL, ALTER txt SET STORAGE EXTERNAL;"
        "INSERT INTO huge SELECT 1, decode(string_agg(md5(g::text), ''), 'hex'), '\\x01', "
        "string_agg(md5(g::text) || E'é\\n', ''), true, ROW(1, NULL)::duo, 'ab', NULL FROM generate_series(1, 40000) g;"
        "INSERT INTO huge VALUES (2, '', NULL, '', false, NULL, NULL, NULL)", name,
    )
    saved = capture(of(place))
    (segment,) = saved.stored[b"public.huge"].segments
    assert segment.rows == 2
    assert segment.notes == {"format": "sliced", "hex": ["b", "d"]}
    found = assembled(saved.lines("public.huge"))
    with server.connect(name) as connection:
        (b, txt) = connection.execute("SELECT encode(b, 'hex'), txt FROM huge WHERE id = 1").fetchall()[0]
    assert found["1"] == {1: "1", 2: b, 3: "01", 4: txt, 5: "t", 6: "(1,)", 7: "ab  "}
    assert found["2"] == {1: "2", 2: "", 4: "", 5: "f"}


def assembled(lines: list[bytes]) -> dict[str, dict[int, str]]:
    """Slices put together by row and column."""
    found: dict[str, dict[int, str]] = {}
    for line in lines:
        row, column, part, piece = line.decode().split("\t")
        values = found.setdefault(row, {})
        if column == "0":
            assert piece == ""
            continue
        assert (part == "0") == (int(column) not in values)
        text = piece.replace("\\n", "\n").replace("\\\\", "\\")
        values[int(column)] = values.get(int(column), "") + text
    return found


def wait_until(server: PostgresServer, database: str, question: str) -> None:
    """Poll until the server answers yes."""
    for _ in range(400):
        if server.run(question, database)[0][0]:
            return
        time.sleep(0.02)
    raise AssertionError(question)
