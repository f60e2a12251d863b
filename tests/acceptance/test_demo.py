"""The demonstration ends with everything as it was, and leaves other people's folders alone."""

from __future__ import annotations

import re

from tests.acceptance.program import Site


def test_the_demo_brings_everything_back_and_stores_little_the_second_time(empty_site: Site) -> None:
    """Equal to the row and byte; the second backup is a small part of the first; run again it begins anew."""
    done = empty_site.run("demo", HOLDFAST_PASSPHRASE=None)
    assert done.status == 0, done
    assert "equal to the row and byte" in done.out
    assert "so that the shell finds" in done.out
    overwritten = re.findall(r"overwrite (\d+)", done.out)
    assert overwritten[:len(overwritten) // 2] == overwritten[len(overwritten) // 2:], done.out
    again = empty_site.ok("demo", HOLDFAST_CONFIG="elsewhere.toml", HOLDFAST_PASSPHRASE="is not used")
    assert again["equal"] is True
    assert again["differences"] == []
    assert again["rows"] >= 100_000
    assert again["damaged"] > 10
    assert again["second_backup"]["stored"] < again["first_backup"]["stored"] / 10
    looked = empty_site.run("-c", "playground", "status", HOLDFAST_PASSPHRASE=None)
    assert looked.status == 0, looked
    assert empty_site.ok("-c", "playground/holdfast.toml", "check", HOLDFAST_PASSPHRASE=None)["ok"] is True


def test_the_demo_never_removes_what_it_did_not_make(empty_site: Site) -> None:
    """A folder of that name that is no playground is refused and stays."""
    mine = empty_site.folder / "playground" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert empty_site.run("demo").status == 2
    assert mine.read_text() == "mine"
