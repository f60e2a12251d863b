"""What is done at the command line is a run in the journal and an act in the audit trail."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from tests.acceptance.program import PROGRAM, Site

SECRET = "note 77"


def runs(site: Site, *more: str) -> list[tuple[str, str]]:
    """Kind and status of each, newest first."""
    return [(each["kind"], each["status"]) for each in site.ok("runs", *more)]


def acts(site: Site, *more: str) -> list[tuple[str, str]]:
    """Deed and outcome of each, newest first, without the looks at the trail itself."""
    found = [(each["act"]["deed"], each["act"].get("outcome", "ok")) for each in site.ok("audit", "list", *more)]
    return [each for each in found if each[0] != "audit:read"]


def journal_of(site: Site) -> Path:
    """The file."""
    (path,) = (site.folder / "home").rglob("journal.db")
    return path


def test_runs_are_kept_with_their_numbers_and_logs(site: Site) -> None:
    """Who, what triggered it, status, sizes, phases, log; the id is that of the run's snapshots."""
    made = site.ok("backup", "--trigger", "cron")
    site.ok("check")
    assert runs(site) == [("check", "succeeded"), ("backup", "succeeded")]
    shown = site.ok("runs", "show", made["run"][:8])
    infos = made["snapshots"]
    assert shown["id"] == made["run"] and shown["trigger"] == "cron" and "@" in shown["who"]
    assert sorted(shown["snapshots"]) == sorted(each["id"] for each in infos)
    assert shown["bytes_source"] == sum(each["bytes_source"] for each in infos)
    assert shown["bytes_stored"] == sum(each["bytes_stored"] for each in infos)
    assert {each["source"] for each in shown["phases"]} >= {"notes", "media"}
    assert shown["seconds"] > 0 and shown["log"] and shown["ended_at"] >= shown["started_at"]
    connection = sqlite3.connect(journal_of(site))
    told = dict(connection.execute("select source, bytes_source from run_sources where run = ?", (made["run"],)))
    connection.close()
    assert told == {each["source"]: each["bytes_source"] for each in infos}


def test_a_failed_run_is_kept_with_its_error(site: Site) -> None:
    """One source fails, the other is saved; filters find the one and the other."""
    site.database.rename(site.folder / "gone")
    assert site.run("backup").status == 1
    (found,) = site.ok("runs", "--status", "failed", "--source", "notes", "--since", "1h")
    assert found["error"]["what"] and found["error"]["hint"]
    assert found["more"]["sources"]["notes"]["status"] == "failed"
    assert found["more"]["sources"]["media"]["status"] == "succeeded"
    assert site.ok("runs", "--status", "succeeded") == []
    told = site.run("runs").out
    assert "failed: " in told and found["error"]["what"] in told


def test_a_restore_is_a_run_that_undo_knows(site: Site) -> None:
    """The id that runs shows is the one to undo."""
    site.ok("backup")
    (site.media / "0" / "picture 0.bin").unlink()
    site.ok("restore", "latest:media", "--in-place", "--yes")
    (restore,) = site.ok("runs", "--kind", "restore")
    assert restore["sources"] == ["media"] and restore["status"] == "succeeded"
    site.ok("undo", restore["id"], "--yes")
    assert runs(site)[0] == ("undo", "succeeded")


