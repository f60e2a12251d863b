"""What a backup run's result means for the exit status."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from holdfast.cli.main import main
from holdfast.cli.runs import status_of
from holdfast.model.errors import Exit, HoldfastError, SourceError, UsageError
from holdfast.model.snapshot import SnapshotInfo
from holdfast.usecases.backup import BackupResult


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with a database and a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HOLDFAST_PASSPHRASE", "a passphrase long enough")
    monkeypatch.setenv("HOLDFAST_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOLDFAST_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("HOLDFAST_CONFIG", raising=False)
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a").write_text("a")
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE t (x)")
    shop.close()
    places = ["--source", f"shop=sqlite:{tmp_path}/shop.db", "--source", f"media=files:{tmp_path}/media"]
    assert main(["init", "--repository", str(tmp_path / "repository"), *places]) == 0
    return tmp_path


@pytest.mark.parametrize("sources", [["shop"], ["media"], []])
def test_a_pattern_that_fits_nothing_is_a_usage_error(
    configured: Path, sources: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The same status for every kind of source: what was asked for made no sense."""
    capsys.readouterr()
    assert main(["backup", *sources, "--only", "zzz", "--json"]) == Exit.USAGE
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["code"] == UsageError.code
    assert "zzz" in document["error"]["what"]


def test_a_pattern_that_fits_nothing_beside_one_that_does_is_told(
    configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped name does not pass for a backup of all that were named."""
    capsys.readouterr()
    assert main(["backup", "media", "--only", "a", "--only", "nosuch", "--json"]) == Exit.OK
    (snapshot,) = json.loads(capsys.readouterr().out)["snapshots"]
    assert snapshot["warnings"] == ["nothing in the folder matches nosuch"]


@pytest.mark.parametrize(
    ("failures", "made", "status"),
    [
        ([UsageError("a")], 0, Exit.USAGE),
        ([UsageError("a"), SourceError("b")], 0, Exit.FAILED),
        ([UsageError("a")], 1, Exit.FAILED),
    ],
)
def test_a_run_of_which_something_was_made_or_went_wrong_has_failed(
    failures: list[HoldfastError], made: int, status: Exit
) -> None:
    """A usage error is only what nothing came of, for no other reason."""
    info = SnapshotInfo(
        id="", run="", source="x", kind="files", trigger="", status="complete", created_at="", rows=None, item_count=0,
        bytes_source=0, bytes_read=0, bytes_new=0, bytes_stored=0, seconds=0.0,
        not_protected=[], warnings=[],
    )
    result = BackupResult(run="r", snapshots=[info] * made, failures=dict(zip("ab", failures, strict=False)))
    assert status_of(result) is status
