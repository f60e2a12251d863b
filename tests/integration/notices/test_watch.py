"""The watch tells people over real mail and real HTTP, once for each change, also after failures and restarts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from tests.servers.receiver import Receiver, receiver

from holdfast.journal.sqlite import SqliteJournal
from holdfast.model.alert import Message
from holdfast.model.errors import StorageError
from holdfast.model.health import Finding, Severity
from holdfast.model.report import Level, RepositoryReport, SystemReport
from holdfast.model.secret import Secret
from holdfast.notices import addresses, http, webhook
from holdfast.notices.apprise import AppriseChannel
from holdfast.notices.channel import NotDelivered
from holdfast.notices.ping import Ping
from holdfast.notices.webhook import Webhook
from holdfast.planning.noticing import Listener
from holdfast.service.watch import Watch
from holdfast.wiring.channels import Outlets

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OLD = Finding(
    code="age", severity=Severity.CRITICAL, source="shop", what="the newest snapshot is 27 h old",
    hint="holdfast backup",
)  # fmt: skip
MARKER = "s3cr3t-marker-value"

# what Apprise imports when it is loaded
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def report(*findings: Finding) -> SystemReport:
    store = RepositoryReport(
        url="./b", id="1", bytes_stored=1, bytes_free=None, full_at=None, cost=None, currency="USD", checked_at=None
    )
    return SystemReport(
        as_of=NOON.isoformat(), headline="If shop died now, 27 h would be lost.", level=Level.UNPROTECTED, sources=[],
        repository=store, findings=list(findings), scheduler_at=None, warnings=[],
    )  # fmt: skip


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


class Mailbox:
    """Keeps every message."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:
        self.messages.append(envelope.content)  # type: ignore[attr-defined]
        return "250 kept"


class House:
    """A watch over a journal file, and what its next look finds."""

    def __init__(self, folder: Path, outlets: Outlets) -> None:
        self.folder, self.outlets = folder, outlets
        self.findings: list[Finding] = []
        self.blind = False
        self.restart()

    def restart(self) -> None:
        self.watch = Watch(SqliteJournal(self.folder / "journal.db"), self.outlets, self._look)

    def round(self, minutes: int, *findings: Finding) -> None:
        self.findings = list(findings)
        self.watch.round(NOON + timedelta(minutes=minutes))

    def _look(self, _now: datetime) -> SystemReport:
        if self.blind:
            raise StorageError("the store does not answer", where="s3://bucket")
        return report(*self.findings)


def hook(web: Receiver, name: str = "ops") -> Webhook:
    return Webhook(name, Secret(f"{web.url}/{MARKER}"), Secret("signing key"))


def test_mail_arrives_with_what_where_and_what_to_do(tmp_path: Path) -> None:
    """Through Apprise and a real SMTP server."""
    mailbox = Mailbox()
    server = Controller(mailbox, hostname="127.0.0.1", port=0)
    server.port = _free_port()
    server.start()
    try:
        url = f"mailto://127.0.0.1:{server.port}/?from=holdfast@example.org&to=ops@example.org"
        house = House(tmp_path, Outlets(channels={"mail": AppriseChannel("mail", Secret(url))}))
        house.round(0, OLD)
        house.round(1, OLD)
        house.round(2)
        house.round(20)
    finally:
        server.stop()
    texts = [message_from_bytes(each) for each in mailbox.messages]
    assert [each["Subject"].split()[0] for each in texts] == ["CRITICAL", "RECOVERED"]
    body = texts[0].as_string()
    assert "27 h old" in body
    assert "holdfast backup" in body


