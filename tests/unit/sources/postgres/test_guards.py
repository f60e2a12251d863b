"""When fingerprints may be believed: every condition alone is enough to read everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from holdfast.sources.postgres.facts import Facts
from holdfast.sources.postgres.guards import broken_history, can_stamp, nothing_happened, same_table

NOW = Facts(
    version=160014, version_text="16.14", database="app", role="me", standby=False, database_oid=5, encoding="UTF8",
    collate="C", ctype="C", owner="me", block_size=8192, postmaster_start="t0", xmin=900, xmax=1000,
    snapshot="900:1000:", lineage="", superuser=False, read_at="t", system=77, timeline=1,
    extensions=(("plpgsql", "1.0"),), settings=(("lc_numeric", "C"),),
)


def then(**more: Any) -> dict[str, Any]:
    """Notes of an earlier snapshot."""
    token = more.pop("token", "T")
    flushed = more.pop("flushed", False)
    return {**replace(NOW, xmin=700, xmax=800, **more).notes(), "token": token, "flushed": flushed}


def test_nothing_different_is_the_same_history() -> None:
    """The token is there and everything else is as it was."""
    assert broken_history(then(), NOW, {"S", "T"}) == []


@pytest.mark.parametrize("change", [
    {"system": 78}, {"timeline": 2}, {"database_oid": 6}, {"version": 160013}, {"standby": True},
    {"extensions": (("plpgsql", "1.1"),)}, {"settings": (("lc_numeric", "de"),)}, {"encoding": "LATIN1"},
    {"lineage": "branch"}, {"timeline": 0}, {"system": 0},
])
def test_each_difference_alone_reads_everything(change: dict[str, Any]) -> None:
    """One is enough."""
    assert broken_history(then(**change), NOW, {"T"})
    assert broken_history(then(), replace(NOW, **change), {"T"})


@pytest.mark.parametrize("passed", [2**31, 2**31 + 5, 2**32, 2**33 + 1, -1])
def test_half_of_all_transaction_numbers_later_nothing_is_believed(passed: int) -> None:
    """Numbers come round: the same number may then be another transaction."""
    assert broken_history(then(), replace(NOW, xmax=800 + passed), {"T"})
    assert broken_history(then(), replace(NOW, xmax=800 + 2**31 - 1), {"T"}) == []


def test_a_missing_token_is_never_made_up_for() -> None:
    """Not even by a server that runs on."""
    assert broken_history(then(flushed=True), NOW, {"S"})


def test_without_a_token_only_a_server_that_ran_on_is_believed() -> None:
    """Same start, and the log flushed; a platform's own lineage stands in for the start."""
    assert broken_history(then(token="", flushed=True), NOW, set()) == []
    assert broken_history(then(token="", flushed=False), NOW, set())
    assert broken_history(then(token="", flushed=True), replace(NOW, postmaster_start="t1"), set())
    moved = replace(NOW, postmaster_start="t1", lineage="L")
    assert broken_history(then(token="", flushed=True, lineage="L"), moved, set()) == []


def test_notes_of_another_kind_are_no_history() -> None:
    """Missing facts mean reading."""
    assert broken_history({"token": "T"}, NOW, {"T"})


def test_old_servers_and_standbys_take_no_fingerprints() -> None:
    """Before 14 there are no block ranges; a standby has no timeline to tell."""
    assert can_stamp(NOW)
    assert not can_stamp(replace(NOW, version=130020))
    assert not can_stamp(replace(NOW, standby=True))


@pytest.mark.parametrize(("before", "token", "now", "quiet"), [
    ((800, 800), 800, 801, True),       # only the token's own transaction in between
    ((800, 800), 800, 802, False),      # one more finished
    ((800, 800), 801, 802, False),      # one was running above the snapshot's bound when the token was written
    ((790, 800), 800, 801, False),      # one was running below it
    ((800, 800), 0, 800, True),         # no token is written here, no number was given at all
    ((800, 800), 0, 801, False),
])
def test_a_quiet_server_is_one_that_gave_no_transaction_numbers(
    before: tuple[int, int], token: int, now: int, quiet: bool
) -> None:
    """Every change needs a number, and numbers are given in order."""
    notes = {**replace(NOW, xmin=before[0], xmax=before[1]).notes(), "token_xid": token}
    assert nothing_happened(notes, replace(NOW, xmin=now, xmax=now)) is quiet


def test_a_table_must_be_the_very_same() -> None:
    """Another oid, file or signature, or no longer logged: read."""
    notes = {"oid": 1, "filenode": 2, "signature": "s", "persistence": "p", "columns": ["a"]}
    assert same_table(notes, notes)
    for name, other in (("oid", 9), ("filenode", 9), ("signature", "z"), ("persistence", "u")):
        assert not same_table(notes, {**notes, name: other})
        assert not same_table({**notes, name: other}, notes)
    unlogged = {**notes, "persistence": "u"}
    assert not same_table(unlogged, unlogged)
