"""The installed program tells how things stand: to people, to scripts, to monitors."""

from __future__ import annotations

import http.server
import sqlite3
import stat
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest
from tests.acceptance.program import Site

_OLD_KEYS = {
    "source", "configured", "newest", "newest_created_at", "age_seconds", "rows", "bytes_source", "reach_seconds",
    "snapshots", "pinned", "incomplete_since_newest", "last_failure", "not_protected",
}  # fmt: skip


def test_the_exit_status_is_for_monitors(site: Site) -> None:
    """4 as long as something is to be done, 0 when nothing is; --exit-zero for those who read the document."""
    empty = site.run("status")
    assert (empty.status, "everything would be lost" in empty.out) == (4, True)
    assert "mend: holdfast backup notes" in empty.out
    assert site.run("status", "--exit-zero").status == 0
    site.ok("backup")
    well = site.run("status")
    assert (well.status, "that it can be restored is not proven" in well.out) == (0, True)
    site.media.rename(site.folder / "away")
    site.run("backup")
    failed = site.run("status")
    assert (failed.status, "the last run failed" in failed.out) == (4, True)


def test_the_document_holds_the_whole_report_and_every_key_of_before(site: Site) -> None:
    """Scripts go on working."""
    site.ok("backup")
    told = site.ok("status")
    assert all(each.keys() >= _OLD_KEYS for each in told["sources"])
    assert {"as_of", "repository", "warnings", "headline", "level", "findings", "scheduler_at", "ok"} <= told.keys()
    first = told["sources"][0]
    assert (first["level"], len(first["days"]), len(first["recent"])) == (1, 30, 1)
    assert [each["proven"] for each in first["evidence"]] == [True, False, False, False, False]


def test_a_check_that_reads_everything_is_proof(site: Site) -> None:
    """status --explain says so, with when; the journal being lost takes nothing from it."""
    site.ok("backup")
    site.ok("check", "--read-data")
    for journal in (site.folder / "home").rglob("journal.db*"):
        journal.unlink()
    told = site.ok("status")
    assert told["level"] == 2 and told["repository"]["checked_at"]
    assert "proven      L2 intact: all stored bytes were last read again" in site.run("status", "--explain").out


def test_the_week_and_the_sizes(site: Site) -> None:
    """The last seven snapshots, what came in each day, which item is large."""
    for _ in range(2):
        site.ok("backup")
    out = site.run("status", "--week", "--sizes").out
    assert "notes: the last 2 of 2 snapshots" in out and "new data" in out
    assert "notes.sqlite is 100 % of" in out
    assert site.ok("status", "--sizes")["sizes"]["notes"]["largest"][0]["name"] == "notes.sqlite"


def test_what_a_source_is_asked_for_is_judged(site: Site) -> None:
    """Floors, counts, reach: each a warning; the price is told."""
    path = site.folder / "holdfast.toml"
    path.write_text(
        path.read_text() + '\n[cost]\nper_gb_month = 1000\ncurrency = "EUR"\n[defaults.health]\nmin_count = 2\n'
        'min_size = "1GiB"\n'
    )
    site.ok("backup")
    told = site.run("status", "--json")
    assert told.status == 4
    found = {(each["source"], finding["code"]) for each in told.document["sources"] for finding in each["findings"]
             if finding["severity"] != "info"}  # fmt: skip
    assert found == {(name, code) for name in ("notes", "media") for code in ("count", "small")}
    assert told.document["repository"]["cost"] > 0
    assert "EUR a month" in site.run("status").out


def test_a_snapshot_that_is_right_as_it_is_can_be_accepted(site: Site) -> None:
    """An emptied table is critical until a person says that it was meant."""
    site.ok("backup", "notes")
    with sqlite3.connect(site.database) as connection:
        connection.execute("DELETE FROM notes")
    connection.close()
    snapshot = site.ok("backup", "notes")["snapshots"][0]["id"]
    told = site.run("status")
    assert "holds not one row" in told.out and f"holdfast status --accept {snapshot[:8]}" in told.out
    after = site.run("status", "--accept", snapshot[:8], "--json").document
    codes = {finding["code"] for each in after["sources"] for finding in each["findings"] if each["source"] == "notes"}
    assert "empty" not in codes
    acts = [each["act"] for each in site.ok("audit", "list", "--deed", "config:accept")]
    assert [each["subject"] for each in acts] == [snapshot]


