"""What programs rely on: an undo goes where the rows were put, and a report comes without a journal."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.integration.api.test_threads import app

from holdfast.api.app import App
from holdfast.cli.main import main

__all__ = ["app"]


def _titles(place: str) -> list[str]:
    with closing(sqlite3.connect(place)) as connection:
        return [title for (title,) in connection.execute("select title from events where id in (3, 5) order by id")]


def test_rows_put_into_another_place_are_taken_back_there(app: App, tmp_path: Path) -> None:
    """Restored at the terminal into a copy, undone by a program: the source keeps its rows, the copy loses them."""
    app.backup()
    with closing(sqlite3.connect("shop.db")) as source, closing(sqlite3.connect("copy.db")) as copy:
        source.backup(copy)
        copy.execute("delete from events where id in (3, 5)")
        copy.commit()
    chosen = ["--only", "events", "--where", "id in (3, 5)"]
    assert main(["restore", "latest:shop", *chosen, "--to", str(tmp_path / "copy.db"), "--yes"]) == 0
    assert _titles("copy.db") == ["event 3", "event 5"]
    (before,) = [info for info in app.list() if info.trigger == "pre-restore"]
    app.undo(before.run)
    assert _titles("copy.db") == []
    assert _titles("shop.db") == ["event 3", "event 5"]


def test_a_journal_that_cannot_be_opened_hides_no_status(app: App, tmp_path: Path) -> None:
    """It is a convenience: the report comes without what only it knows."""
    app.backup()
    (journal,) = (tmp_path / "state").rglob("journal.db")
    for part in journal.parent.glob("journal.db*"):
        part.unlink()
    journal.write_text("no database, whatever it says on the door" * 100)
    assert app.status()["shop"].snapshots == 1
