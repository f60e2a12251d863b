"""Keep rules from outside: explained, held, agreed to; and what a person is told of the space."""

from __future__ import annotations

from tests.acceptance.program import Site


def keep(site: Site, rules: str) -> None:
    """Write these rules for every source."""
    path = site.folder / "holdfast.toml"
    text = path.read_text().split("\n[defaults]")[0]
    path.write_text(f"{text}\n[defaults]\n{rules}\n")


def take(site: Site, count: int) -> None:
    for _ in range(count):
        site.ok("backup", "notes")


def test_rules_are_explained_before_anything_is_dropped(site: Site) -> None:
    """--dry-run has a sentence for every snapshot and drops none; following them drops what it said."""
    keep(site, "keep = { last = 2, daily = 7 }")
    take(site, 1)
    assert site.run("forget", "--policy", "--yes").status == 0
    take(site, 3)
    shown = site.ok("forget", "--policy", "--dry-run", "notes")
    (source,) = shown["sources"]
    assert source["rules"] == {"last": 2, "daily": 7}
    assert [each["keep"] for each in source["decisions"]] == [True, False, True, True]
    assert source["decisions"][-1]["reasons"][0] == "last 1 of 2"
    assert "the oldest, until daily has 7 (it has 1)" in source["decisions"][0]["reasons"]
    assert len(site.ok("list")) == 4
    text = site.run("forget", "--policy", "--dry-run").out
    assert "notes (production): 3 stay, 1 go" in text
    assert text.count("kept: ") == 3
    assert text.count("dropped: older than the last 2; ") == 1
    gone = site.ok("forget", "--policy", "--yes")["forgotten"]
    assert gone == [source["decisions"][1]["id"]]
    assert len(site.ok("list")) == 3


def test_a_change_that_drops_much_waits_for_confirm(site: Site) -> None:
    """Exit 3 and how to agree; --confirm asks, and drops."""
    take(site, 4)
    keep(site, "keep = { last = 1 }")
    held = site.run("forget", "--policy", "--yes")
    assert held.status == 3
    assert "notes: held, nothing is forgotten: 3 of 4 snapshots would go, and no rules were confirmed" in held.err
    assert "holdfast forget --policy --confirm notes" in held.err
    assert len(site.ok("list")) == 4
    assert site.run("forget", "--policy", "--confirm", "notes").status == 2, "nobody there to say yes"
    agreed = site.run("forget", "--policy", "--confirm", "notes", "--yes")
    assert agreed.status == 0
    assert len(site.ok("list")) == 1
    take(site, 1)
    assert site.run("forget", "--policy", "--yes").status == 0
    assert len(site.ok("list")) == 1


def test_rules_can_be_typed(site: Site) -> None:
    """Just this once, by any of them; those that would keep nothing are refused."""
    take(site, 3)
    assert site.run("forget", "--keep-last", "0", "--yes").status == 2
    assert site.run("forget", "--policy", "--keep-last", "2").status == 2
    assert site.run("forget").status == 2
    assert site.run("forget", "--confirm", "notes").status == 2
    gone = site.ok("forget", "--keep-last", "2", "--keep-within", "0s", "notes", "--yes")
    assert len(gone["forgotten"]) == 1
    assert len(site.ok("list")) == 2
    assert site.ok("forget", "--keep-within", "1d", "--yes")["forgotten"] == []
    assert site.run("forget", "--keep-last", "1", "nowhere", "--yes").status == 2


def test_a_person_is_told_when_space_is_free_and_how_to_have_it_now(site: Site) -> None:
    """forget says from which day on; prune says what it leaves; --now frees it."""
    take(site, 2)
    first = site.ok("list")[-1]["id"]
    told = site.run("forget", first, "--yes").err
    assert "prune frees their space from 20" in told
    assert "holdfast prune --now at once" in told
    pruned = site.run("prune", "--yes").out
    assert "1 forgotten snapshot (" in pruned
    assert "holdfast unforget ID; freed from 20" in pruned
    assert "or at once by: holdfast prune --now" in pruned
    assert "can still be brought back" not in site.run("prune", "--now", "--yes").out


def test_undelete_can_be_switched_off(site: Site) -> None:
    """With undelete = "0s" prune frees at once, and forget says so."""
    path = site.folder / "holdfast.toml"
    path.write_text(path.read_text() + '\n[running]\nundelete = "0s"\n')
    take(site, 2)
    first = site.ok("list")[-1]["id"]
    assert "space is freed by: holdfast prune" in site.run("forget", first, "--yes").err
    assert site.ok("prune", "--yes")["reprieve"] is None


def test_a_snapshot_says_where_it_was_taken(site: Site) -> None:
    """Of another environment's snapshots only its own configuration, or --environment, decides."""
    keep(site, 'environment = "preview"\nkeep = { last = 1 }')
    take(site, 2)
    keep(site, "keep = { last = 1 }")
    take(site, 1)
    shown = site.ok("forget", "--policy", "--dry-run")
    notes = next(each for each in shown["sources"] if each["source"] == "notes")
    assert len(notes["decisions"]) == 1
    assert notes["elsewhere"] == 2
    assert site.ok("forget", "--policy", "--yes")["forgotten"] == []
    other = site.run("forget", "--policy", "--environment", "preview", "--confirm", "--yes", "--json")
    assert len(other.document["forgotten"]) == 1
