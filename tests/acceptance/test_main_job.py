"""Saved, damaged, restored: equal to the last row and byte, told in the promised documents."""

from __future__ import annotations

import shutil
import stat

import pytest
from tests.acceptance.program import PASSPHRASE, Site, rows_of, tree_of

SNAPSHOT = {
    "id", "source", "kind", "trigger", "status", "created_at", "rows", "item_count", "bytes_source", "bytes_read",
    "bytes_new", "bytes_stored", "seconds", "not_protected", "warnings",
}  # fmt: skip
LISTED = SNAPSHOT | {"pinned", "name", "created_by", "source_changed_at", "origin"}


def test_what_was_saved_comes_back_beside_the_damaged(site: Site) -> None:
    """A dropped table and lost files are restored into new places, equal in every row and byte."""
    rows, tree = rows_of(site.database), tree_of(site.media)
    made = site.ok("backup")
    assert {each["source"] for each in made["snapshots"]} == {"notes", "media"}
    site.database.unlink()
    shutil.rmtree(site.media / "1")
    notes = site.ok("restore", "latest:notes", "--to", "again.sqlite")
    media = site.ok("restore", "latest:media", "--to", "again")
    assert notes["verified"] is True
    assert media["verified"] is True
    assert rows_of(site.folder / "again.sqlite") == rows
    assert tree_of(site.folder / "again") == tree


def test_documents_have_the_promised_fields(site: Site) -> None:
    """backup, list, show, restore and check say exactly what scripts rely on."""
    made = site.ok("backup", "--name", "first", "--pin", "--trigger", "cron")
    assert set(made) == {"run", "snapshots"}
    for snapshot in made["snapshots"]:
        assert snapshot.keys() >= SNAPSHOT
        assert snapshot["trigger"] == "cron"
    site.ok("backup")
    listed = site.ok("list")
    assert [each["created_at"] for each in listed] == sorted((each["created_at"] for each in listed), reverse=True)
    assert all(each.keys() >= LISTED for each in listed)
    assert [each["pinned"] for each in listed] == [False, False, True, True]
    assert {each["name"] for each in listed[2:]} == {"first"}
    shown = site.ok("show", "latest:media")
    assert shown.keys() >= LISTED | {"items"}
    assert len(shown["items"]) == shown["item_count"]
    assert all(set(item) == {"name", "kind", "rows", "bytes"} for item in shown["items"])
    planned = site.ok("restore", "latest:media", "--dry-run")
    assert planned.keys() >= {"run", "snapshot", "dry_run", "target", "items", "verified", "seconds"}
    assert planned["dry_run"] is True
    assert all(set(item) == {"name", "action", "rows", "status", "detail"} for item in planned["items"])
    checked = site.ok("check", "--read-data")
    assert checked["ok"] is True
    assert checked["findings"] == []


def test_a_dry_run_writes_nothing(site: Site) -> None:
    """Plans are made from reading alone."""
    site.ok("backup")
    before = sorted(str(path) for path in site.folder.rglob("*") if "backups" not in str(path))
    site.ok("restore", "latest:media", "-n")
    site.ok("restore-dry", "latest:notes", "--to", "never.sqlite")
    after = sorted(str(path) for path in site.folder.rglob("*") if "backups" not in str(path))
    assert [path for path in after if "/home/" not in path] == [path for path in before if "/home/" not in path]


def test_in_place_needs_a_yes_and_can_be_undone(site: Site) -> None:
    """Without a terminal nothing is changed unasked; undo brings back what was there."""
    site.ok("backup")
    original = tree_of(site.media)
    lost = site.media / "0" / "picture 0.bin"
    lost.unlink()
    (site.media / "new.txt").write_text("made since")
    damaged = tree_of(site.media)
    refused = site.run("restore", "latest:media", "--in-place")
    assert refused.status == 2
    assert tree_of(site.media) == damaged
    done = site.ok("restore", "latest:media", "--in-place", "--yes")
    assert tree_of(site.media) == {**original, "new.txt": b"made since"}
    assert site.ok("undo", done["run"], "--yes")["verified"] is True
    assert tree_of(site.media) == damaged


def test_a_second_backup_of_the_same_stores_almost_nothing(site: Site) -> None:
    """Unchanged files are not opened, unchanged pages not stored."""
    first, second = site.ok("backup"), site.ok("backup")
    assert sum(each["bytes_stored"] for each in second["snapshots"]) < 20_000
    assert sum(each["bytes_stored"] for each in first["snapshots"]) > 100_000
    assert all(each["status"] == "complete" for each in second["snapshots"])


def test_what_cannot_be_read_makes_the_snapshot_incomplete(site: Site) -> None:
    """Exit 3, told by name, and never latest."""
    good = {each["source"]: each["id"] for each in site.ok("backup")["snapshots"]}
    site.database.write_bytes(site.database.read_bytes()[: 4096 * 3 + 100])
    done = site.run("backup", "notes", "--json")
    assert done.status in {1, 3}
    newest = site.ok("show", "latest:notes")
    assert newest["id"] == good["notes"]


