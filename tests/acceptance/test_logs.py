"""``serve`` and ``daemon`` log for programs: every line is one JSON object, and no secret is in any."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.program import PASSPHRASE, PROGRAM, Site

MARKER = "s3cr3t-marker-value"
TOKEN = "hft_not-a-token-but-secret-all-the-same"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site whose only source is due at once, with a channel nobody answers at."""
    made = Site(tmp_path / "site")
    made.fill(rows=20, files=1)
    made.ok("init", "--repository", "./backups", "--source", "notes=sqlite:notes.sqlite")
    file = made.folder / "holdfast.toml"
    text = file.read_text().replace(
        "[sources.notes]", '[sources.notes]\nschedules = [{ name = "often", every = "1h" }]'
    )
    file.write_text(
        text
        + '\n[alerts.channels.ops]\nkind = "webhook"\nurl = "env:OPS_URL"\n'
        + '[running]\ncheck_every = "0s"\nprune_every = "0s"\n'
    )
    made.environ["OPS_URL"] = f"http://127.0.0.1:9/{MARKER}"
    return made


def logged(site: Site, *arguments: str, until: Callable[[str], bool], meanwhile: Callable[[], None]) -> tuple[str, str]:
    """stdout and stderr of a process that is ended when its log has what is waited for."""
    path = site.folder / "log"
    with path.open("w") as log:
        process = subprocess.Popen([PROGRAM, *arguments], cwd=site.folder, env=site.environ,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)  # fmt: skip
        try:
            deadline = time.monotonic() + 30
            while not until(path.read_text()):
                assert time.monotonic() < deadline, path.read_text()[-2000:]
                meanwhile()
                time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=90)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, path.read_text()
    return out, path.read_text()


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_daemon_logs_runs_and_alerts_as_json(site: Site) -> None:
    """A run begins and ends with the same id; an alert is raised; a message that did not arrive names its channel."""
    _, text = logged(
        site, "daemon", "--log", "json", meanwhile=lambda: None,
        until=lambda told: "backup succeeded" in told and "message not delivered" in told,
    )  # fmt: skip
    lines = _lines(text)
    assert all({"at", "level", "logger", "event"} <= each.keys() for each in lines)
    begun, over = (
        [each for each in lines if each["event"] == event] for event in ("backup begins", "backup succeeded")
    )
    assert begun[0]["run"] == over[0]["run"]
    assert (over[0]["sources"], over[0]["status"], over[0]["rows"]) == ("notes", "succeeded", 20)
    assert [each["level"] for each in lines if each["event"] == "alert raised"]
    (failed, *_) = [each for each in lines if each["event"] == "message not delivered"]
    assert failed["channel"] == "ops"
    for secret in (MARKER, PASSPHRASE):
        assert secret not in text


def test_a_server_logs_requests_without_what_people_typed(site: Site) -> None:
    """The route as declared, status and milliseconds; no token, no query, no key of a row, no body."""
    pytest.importorskip("uvicorn", reason="not proven: the server is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def ask() -> None:
        for path in (f"/api/backups/{MARKER}?token={MARKER}", f"/{MARKER}/nowhere", "/healthz"):
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {TOKEN}"}
            )
            with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(request):
                pass

    out, text = logged(
        site, "serve", "--listen", f"127.0.0.1:{port}", "--log", "json", meanwhile=ask,
        until=lambda told: "/api/backups/" in told and "backup succeeded" in told,
    )  # fmt: skip
    requests = [each for each in _lines(text) if each["event"] == "request"]
    known = next(each for each in requests if each["route"].startswith("/api/backups/"))
    assert (known["method"], known["status"], known["client"]) == ("GET", 401, "127.0.0.1")
    assert "{" in known["route"]
    assert known["ms"] > 0
    assert any(each["route"] == "" for each in requests), "what no route answers is logged too"
    for secret in (MARKER, TOKEN, PASSPHRASE):
        assert secret not in text + out


def test_the_log_for_people_is_lines_with_a_time(site: Site) -> None:
    """One line for each event, warnings marked."""
    _, text = logged(site, "daemon", meanwhile=lambda: None, until=lambda told: "backup succeeded" in told)
    (line,) = [each for each in text.splitlines() if "backup succeeded" in each]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* backup succeeded run=", line), line
    assert re.search(r"^\S+ warning: alert raised .*key=", text, re.MULTILINE), text


def test_an_error_before_the_first_run_is_json_too(site: Site) -> None:
    """A wrong passphrase, told to programs."""
    done = site.run("daemon", "--log", "json", HOLDFAST_PASSPHRASE="not the passphrase at all")
    assert done.status == 12
    assert [each for each in _lines(done.err) if each["level"] == "error"]