def test_a_webhook_is_signed_and_a_replay_is_recognised(tmp_path: Path, web: Receiver) -> None:
    """The receiver's check takes ours, and refuses a changed body, another key, and an old request."""
    house = House(tmp_path, Outlets(channels={"ops": hook(web)}))
    house.round(0, OLD)
    got = web.requests[0]
    now = datetime.now(UTC)
    assert webhook.verify(b"signing key", got.headers, got.body, now)
    assert not webhook.verify(b"signing key", got.headers, got.body + b" ", now)
    assert not webhook.verify(b"another key", got.headers, got.body, now)
    assert not webhook.verify(b"signing key", got.headers, got.body, now + timedelta(minutes=6))
    assert not webhook.verify(b"signing key", {**got.headers, webhook.DELIVERY: "another"}, got.body, now)
    assert not webhook.verify(b"signing key", {}, got.body, now)
    assert not webhook.verify(b"signing key", {**got.headers, webhook.SIGNATURE: "v1=é"}, got.body, now)


def test_the_check_of_the_page_for_receivers_works(web: Receiver) -> None:
    """docs/alerts.md: what people copy takes ours and refuses a changed body."""
    page = (Path(__file__).parents[3] / "docs/alerts.md").read_text()
    told: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], told)
    hook(web).send(Message(kind="test", severity="info", title="t", text="t", at=NOON.isoformat()))
    got = web.requests[0]
    assert told["genuine"](b"signing key", got.headers, got.body)
    assert not told["genuine"](b"signing key", got.headers, got.body + b" ")


