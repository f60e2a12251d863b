"""The Python face is safe in threads and after a fork: web servers and task queues use it so."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import holdfast
from holdfast.api.app import App
from holdfast.cli.main import main
from holdfast.journal.base import RunQuery
from holdfast.journal.sqlite import SqliteJournal

_EVENTS = 200


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """An application with a database of events, and a configuration beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_PASSPHRASE", "a passphrase of tests")
    monkeypatch.setenv("HOLDFAST_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("HOLDFAST_CACHE_DIR", str(tmp_path / "cache"))
    with sqlite3.connect("shop.db") as connection:
        connection.execute("create table events (id integer primary key, title text)")
        connection.executemany("insert into events values (?, ?)", [(n, f"event {n}") for n in range(_EVENTS)])
    connection.close()
    assert main(["--quiet", "init", "--repository", "./backups", "--source", "shop=sqlite:shop.db"]) == 0
    with (tmp_path / "holdfast.toml").open("a") as file:
        file.write('\n[defaults]\nkeep = { last = 2 }\n[entities.event]\nsource = "shop"\nroot = "events"\n')
    with holdfast.open("holdfast.toml") as opened:
        yield opened


def test_eight_threads_use_one_app_at_once(app: App) -> None:
    """Each gets the answer to its own question, while backups are made."""
    first = app.backup().snapshots[0]

    def ask(number: int) -> None:
        match number % 4:
            case 0:
                assert app.backup("shop").failures == {}
            case 1:
                found = app.find(first.id, "events", str(number))
                assert found.rows[0]["title"] == f"event {number}"
            case 2:
                assert app.status().sources[0].snapshots >= 1
            case _:
                assert app.entity("event", number).versions()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(40)))
    assert len(app.list("shop")) == 11


def test_a_process_forked_after_the_app_was_used_works_on_its_own(app: App) -> None:
    """As Celery's workers and preforking web servers do."""
    app.backup()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            app.backup()
            status = 0 if len(app.list()) == 2 else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert len(app.list()) == 2


def test_results_carry_counts_of_rows_and_of_what_retention_let_go(app: App) -> None:
    """What an application shows its operator afterwards."""
    app.backup()
    app.retain()  # nothing to let go of yet: from now on the rules are known
    for _ in range(3):
        app.backup()
    retained = app.retain()
    assert (len(retained.forgotten), retained.held) == (2, [])
    assert len(app.list()) == 2
    result = app.restore_latest("shop", to="restored.db")
    assert result.verified
    with sqlite3.connect("restored.db") as connection:
        assert connection.execute("select count(*) from events").fetchone() == (_EVENTS,)
    connection.close()
    assert set(result.rows.values()) == {_EVENTS}, result.rows


def test_what_programs_do_is_a_run_in_the_journal(app: App, tmp_path: Path) -> None:
    """With the id its result tells, its numbers, and how it ended; a dry run is none."""
    taken = app.backup("shop")
    restored = app.restore_latest("shop", to="restored.db")
    app.restore_latest("shop", to="planned.db", dry_run=True)
    deleted = app.entity("event", 7).delete()
    (tmp_path / "shop.db").rename(tmp_path / "away.db")
    failed = app.backup("shop")
    assert failed.failures
    (path,) = (tmp_path / "state").rglob("journal.db")
    with contextlib.closing(SqliteJournal(path)) as journal:
        runs = [run for run in journal.runs(RunQuery(limit=50)).runs if run.kind != "init"][::-1]
    assert [(run.kind, run.id, run.status.value) for run in runs] == [
        ("backup", taken.run, "succeeded"), ("restore", restored.run, "succeeded"),
        ("entity-delete", deleted.run, "succeeded"), ("backup", failed.run, "failed"),
    ]  # fmt: skip
    assert (runs[0].rows, runs[0].sources, runs[0].snapshots) == (_EVENTS, ["shop"], [taken.snapshots[0].id])
    assert runs[3].error is not None
    assert app.status().sources[0].last_failure
