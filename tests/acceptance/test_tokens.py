"""Tokens and accounts from the command line, and the server that knows them at once."""

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
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.program import PROGRAM, Site


@contextlib.contextmanager
def serving(site: Site) -> Iterator[tuple[str, Path]]:
    """The address of a server, and its log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = site.folder / "serve.log"
    with log.open("w") as out:
        command = [str(PROGRAM), "serve", "--listen", f"127.0.0.1:{port}"]
        server = subprocess.Popen(command, cwd=site.folder, env=site.environ, stdout=out, stderr=out)
        try:
            url = f"http://127.0.0.1:{port}"
            end = time.monotonic() + 30
            while time.monotonic() < end:
                with contextlib.suppress(OSError):
                    asked(url, "/healthz")
                    break
                time.sleep(0.1)
            yield url, log
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


def asked(url: str, path: str, token: str = "") -> tuple[int, dict[str, str]]:
    """Status and headers of a GET."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, headers=headers), timeout=10) as response:
            return response.status, dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers)


def test_a_token_lets_in_from_when_it_is_made_until_it_is_revoked(site: Site) -> None:
    """Beside a running server: added, rotated with an overlap, revoked; the trail has each act and no secret."""
    with serving(site) as (url, log):
        assert asked(url, "/api/runs")[0] == 401
        first = site.ok("token", "add", "ci", "--scope", "status:read", "--expires", "30d")["secret"]
        status, headers = asked(url, "/api/runs", first)
        assert status == 200
        assert "server" not in {name.lower() for name in headers}
        assert asked(url, "/api/backups", first)[0] == 403
        second = site.ok("token", "rotate", "ci", "--overlap", "1h")["secret"]
        assert [asked(url, "/api/runs", each)[0] for each in (first, second)] == [200, 200]
        listed = site.ok("token", "list")
        assert [each["state"] for each in listed] == ["replaced", "valid"]
        assert all(each["used_at"] for each in listed)
        assert site.run("token", "revoke", "ci").status == 2
        site.ok("token", "revoke", "ci", "--yes")
        assert [asked(url, "/api/runs", each)[0] for each in (first, second)] == [401, 401]
        assert re.search(r"setup token [a-z0-9]{5}(-[a-z0-9]{5}){4}", log.read_text())
        told = site.run("audit", "export")
        deeds = [json.loads(line)["act"]["deed"] for line in told.out.splitlines()]
        made = ["config:token-add", "config:token-remove", "config:token-rotate"]
        assert sorted(each for each in deeds if "token" in each) == made
        everything = log.read_text() + told.out
        assert first not in everything
        assert second not in everything


def test_an_account_is_made_at_the_machine(site: Site) -> None:
    """With a password from a file; then no setup token is printed; the last admin stays."""
    (site.folder / "password").write_text("four words nobody guesses\n")
    assert site.run("account", "add", "ada", "--role", "admin").status == 2
    site.ok("account", "add", "ada", "--role", "admin", "--file", "password")
    assert site.run("account", "add", "ada", "--role", "admin", "--file", "password").status == 2
    (site.folder / "weak").write_text("short\n")
    weak = site.run("account", "add", "bo", "--role", "viewer", "--file", "weak")
    assert weak.status != 0
    assert "short" not in weak.err.replace("too short", "")
    assert [each["name"] for each in site.ok("account", "list")] == ["ada"]
    assert site.run("account", "remove", "ada", "--yes").status == 2
    with serving(site) as (_, log):
        assert "setup token" not in log.read_text()


def test_a_secret_is_made_and_kept_nowhere(site: Site) -> None:
    """Two are different, and long enough for CRON_SECRET."""
    one, other = site.ok("token", "secret")["secret"], site.ok("token", "secret")["secret"]
    assert one != other
    assert len(one) == 43