def test_a_receiver_that_hangs_is_given_up_in_time(web: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is silent holds up the round no longer than the limit."""
    monkeypatch.setattr(http, "_SECONDS", 0.5)
    web.answers = [-3]
    began = time.monotonic()
    with pytest.raises(NotDelivered, match="could not be reached"):
        hook(web).send(Message(kind="test", severity="info", title="t", text="t", at=NOON.isoformat()))
    assert time.monotonic() - began < 2


def test_an_alert_that_could_not_be_sent_is_sent_later_also_after_a_restart(tmp_path: Path, web: Receiver) -> None:
    """A 500, then a new process, then success: told once."""
    web.answers = [500]
    house = House(tmp_path, Outlets(channels={"ops": hook(web)}))
    house.round(0, OLD)
    assert house.watch.book.deliveries()["ops"].attempts == 1
    house.restart()
    house.round(0, OLD)  # too early for another attempt
    house.round(2, OLD)
    house.round(3, OLD)
    assert len(web.requests) == 2
    assert house.watch.book.deliveries()["ops"].failing_since is None


def test_one_broken_channel_stops_no_other(tmp_path: Path, web: Receiver) -> None:
    """And that it reaches nobody for a day is told by the others."""
    channels = {"bad": Webhook("bad", Secret(f"http://127.0.0.1:{_free_port()}/{MARKER}"), None), "ops": hook(web)}
    house = House(tmp_path, Outlets(channels=channels, listeners={"bad": Listener(name="bad")}))
    house.round(0, OLD)
    house.round(25 * 60, OLD)
    assert len(web.requests) == 2
    assert b"the channel bad has reached nobody" in web.requests[1].body
    assert b"Recovered" not in web.requests[1].body


class _Odd:
    """A channel of somebody else's code."""

    name = "odd"

    def send(self, _message: Message) -> None:
        raise KeyError(MARKER)


def test_an_odd_channel_silences_no_other(tmp_path: Path, web: Receiver) -> None:
    """Not a URL with letters that no URL has, nor code that raises what it likes; both are told to be out of order."""
    odd = Webhook("umlaut", Secret(f"{web.url}/für uns"), None)
    house = House(tmp_path, Outlets(channels={"odd": _Odd(), "umlaut": odd, "ops": hook(web)}))
    house.round(0, OLD)
    assert [each.path for each in web.requests] == ["/f%C3%BCr%20uns", f"/{MARKER}"]
    assert house.watch.book.deliveries()["odd"].error.endswith("KeyError")
    for url in ("http://127.0.0.1:99999/", "http://127.0.0.1:x/", f"http://{'a' * 70}.test/", "http://[::1/"):
        with pytest.raises(NotDelivered):
            Webhook("w", Secret(url), None).send(Message(kind="test", severity="info", title="t", text="t", at=""))


def test_a_name_that_answers_otherwise_the_second_time_gains_nothing(
    monkeypatch: pytest.MonkeyPatch, web: Receiver
) -> None:
    """The address that is gone to is the one that was looked at."""
    answers = ["127.0.0.1", "169.254.169.254"]

    def resolve(_host: str, port: int, **_more: object) -> list[Any]:
        return [(2, 1, 6, "", (answers.pop(0), port))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    with pytest.raises(NotDelivered) as caught:
        hook(web).send(Message(kind="test", severity="info", title="t", text="t", at=NOON.isoformat()))
    assert "link-local" in caught.value.why and not web.requests


def test_when_nothing_can_be_seen_nothing_has_recovered(tmp_path: Path, web: Receiver) -> None:
    """An unreachable repository is an alert of its own, and no all-clear for the rest."""
    house = House(tmp_path, Outlets(channels={"ops": hook(web)}))
    house.round(0, OLD)
    house.blind = True
    house.round(1)
    house.round(30)
    bodies = [each.body for each in web.requests]
    assert len(bodies) == 2
    assert b"cannot look" in bodies[1]
    assert not any(b'"recovered"' in body for body in bodies)


def test_the_weekly_letter_comes_also_when_all_is_well(tmp_path: Path, web: Receiver) -> None:
    """It says that nothing needs attention."""
    house = House(tmp_path, Outlets(channels={"ops": hook(web)}))
    assert house.watch.digest(report(), NOON, ["ops"]) == ["ops"]
    assert b"Nothing needs attention" in web.requests[0].body


def test_the_ping_tells_an_outside_watcher_how_it_is(tmp_path: Path, web: Receiver) -> None:
    """Well, or failed with the reason; a watcher that is away stops nothing."""
    house = House(tmp_path, Outlets(ping=Ping(Secret(f"{web.url}/ping/{MARKER}"))))
    house.round(0)
    house.round(1, OLD)
    assert [each.path for each in web.requests] == [f"/ping/{MARKER}", f"/ping/{MARKER}/fail"]
    assert b"27 h" in web.requests[1].body
    House(tmp_path / "away", Outlets(ping=Ping(Secret(f"http://127.0.0.1:{_free_port()}")))).round(0, OLD)


@pytest.mark.parametrize("status", [404, 500, 302])
def test_what_was_not_taken_is_a_failure_that_names_the_channel_only(web: Receiver, status: int) -> None:
    """No address, no secret; a redirect is not followed with a signed body."""
    web.answers = [status]
    with pytest.raises(NotDelivered) as caught:
        hook(web).send(Message(kind="test", severity="info", title="t", text="t", at=NOON.isoformat()))
    assert MARKER not in str(caught.value)
    assert "channel ops" in str(caught.value)
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest", "http://[fe80::1]/x", "http://[::ffff:169.254.169.254]/", "file:///etc/passwd"],
)
def test_messages_never_go_to_the_clouds_own_addresses(url: str) -> None:
    """Metadata services give secrets to whoever asks from the machine."""
    started = time.monotonic()
    with pytest.raises(NotDelivered):
        Webhook("ops", Secret(url), None).send(
            Message(kind="test", severity="info", title="t", text="t", at=NOON.isoformat())
        )
    assert time.monotonic() - started < 5


def test_apprise_that_fails_says_which_channel_and_no_secret() -> None:
    """Its log names the address; we do not."""
    channel = AppriseChannel("chat", Secret(f"json://127.0.0.1:{_free_port()}/{MARKER}"))
    with pytest.raises(NotDelivered) as caught:
        channel.send(Message(kind="test", severity="critical", title="t", text="t", at=NOON.isoformat()))
    assert MARKER not in str(caught.value)
    assert "channel chat" in str(caught.value)


def _free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
