"""A failure is remembered until a run succeeds, and never in the way."""

from __future__ import annotations

from pathlib import Path

from holdfast.usecases.last_failure import FailureNotes


def test_a_failure_stays_until_a_success(tmp_path: Path) -> None:
    """Per source and repository."""
    notes = FailureNotes(tmp_path, "file:/r")
    notes.failed("shop", code="source", what="the server is not there")
    assert notes.of(["shop", "media"])["shop"].what == "the server is not there"
    assert FailureNotes(tmp_path, "file:/other").of(["shop"]) == {}
    notes.succeeded("shop")
    notes.succeeded("shop")
    assert notes.of(["shop"]) == {}


def test_notes_that_cannot_be_written_or_read_are_as_if_there_were_none(tmp_path: Path) -> None:
    """A full disk or a torn file stops no run."""
    (tmp_path / "file").write_text("x")
    blocked = FailureNotes(tmp_path / "file", "r")
    blocked.failed("shop", code="source", what="x")
    blocked.succeeded("shop")
    assert blocked.of(["shop"]) == {}
    notes = FailureNotes(tmp_path, "r")
    notes.failed("shop", code="source", what="x")
    (path,) = (tmp_path / "failures").rglob("*.json")
    no_zone = b'{"at": "2026-01-01", "code": "", "what": ""}'
    for torn in (b"{", b"\xff", b'{"at": "once", "code": "", "what": ""}', no_zone):
        path.write_bytes(torn)
        assert notes.of(["shop"]) == {}
