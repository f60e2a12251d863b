"""Bad input and bad days: a clear error with its status, nothing lost, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.acceptance.program import PROGRAM, Outcome, Site, rows_of, tree_of


def _told(done: Outcome, status: int, *words: str) -> None:
    """The status, and in the error all of these words; never a traceback."""
    assert done.status == status, done
    assert "Traceback" not in done.out + done.err
    error = done.document["error"]
    assert set(error) == {"code", "what", "where", "why", "hint"}
    for word in words:
        assert word in " ".join(error.values()), error


def test_a_wrong_passphrase_is_status_12(site: Site) -> None:
    """And says which passphrases there could be."""
    done = site.run("list", "--json", HOLDFAST_PASSPHRASE="not the right one")
    _told(done, 12, "recovery key")


def test_a_missing_repository_is_status_10(site: Site) -> None:
    """With and without a passphrase at hand."""
    (site.folder / "backups").rename(site.folder / "moved")
    _told(site.run("backup", "--json"), 10, "no repository", "holdfast init")
    _told(site.run("--repository", "nowhere", "list", "--json", HOLDFAST_PASSPHRASE=None), 10, "nowhere")


def test_an_unknown_key_is_status_2_with_the_nearest_name(site: Site) -> None:
    """A typing error in the configuration is told, not ignored."""
    path = site.folder / "holdfast.toml"
    path.write_text(path.read_text().replace("passphrase =", "pasphrase ="))
    _told(site.run("list", "--json"), 2, "repository.pasphrase", "repository.passphrase", "holdfast.toml")


def test_no_configuration_is_status_2_and_says_where_it_looked(empty_site: Site) -> None:
    """And how to make one."""
    _told(empty_site.run("backup", "--json"), 2, "holdfast.toml", "holdfast init")


@pytest.mark.parametrize(
    "arguments",
    [["backup", "nosuch"], ["restore", "zzzz"], ["restore", "latest"], ["show", "latest:nosuch"], ["undo", "12345678"],
     ["restore", "latest:media", "--overwrite"], ["backup", "--name", "latest"], ["key", "remove", "zz"]],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(site: Site, arguments: list[str]) -> None:
    """Unknown names and contradictory options are status 2 before anything is written."""
    if arguments[0] != "backup":
        site.ok("backup")
    _told(site.run(*arguments, "--json"), 2)


def test_a_source_that_is_gone_fails_alone(site: Site) -> None:
    """The other source is still saved; the status is 1, and no empty snapshot pushes the good one out."""
    site.ok("backup")
    site.media.rename(site.folder / "away")
    done = site.run("backup", "--json")
    assert done.status == 1
    document = done.document
    assert [each["source"] for each in document["snapshots"]] == ["notes"]
    assert [each["source"] for each in document["failures"]] == ["media"]
    assert document["error"]["hint"] or document["error"]["what"]
    assert len(site.ok("list", "--source", "media")) == 1


def test_a_restore_never_lands_on_something_that_is_there(site: Site) -> None:
    """Without --in-place an existing target is refused and stays as it is."""
    site.ok("backup")
    rows = rows_of(site.database)
    done = site.run("restore", "latest:notes", "--to", str(site.database), "--json")
    assert done.status == 1
    assert rows_of(site.database) == rows
    (site.folder / "taken").mkdir()
    (site.folder / "taken" / "mine.txt").write_text("mine")
    done = site.run("restore", "latest:media", "--to", "taken", "--json")
    assert done.status == 1
    assert tree_of(site.folder / "taken") == {"mine.txt": b"mine"}


def test_a_flipped_bit_is_found_and_named_and_the_rest_restores(site: Site) -> None:
    """check exits with 4 and tells the object and what it affects."""
    site.ok("backup")
    pack = max((site.folder / "backups" / "packs").rglob("0*"), key=lambda path: path.stat().st_size)
    pack.chmod(0o600)
    raw = bytearray(pack.read_bytes())
    raw[len(raw) // 2] ^= 1
    pack.write_bytes(raw)
    done = site.run("check", "--read-data", "--json")
    assert done.status == 4
    assert done.document["ok"] is False
    finding = done.document["findings"][0]
    assert set(finding) == {"what", "where", "affects", "hint"}
    assert any("packs/" in each["where"] for each in done.document["findings"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_backup_commits_nothing_and_the_next_one_works(site: Site, number: signal.Signals) -> None:
    """Status 130, no snapshot, a clean repository."""
    with (site.media / "big.bin").open("wb") as file:
        for _ in range(600):  # enough to be at it still when the signal comes
            file.write(os.urandom(1 << 20))
    child = subprocess.Popen(
        [PROGRAM, "backup", "media"], cwd=site.folder, env=site.environ, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, preexec_fn=_heed_interrupts,  # noqa: PLW1509 - no thread runs here yet
    )  # fmt: skip
    _wait_for_packs(site.folder / "backups" / "packs", child)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, (out, err)
    assert b"Traceback" not in err
    assert site.ok("list") == []
    (site.media / "big.bin").unlink()
    site.ok("backup")
    assert site.ok("check", "--read-data")["ok"] is True


def _heed_interrupts() -> None:
    """Whoever runs the tests in the background of a shell has SIGINT ignored, and so would their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _wait_for_packs(folder: Path, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        if any(folder.rglob("0*")):
            return
        time.sleep(0.02)
    raise AssertionError("the backup ended before it could be interrupted")


def test_hostile_names_survive_and_cannot_steer_the_terminal(site: Site) -> None:
    """Quotes, line breaks, escapes, dashes and bytes that are no text come back, and are shown escaped."""
    names = [b"'\";--", b"line\nbreak", b"-rf", b"\x1b[2J", b"caf\xe9", "漢字".encode(), b"..\\..", b"a" * 255]
    for name in names:
        with open(os.path.join(os.fsencode(site.media), name), "wb") as file:
            file.write(name)
    site.ok("backup", "media")
    shown = site.run("show", "latest:media", "--limit", "1000")
    assert "\x1b" not in shown.out
    assert "line\\nbreak" in shown.out
    site.ok("show", "latest:media")
    site.ok("restore", "latest:media", "--to", "again")
    for name in names:
        with open(os.path.join(os.fsencode(site.folder / "again"), name), "rb") as file:
            assert file.read() == name


def test_status_says_that_the_last_run_failed_until_one_succeeds(site: Site) -> None:
    """Whether one source failed or the whole run; a wrong passphrase in the note is no secret told."""
    site.ok("backup")
    gone = site.folder / "gone"
    site.media.rename(gone)
    assert site.run("backup").status == 1
    told = {each["source"]: each["last_failure"] for each in site.ok("status", "--exit-zero")["sources"]}
    assert told["notes"] is None
    assert told["media"]["what"]
    assert "last run failed" in site.run("status").out
    gone.rename(site.media)
    site.ok("backup")
    assert site.run("backup", HOLDFAST_PASSPHRASE="not the right one").status == 12
    told = {each["source"]: each["last_failure"] for each in site.ok("status", "--exit-zero")["sources"]}
    assert {each["code"] for each in told.values()} == {"wrong-key"}
    site.ok("backup")
    assert not any(each["last_failure"] for each in site.ok("status")["sources"])


def test_a_source_nobody_knows_is_status_2(site: Site) -> None:
    """An empty list would look like lost snapshots."""
    _told(site.run("list", "--source", "nope", "--json"), 2, "nope", "media", "notes")
    assert site.ok("list", "--source", "media") == []


def test_a_log_that_is_gone_is_brought_back_not_made_anew(site: Site) -> None:
    """With data there, init would bury it."""
    site.ok("backup")
    (site.folder / "backups" / "log").rename(site.folder / "log")
    _told(site.run("list", "--json"), 1, "bring log/ back")


def test_undo_brings_back_a_database_with_a_torn_end(empty_site: Site) -> None:
    """What was there before a restore comes back to the byte, were it damaged and no multiple of its page size."""
    site = empty_site
    site.fill()
    site.ok("init", "--repository", "./backups", "--source", f"notes=sqlite:{site.database}")
    site.ok("backup")
    good = site.database.read_bytes()
    torn = good[: 5 * 4096] + b"\xde\xad" * 2048 + good[6 * 4096 :] + b"junk" * 100
    site.database.write_bytes(torn)
    restored = site.ok("restore", "latest:notes", "--in-place", "--overwrite", "--yes")
    assert restored["verified"] is True
    assert site.ok("undo", restored["run"], "--yes")["verified"] is True
    assert site.database.read_bytes() == torn
