"""What programs do can be followed in the journal, and what they are given is refused by name when it is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.api.test_threads import app

from holdfast.api.app import App
from holdfast.cli.main import main
from holdfast.journal.base import RunQuery
from holdfast.journal.sqlite import SqliteJournal
from holdfast.model.errors import UsageError
from holdfast.usecases.audit import ActQuery, acts

__all__ = ["app"]


def _deeds(app: App) -> list[str]:
    with app._pool.lend() as wired:
        return [f"{each.act.deed} {each.act.what}" for each in acts(wired.repository, ActQuery())][::-1]


def test_runs_of_programs_have_phases_and_lines(app: App, tmp_path: Path) -> None:
    """As those of people: what the run did, when, for how long, and what it warned of."""
    taken = app.backup("shop").snapshots[0].run
    told = list[object]()
    again = App(app._pool._build, told.append).backup("shop").snapshots[0].run
    (path,) = (tmp_path / "state").rglob("journal.db")
    journal = SqliteJournal(path)
    found = {run.id: run for run in journal.runs(RunQuery()).runs}
    for run in (taken, again):
        assert found[run].phases, found[run].kind
        assert all(each.seconds is not None for each in found[run].phases)
        assert [line.text for line in journal.lines(run)] != []
    journal.close()
    assert told != []


def test_a_look_at_the_trash_is_noted(app: App) -> None:
    """It tells which event was deleted: by a program, and at the terminal."""
    app.backup("shop")
    app.entity("event", 7).delete()
    before = len(_deeds(app))
    assert app.trash()[0].entity == ("event", "7")
    assert main(["--quiet", "trash"]) == 0
    assert _deeds(app)[before:] == ["data:read the trash"] * 2


def test_rules_that_are_followed_are_noted_once(app: App) -> None:
    """forget --policy says what went, begun and ended; the verb is not noted beside it."""
    for _ in range(4):
        app.backup("shop")
    before = len(_deeds(app))
    assert main(["--quiet", "forget", "--policy", "--confirm", "--yes"]) == 0
    assert len(app.list()) == 2
    noted = _deeds(app)[before:]
    assert [each.rpartition(" by ")[0] for each in noted] == [noted[0].rpartition(" by ")[0]] * 2
    assert "forget 2 snapshots of shop" in noted[0]


@pytest.mark.parametrize("label", ["latest", "latest:shop", "a\nb", "-n", "\x00", ""])
def test_a_label_that_nothing_could_name_is_refused(app: App, label: str) -> None:
    """By programs as by people."""
    with pytest.raises(UsageError, match="cannot be the name"):
        app.backup("shop", name=label)


def test_what_is_no_name_is_refused_and_numbers_are_keys(app: App) -> None:
    """Every failure is a HoldfastError that says what to do."""
    app.backup("shop")
    assert app.find("latest:shop", "events", 42).rows[0]["title"] == "event 42"
    assert app.log("shop", "events", 42).rows[0].key == {"id": 42}
    for wrong in (lambda: app.backup(["shop"]), lambda: app.restore(None), lambda: app.list(limit=-1)):  # type: ignore[arg-type, list-item]
        with pytest.raises(UsageError):
            wrong()