class _Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what is posted."""

    taken: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[str]:
    """The address of a receiver of webhooks."""
    _Receiver.taken.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_after_an_installation_everything_is_done_once(site: Site, receiver: str) -> None:
    """Backed up, looked into, written down, a message sent; what was not proved is said too."""
    path = site.folder / "holdfast.toml"
    path.write_text(path.read_text() + '\n[alerts.channels.ops]\nkind = "webhook"\nurl = "env:OPS"\n')
    told = site.run("doctor", "--after-install", "--json", OPS=receiver)
    assert told.status == 0, told
    proved = " | ".join(told.document["proved"])
    for words in ("notes: snapshot", "read back", "the journal tells of it: succeeded", "went out through ops"):
        assert words in proved
    assert any("a restore works" in each for each in told.document["not_proved"])
    assert any("nothing is scheduled" in each for each in told.document["not_proved"])
    assert len(_Receiver.taken) == 1
    assert len(site.ok("list")) == 2
    failing = site.run("doctor", "--after-install", "--json", OPS="http://127.0.0.1:9/")
    assert failing.status == 4
    assert any(each["level"] == "fail" and "ops" in each["area"] for each in failing.document["checks"])


def test_doctor_says_why_backups_never_run(site: Site) -> None:
    """Schedules are written, nobody keeps them."""
    path = site.folder / "holdfast.toml"
    path.write_text(path.read_text() + '\n[defaults]\nschedules = [{ every = "1h" }]\n')
    told = site.run("doctor", "--json")
    (line,) = [each for each in told.document["checks"] if each["area"] == "scheduler"]
    assert (told.status, line["level"], "systemctl" in line["mend"]) == (4, "fail", True)


def test_a_cron_secret_is_made_anew_with_overlap(site: Site) -> None:
    """It stands in its file only, for its owner only."""
    path = site.folder / "holdfast.toml"
    path.write_text(path.read_text() + '\n[serve]\ncron_secret = "file:cron.secret"\n')
    first = site.ok("secrets", "rotate", "cron")["secret"]
    second = site.ok("secrets", "rotate", "cron")["secret"]
    file = site.folder / "cron.secret"
    assert (file.read_text().split(), stat.S_IMODE(file.stat().st_mode)) == ([second, first], 0o600)
    assert "CRON_SECRET" in {each["name"] for each in site.ok("secrets", "list")["secrets"]}
    assert site.ok("secrets", "rotate", "cron", "--end")["ended"] is True
    assert file.read_text().split() == [second]
    told = [site.run(*words) for words in (("status",), ("doctor",), ("secrets", "list"), ("audit", "list", "--json"))]
    assert all(secret not in each.out + each.err for each in told for secret in (first, second))


def test_a_rewrite_of_everything_pins_the_last_clean_snapshot_and_holds_prune(site: Site) -> None:
    """Also where both are done by hand; the backup itself succeeds."""
    with sqlite3.connect(site.database) as connection:
        rows = ((f"an ordinary note about thing {number} " * 4,) for number in range(20_000))
        connection.executemany("INSERT INTO notes (text) VALUES (?)", rows)
    connection.close()
    for number in range(6):
        with sqlite3.connect(site.database) as connection:
            connection.execute("UPDATE notes SET text = 'changed' WHERE id = ?", (number + 1,))
        connection.close()
        clean = site.ok("backup", "notes")["snapshots"][0]["id"]
    with sqlite3.connect(site.database) as connection:
        connection.execute("UPDATE notes SET text = hex(randomblob(length(text) / 2)), picture = randomblob(40)")
    connection.close()
    worst = site.run("backup", "notes")
    assert (worst.status, f"snapshot {clean[:8]} was pinned" in worst.err) == (0, True)
    assert [each["id"] for each in site.ok("list") if each["pinned"]] == [clean]
    assert "encrypted or rewritten?" in site.run("status").out
    site.ok("forget", site.ok("list")[-1]["id"], "--yes")
    refused = site.run("prune", "--now", "--yes", "--json")
    assert (refused.status, refused.document["error"]["code"]) == (4, "prune-held")
    assert "something looks suspicious: notes: " in refused.document["error"]["why"]
    assert "holdfast prune --despite-hold" in refused.document["error"]["hint"]
    shown = site.run("prune", "--now", "--dry-run")
    assert (shown.status, "warning: something looks suspicious" in shown.err) == (0, True)
    assert site.ok("prune", "--now", "--yes", "--despite-hold")["freed"] >= 0
    told = site.run("audit", "list", "--deed", "delete:prune").out
    assert "freeing space, at once: yes, despite a hold: yes" in told