def test_forgotten_snapshots_come_back_until_their_space_is_freed(site: Site) -> None:
    """forget, unforget, forget, prune; pinned ones stay; the repository stays clean."""
    first = site.ok("backup")["snapshots"]
    site.ok("backup")
    name = next(each["id"] for each in first if each["source"] == "media")
    site.ok("pin", name)
    assert site.run("forget", name, "--yes").status == 2
    site.ok("unpin", name)
    assert site.run("forget", name).status == 2
    site.ok("forget", name, "--dry-run")
    assert len(site.ok("list")) == 4
    site.ok("forget", name, "--yes")
    assert len(site.ok("list")) == 3
    site.ok("unforget", name)
    assert len(site.ok("list")) == 4
    site.ok("forget", name, "--yes")
    assert site.ok("prune", "--yes")["reprieve"]["snapshots"] == [name]
    site.ok("unforget", name)
    site.ok("forget", name, "--yes")
    site.ok("prune", "--now", "--dry-run")
    assert site.ok("prune", "--now", "--yes")["reprieve"] is None
    assert site.ok("check", "--read-data")["ok"] is True


def test_a_bare_machine_needs_repository_and_key_alone(site: Site) -> None:
    """No configuration, no cache, no passphrase: the recovery key and the repository are enough."""
    key = site.ok("key", "add", "--recovery")["recovery_key"]
    site.ok("backup")
    tree, rows = tree_of(site.media), rows_of(site.database)
    bare = Site(site.folder.parent / "bare")
    shutil.move(site.folder / "backups", bare.folder / "backups")
    shutil.rmtree(site.folder)
    bare.environ["HOLDFAST_PASSPHRASE"] = key
    assert len(bare.ok("--repository", "backups", "list")) == 2
    bare.ok("--repository", "backups", "restore", "latest:media", "--to", "media")
    bare.ok("--repository", "backups", "restore", "latest:notes", "--to", "notes.sqlite")
    assert tree_of(bare.media) == tree
    assert rows_of(bare.database) == rows


def test_a_snapshot_before_a_command_protects_from_it(site: Site) -> None:
    """The command's status is returned; without a good snapshot it is not run."""
    done = site.run("run", "--before", "cleanup", "--source", "media", "--", "sh", "-c", "rm -r media/0; exit 7")
    assert done.status == 7
    assert not (site.media / "0").exists()
    taken = site.ok("list", "--source", "media")[0]
    assert (taken["name"], taken["trigger"]) == ("cleanup", "pre-change")
    restored = site.ok("restore", "cleanup", "--to", "before")
    assert restored["verified"] is True
    assert (site.folder / "before" / "0").exists()
    site.media.rename(site.folder / "away")
    refused = site.run("run", "--before", "again", "--source", "media", "--", "touch", "it-ran")
    assert refused.status in {1, 3}
    assert not (site.folder / "it-ran").exists()


@pytest.mark.parametrize("name", ["holdfast.toml", "secrets/repository.passphrase"])
def test_init_writes_for_the_owner_only(empty_site: Site, name: str) -> None:
    """Configuration and secrets have mode 0600."""
    empty_site.fill(10, 2)
    done = empty_site.run("init", "--repository", "./backups", HOLDFAST_PASSPHRASE=None)
    assert done.status == 0, done
    assert stat.S_IMODE((empty_site.folder / name).stat().st_mode) == 0o600


def test_init_prints_the_recovery_key_once_and_repairs_a_half_done_one(empty_site: Site) -> None:
    """Running again changes nothing that works and makes what is missing."""
    empty_site.fill(10, 2)
    first = empty_site.init()
    assert set(first) == {"repository", "repository_id", "recovery_key", "config"}
    assert first["recovery_key"]
    again = empty_site.init()
    assert again["recovery_key"] is None
    assert again["repository_id"] == first["repository_id"]
    opened = empty_site.ok("list", HOLDFAST_PASSPHRASE=first["recovery_key"])
    assert opened == []
    shutil.rmtree(empty_site.folder / "backups")
    repaired = empty_site.init()
    assert repaired["recovery_key"]
    assert empty_site.ok("list") == []


def test_an_existing_repository_is_adopted_with_the_right_passphrase_only(site: Site) -> None:
    """A second machine points at the same place."""
    (site.folder / "holdfast.toml").rename(site.folder / "old.toml")
    wrong = site.run("init", "--repository", "./backups", "--json", HOLDFAST_PASSPHRASE="something else entirely")
    assert wrong.status == 12
    assert not (site.folder / "holdfast.toml").exists()
    adopted = site.ok("init", "--repository", "./backups", "--source", "media=files:media")
    assert adopted["recovery_key"] is None
    assert PASSPHRASE not in (site.folder / "holdfast.toml").read_text()


def test_status_and_doctor_tell_where_one_stands(site: Site) -> None:
    """Nothing yet is told as nothing; afterwards age, size and reach."""
    before = site.ok("status", "--exit-zero")
    assert [(each["source"], each["newest"]) for each in before["sources"]] == [("notes", None), ("media", None)]
    assert before["sources"][0]["not_protected"]
    site.ok("backup")
    after = site.ok("status")
    assert all(0 <= each["age_seconds"] < 120 for each in after["sources"])
    assert after["repository"]["bytes_stored"] > 0
    looked = site.ok("doctor")
    assert looked["ok"] is True
    (site.folder / "secrets").mkdir(exist_ok=True)
    site.media.rename(site.folder / "away")
    worse = site.run("doctor", "--json")
    assert worse.status == 4
    assert any(each["level"] == "fail" and "media" in each["area"] for each in worse.document["checks"])
