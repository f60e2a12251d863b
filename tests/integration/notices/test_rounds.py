"""``holdfast daemon`` tells people over a real SMTP server that a source is not protected, and writes its metrics."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from email import message_from_bytes
from pathlib import Path

from aiosmtpd.controller import Controller
from prometheus_client.parser import text_string_to_metric_families
from tests.acceptance.program import PROGRAM, Site


class Mailbox:
    """Keeps every message."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:
        self.messages.append(envelope.content)  # type: ignore[attr-defined]
        return "250 kept"


def test_a_daemon_mails_what_is_the_matter_and_writes_its_metrics(tmp_path: Path) -> None:
    """A source without any snapshot is told within the first round."""
    site = Site(tmp_path / "site")
    site.fill()
    site.init()
    mailbox = Mailbox()
    server = Controller(mailbox, hostname="127.0.0.1", port=_free_port())
    server.start()
    site.environ["MAIL"] = f"mailto://127.0.0.1:{server.port}/?from=holdfast@example.org&to=ops@example.org"
    with (site.folder / "holdfast.toml").open("a") as file:
        file.write('\n[alerts]\ntextfile = "holdfast.prom"\n[alerts.channels.mail]\nurl = "env:MAIL"\n')
    daemon = subprocess.Popen([PROGRAM, "daemon"], cwd=site.folder, env=site.environ, stderr=subprocess.PIPE)
    try:
        _await(lambda: mailbox.messages and (site.folder / "holdfast.prom").exists())
        daemon.send_signal(signal.SIGTERM)
        _, told = daemon.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(daemon.pid, signal.SIGKILL)
        server.stop()
    first = message_from_bytes(mailbox.messages[0])
    assert first["Subject"].startswith("CRITICAL"), told
    assert "holdfast backup" in first.as_string()
    text = (site.folder / "holdfast.prom").read_text()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["holdfast_up"].samples[0].value == 1
    assert {sample.value for sample in families["holdfast_source_snapshots"].samples} == {0}


def _await(condition: object) -> None:
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "nothing came within a minute"
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


