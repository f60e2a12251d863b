"""At a terminal it asks, shows how far it is, and asks before it changes anything."""

from __future__ import annotations

from tests.acceptance.program import Site, tree_of
from tests.acceptance.terminal import Terminal


def test_init_asks_for_everything_and_proposes_what_lies_about(empty_site: Site) -> None:
    """Repository, the database found in the folder, another source, a passphrase typed twice and shown never."""
    empty_site.fill(50, 5)
    terminal = Terminal(empty_site, "init", HOLDFAST_PASSPHRASE=None)
    terminal.answer("where do the snapshots go", "./store")
    terminal.answer("protect sqlite:./notes.sqlite", "y")
    terminal.answer("another source", "files:media")
    terminal.answer("its name", "pictures")
    terminal.answer("another source", "")
    terminal.answer("passphrase for the repository", "typed and not shown")
    terminal.answer("the same again", "typed and not shown")
    assert terminal.end() == 0, terminal.shown
    assert "recovery key" in terminal.shown
    assert "typed and not shown" not in terminal.shown
    made = empty_site.ok("backup", HOLDFAST_PASSPHRASE="typed and not shown")
    assert {each["source"] for each in made["snapshots"]} == {"notes", "pictures"}


def test_a_missing_passphrase_is_asked_for(site: Site) -> None:
    """Typed unseen; a wrong one has its status."""
    terminal = Terminal(site, "list", HOLDFAST_PASSPHRASE=None)
    terminal.answer("passphrase or recovery key", site.environ["HOLDFAST_PASSPHRASE"])
    assert terminal.end() == 0
    terminal = Terminal(site, "list", HOLDFAST_PASSPHRASE=None)
    terminal.answer("passphrase or recovery key", "not this one")
    assert terminal.end() == 12


def test_an_in_place_restore_shows_its_plan_and_waits_for_yes(site: Site) -> None:
    """No leaves everything as it is."""
    site.ok("backup")
    (site.media / "0" / "picture 0.bin").unlink()
    damaged = tree_of(site.media)
    terminal = Terminal(site, "restore", "latest:media", "--in-place")
    terminal.answer("[y/N]", "n")
    assert terminal.end() == 2
    assert "picture 0.bin" in terminal.shown
    assert tree_of(site.media) == damaged
    terminal = Terminal(site, "restore", "latest:media", "--in-place")
    terminal.answer("[y/N]", "y")
    assert terminal.end() == 0
    assert tree_of(site.media).keys() > damaged.keys()


def test_colour_is_for_terminals_that_want_it(site: Site) -> None:
    """NO_COLOR is honoured, also by the progress bars."""
    coloured = Terminal(site, "status")
    assert coloured.end() == 4
    assert "\x1b[3" in coloured.shown
    plain = Terminal(site, "status", NO_COLOR="1")
    assert plain.end() == 4
    assert "\x1b[3" not in plain.shown
    backup = Terminal(site, "backup", NO_COLOR="1")
    assert backup.end() == 0
    assert "\x1b[3" not in backup.shown
