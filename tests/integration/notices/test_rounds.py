"""``holdfast daemon`` tells people over a real SMTP server that a source is not protected, and writes its metrics."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
import time_machine
from aiosmtpd.controller import Controller
from prometheus_client.parser import text_string_to_metric_families
from tests.acceptance.program import PROGRAM, Site
from tests.integration.service.desk import HEAD, QUIET, application, configured
from tests.servers.receiver import receiver

from holdfast.model.errors import UsageError
from holdfast.service.rounds import Rounds
from holdfast.service.service import Service


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


def test_the_weekly_letter_comes_once_and_again_where_it_did_not_arrive(tmp_path: Path) -> None:
    """At its appointment, not at the first round; a mail server that is away gets it later, also after a restart."""
    monday = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    application(tmp_path)
    with receiver() as web:
        (tmp_path / "url").write_text(web.url)
        text = HEAD + QUIET + f'[alerts.channels.ops]\nkind = "webhook"\nurl = "file:{tmp_path}/url"\n'

        def rounds(*times: datetime) -> int:
            """Letters that came during the rounds of one process."""
            before = len(web.requests)
            with contextlib.closing(Service(configured(tmp_path, text))) as service:
                for each in times:
                    with time_machine.travel(each, tick=False):
                        Rounds(service).round(each)
            return sum(b'"digest"' in each.body for each in web.requests[before:])

        assert rounds(monday - timedelta(days=2), monday - timedelta(minutes=1)) == 0
        web.answers = [500]
        assert rounds(monday) == 1
        assert rounds(monday + timedelta(seconds=30)) == 0, "the channel rests after a failure"
        assert rounds(monday + timedelta(minutes=2), monday + timedelta(minutes=3)) == 1
        assert rounds(monday + timedelta(days=6)) == 0
        assert rounds(monday + timedelta(days=7)) == 1


@pytest.mark.parametrize(
    "line", ['digest = "0 25 * * 1"', 'digest = "never"', 'quiet = "22:00-25:00"', 'quiet = "night"']
)
def test_times_that_never_come_are_refused_with_the_configuration(tmp_path: Path, line: str) -> None:
    """Not found out in a year, nor by a service that does not start."""
    application(tmp_path)
    with pytest.raises(UsageError) as caught:
        configured(tmp_path, HEAD + QUIET + f"[alerts]\n{line}\n")
    assert f"alerts.{line.split(maxsplit=1)[0]}" in str(caught.value).replace("[alerts] ", "alerts.")


def test_a_round_that_fails_of_a_defect_is_told_and_stops_no_other(tmp_path: Path) -> None:
    """Nothing that looks once a minute dies in silence."""
    application(tmp_path)
    heard: list[BaseException] = []
    looked = threading.Event()

    def failing(_now: datetime) -> None:
        raise ValueError("a defect")

    with contextlib.closing(Service(configured(tmp_path, HEAD + QUIET))) as service:
        service.defects._tell = heard.append
        service.on_round(failing)
        service.on_round(lambda _now: looked.set())
        service.run_scheduler()
        assert looked.wait(20)
    assert [str(each) for each in heard] == ["a defect"]
