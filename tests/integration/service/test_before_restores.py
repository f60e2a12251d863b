"""What is saved before a restore takes its place among the last ones when it is all there was (A5)."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from tests.integration.service.desk import PASSPHRASE, application, cheap  # noqa: F401

import holdfast

pytestmark = pytest.mark.usefixtures("cheap")

TEXT = """\
repository = { url = "./repository" }
defaults = { keep = { last = 2 } }
[sources.shop]
url = "sqlite:shop.db"
[sources.media]
url = "files:media"
"""


def _write(folder: Path, value: int) -> None:
    with contextlib.closing(sqlite3.connect(folder / "shop.db")) as database, database:
        database.execute("insert into t values (?)", (value,))
    for name in ("changes", "stays"):
        (folder / "media" / name).write_text(str(value if name == "changes" else 1))


def test_what_was_there_before_a_restore_of_everything_is_one_of_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two backups and one in-place restore the last two stay: the newest backup, and what the restore replaced."""
    application(tmp_path)
    (tmp_path / "media").mkdir()
    (tmp_path / "holdfast.toml").write_text(TEXT)
    for name, value in (("PASSPHRASE", PASSPHRASE), ("STATE_DIR", f"{tmp_path}/s"), ("CACHE_DIR", f"{tmp_path}/c")):
        monkeypatch.setenv(f"HOLDFAST_{name}", value)
    with holdfast.open(tmp_path / "holdfast.toml") as app:
        app.retain()  # rules that are there from the first snapshot are never held
        for value in (1, 2):
            _write(tmp_path, value)
            app.backup()
        _write(tmp_path, 3)
        for source in ("shop", "media"):
            assert app.restore(f"latest:{source}", in_place=True, exact=True).undo
        before = {info.source: info for info in app.list() if info.trigger == "pre-restore"}
        assert (before["shop"].more or {}).get("whole") is True
        assert {(info.more or {}).get("environment") for info in before.values()} == {"production"}
        assert not (before["media"].more or {}).get("whole"), "the file that stayed as it was is not in it"
        kept = app.retain()
        assert not kept.held
        left = [(info.source, info.trigger) for info in app.list()]
        assert sorted(left) == [
            ("media", "api"), ("media", "api"), ("media", "pre-restore"), ("shop", "api"), ("shop", "pre-restore")
        ]  # fmt: skip