def test_a_killed_run_is_shown_as_interrupted(site: Site) -> None:
    """It says running while it does, and never for ever."""
    fifo = site.media / "slow"
    site.ok("backup", "notes")
    connection = sqlite3.connect(site.database)
    connection.execute("insert into notes (text, picture) values ('x', zeroblob(60000000))")
    connection.commit()
    connection.close()
    assert not fifo.exists()
    child = subprocess.Popen(
        [PROGRAM, "-q", "backup", "notes"], cwd=site.folder, env=site.environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    path = journal_of(site)
    until = time.monotonic() + 30
    while time.monotonic() < until and _running(path) == 0:
        time.sleep(0.005)
    child.send_signal(signal.SIGSTOP)
    assert runs(site)[0] == ("backup", "running")
    child.kill()
    child.wait()
    (found, *_) = site.ok("runs")
    assert found["status"] == "interrupted" and "is gone" in found["error"]["why"]
    assert runs(site)[0] == ("backup", "interrupted")


def _running(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("select count(*) from runs where status = 'running'").fetchone()[0])
    finally:
        connection.close()


@pytest.mark.parametrize("how", ["lost", "broken"])
def test_a_journal_that_is_gone_stops_nothing_and_is_made_anew(site: Site, how: str) -> None:
    """A broken one is a warning; the backup is made. What the repository knows is brought back."""
    first = site.ok("backup")
    path = journal_of(site)
    if how == "lost":
        path.unlink()
    else:
        path.write_bytes(b"no journal" * 1000)
        told = site.run("backup")
        assert told.status == 0 and "this run is not in the journal" in told.err and "hint" not in told.err
        assert site.run("runs").status == 1
        path.unlink()
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    assert runs(site) == []
    assert first["run"] in site.ok("runs", "rebuild")["runs"]
    found = site.ok("runs", "show", first["run"])
    assert found["status"] == "succeeded" and len(found["snapshots"]) == 2 and found["more"]["rebuilt"]
    assert found["bytes_source"] == sum(each["bytes_source"] for each in first["snapshots"])
    assert site.ok("runs", "rebuild")["runs"] == []


def test_deeds_and_looks_are_in_the_audit_trail(site: Site) -> None:
    """With the person, the snapshot and the outcome; dry runs of whole restores show no content."""
    made = site.ok("backup")
    (notes,) = [each["id"] for each in made["snapshots"] if each["source"] == "notes"]
    site.ok("find", "latest:notes", "notes", "--where", f"text = '{SECRET}'")
    site.ok("sql", "latest:notes", f"select text from notes where text = '{SECRET}'")
    site.ok("log", "notes", "notes", f"text={SECRET}")
    site.ok("restore", "latest:notes", "--to", "copy.sqlite", "-n")
    site.ok("restore", "latest:notes", "--to", "copy.sqlite")
    site.ok("pin", notes[:8])
    site.run("forget", notes, "--yes")
    site.ok("unpin", notes)
    site.ok("prune", "--yes")
    assert acts(site) == [
        ("delete:prune", "ok"), ("delete:prune", "begun"), ("pin:remove", "ok"), ("pin:remove", "begun"),
        ("delete:forget", "refused"), ("delete:forget", "begun"), ("pin:add", "ok"), ("pin:add", "begun"),
        ("restore:new-place", "ok"), ("restore:new-place", "begun"), ("data:read", "ok"), ("data:read", "ok"),
        ("data:read", "ok"),
    ]  # fmt: skip
    look = site.ok("audit", "list", "--deed", "data:read", "--subject", notes[:8])[0]["act"]
    assert look["subject"] == notes and look["source"] == "notes" and look["via"] == "cli" and "@" in look["who"]
    assert acts(site, "--outcome", "refused") == [("delete:forget", "refused")]
    checked = site.ok("audit", "verify")
    assert checked["ok"] and checked["head"]["number"] == checked["entries"] == checked["acts"]
    done = site.run("audit", "export")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert done.status == 0 and len(lines) == checked["acts"] + 1
    assert SECRET not in done.out and "77" not in json.dumps([each["act"].get("what") for each in lines])


def test_a_trail_that_was_cut_is_told(site: Site) -> None:
    """By verify, by export, and by check; the status says so."""
    site.ok("backup")
    for _ in range(3):
        site.ok("pin", "latest:notes")
    site.ok("backup")
    (site.folder / "backups" / "audit" / "000000000006").unlink()
    told = site.run("audit", "verify", "--json")
    assert told.status == 4 and "cut off" in told.document["findings"][0]["what"]
    exported = site.run("audit", "export", "--to", "acts.jsonl")
    assert exported.status == 4 and "missing" in exported.err
    assert len((site.folder / "acts.jsonl").read_text().splitlines()) == 6
    assert site.run("check").status == 4


def test_what_cannot_be_noted_is_told_or_where_that_is_demanded_refused(site: Site) -> None:
    """A repository that one may only read: a look goes on with a warning, unless the configuration forbids it."""
    site.ok("backup")
    trail = site.folder / "backups" / "audit"
    trail.write_bytes(b"")  # no folder can be made here, so no entry can be written
    look = ("find", "latest:notes", "notes", "77")
    told = site.run(*look)
    assert told.status == 0 and "not in the audit trail" in told.err and SECRET not in told.err
    path = site.folder / "holdfast.toml"
    path.write_text(path.read_text() + "\n[audit]\nrequired = true\n")
    refused = site.run(*look)
    assert refused.status != 0 and "refused" in refused.err and "note " not in refused.out
    trail.unlink()
    assert site.run(*look).status == 0


