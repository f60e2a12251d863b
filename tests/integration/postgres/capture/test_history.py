"""Equal fingerprints are believed only in the same history: each disaster that fakes them is staged here.

Every scenario is run twice: as it is, and with the guard taken away, to show that the guard is what saves the rows.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.integration.postgres.capture.draining import Saved, capture
from tests.servers.postgres import PostgresServer, postgres_server, standby_of

from holdfast.sources.postgres import PostgresSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSIONS = ("16", "18")
ROWS = 4000
MAKE = (
    "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, repeat('x', 40) FROM "
    f"generate_series(1, {ROWS}) g; CREATE TABLE other (id int)"
)
_LOSSY = {"synchronous_commit": "off", "wal_writer_delay": "10s", "bgwriter_lru_maxpages": "0"}


@pytest.fixture(params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with postgres_server(request.param) as running:
        running.run(MAKE)
        yield running


@pytest.fixture(params=[True, False], ids=["guarded", "unguarded"])
def guarded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Without the guard the earlier history is believed blindly."""
    if not request.param:
        monkeypatch.setattr("holdfast.sources.postgres.capture.broken_history", lambda *_: [])
        # the sample would find the difference: that is its work, tested elsewhere
        monkeypatch.setattr("holdfast.sources.postgres.compare.Comparison._sample", lambda *_: [])
    return bool(request.param)


def source(server: PostgresServer, *, token: bool = True) -> PostgresSource:
    return PostgresSource(server.url(), allow_write_token=token)


def value_of(saved: Saved, key: int) -> bytes:
    (line,) = [line for line in saved.lines("public.t") if line.startswith(b"%d\t" % key)]
    return line.partition(b"\t")[2]


def kept(saved: Saved) -> bool:
    return any(name == b"public.t" for name, _ in saved.kept)


def test_the_same_history_is_kept(server: PostgresServer) -> None:
    """With nothing changed, even over a clean restart, rows are referenced and not read."""
    first = capture(source(server))
    server.stop()
    server.start()
    second = capture(source(server), first)
    assert kept(second)
    assert second.learned.warnings == []
    server.run("UPDATE t SET v = 'new' WHERE id = 17")
    third = capture(source(server), second)
    assert not kept(third)
    assert value_of(third, 17) == b"new"


@pytest.mark.parametrize("token", [True, False], ids=["token", "no token"])
def test_a_rolled_back_data_directory_is_read_again(
    server: PostgresServer, tmp_path: Path, *, guarded: bool, token: bool
) -> None:
    """An older copy of the disk, gone on differently with the same transaction numbers."""
    capture(source(server, token=token))
    server.stop()
    server.copy_data(tmp_path / "older")
    server.start()
    server.run("UPDATE t SET v = 'one' WHERE id = 5")
    first = capture(source(server, token=token))
    server.stop()
    server.put_back(tmp_path / "older")
    server.start()
    server.run("UPDATE t SET v = 'two' WHERE id = 5")
    second = capture(source(server, token=token), first)
    assert value_of(second, 5) == (b"two" if guarded else b"one")
    assert kept(second) is not guarded


def test_commits_lost_in_a_crash_are_not_believed(*, guarded: bool) -> None:
    """A backend crash with asynchronous commit loses what the snapshot saw; the server's start time stays."""
    with postgres_server("16", settings=_LOSSY) as server:
        server.run(MAKE)
        server.run("CHECKPOINT")
        server.run("UPDATE t SET v = 'one' WHERE id = 5")
        first = capture(source(server, token=False))
        assert first.learned.notes["flushed"] is False
        crash_backend(server)
        assert server.run("SELECT count(*) FROM t WHERE v = 'one'") == [(0,)]
        server.run("UPDATE t SET v = 'two' WHERE id = 5")
        second = capture(source(server, token=False), first)
        assert second.learned.notes["postmaster_start"] == first.learned.notes["postmaster_start"]
        assert value_of(second, 5) == (b"two" if guarded else b"one")


def test_the_token_makes_everything_before_it_durable() -> None:
    """With a token no commit the snapshot saw can be lost, so rows may be kept after the crash."""
    with postgres_server("16", settings=_LOSSY) as server:
        server.run(MAKE)
        server.run("UPDATE t SET v = 'one' WHERE id = 5")
        first = capture(source(server))
        crash_backend(server)
        assert server.run("SELECT count(*) FROM t WHERE v = 'one'") == [(1,)]
        second = capture(source(server), first)
        assert kept(second)
        assert value_of(second, 5) == b"one"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_sibling_promoted_to_the_same_timeline_is_read_again(version: str, *, guarded: bool) -> None:
    """Two standbys become primaries of the same timeline number and go on differently."""
    with postgres_server(version) as primary:
        primary.run(MAKE)
        capture(source(primary))
        with standby_of(primary) as left, standby_of(primary) as right:
            for one in (left, right):
                wait_for(one, primary)
            primary.stop("immediate")
            for one, value in ((left, "left"), (right, "right")):
                one.promote()
                one.run(f"UPDATE t SET v = '{value}' WHERE id = 5")
            first = capture(source(left))
            second = capture(source(right), first)
            assert second.learned.notes["timeline"] == first.learned.notes["timeline"] == 2
            assert value_of(second, 5) == (b"right" if guarded else b"left")


def test_a_promotion_reads_everything(server: PostgresServer) -> None:
    """Another timeline is another history, token or not."""
    first = capture(source(server))
    with standby_of(server) as standby:
        wait_for(standby, server)
        while_standby = capture(source(standby), first)
        assert not kept(while_standby)
        assert any("standby" in line for line in while_standby.learned.warnings)
        standby.promote()
        second = capture(source(standby), first)
        assert not kept(second)
        assert any("timeline" in line for line in second.learned.warnings)


def test_without_a_token_a_restart_reads_everything(server: PostgresServer) -> None:
    """Where nothing may be written, only an uninterrupted server is believed."""
    first = capture(source(server, token=False))
    assert first.learned.notes["flushed"] is True
    assert kept(capture(source(server, token=False), first))
    server.stop()
    server.start()
    second = capture(source(server, token=False), first)
    assert not kept(second)
    assert server.run("SELECT to_regnamespace('holdfast_continuity')::text") == [(None,)]


def wait_for(standby: PostgresServer, primary: PostgresServer) -> None:
    """Until the standby has replayed what the primary wrote."""
    (lsn,) = primary.run("SELECT pg_current_wal_flush_lsn()::text")[0]
    for _ in range(200):
        if standby.run(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'")[0][0]:
            return
        time.sleep(0.05)
    raise AssertionError("the standby does not catch up")


def crash_backend(server: PostgresServer) -> None:
    """Kill one backend: the server drops every session and its memory, and recovers from the log's disk."""
    victim = server.connect()
    os.kill(victim.info.backend_pid, signal.SIGKILL)
    time.sleep(0.2)
    with pytest.raises(psycopg.OperationalError):
        victim.execute("SELECT 1")
    victim.close()
    for _ in range(200):
        try:
            server.connect().close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
