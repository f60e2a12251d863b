"""Defects reach a real receiver as Sentry's clients send them, with the stack and without anything of value."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.service.desk import HEAD, QUIET, application, configured
from tests.servers.receiver import Received, Receiver, receiver

from holdfast.cli import defects
from holdfast.cli.face import Face
from holdfast.model.errors import SourceError, UsageError
from holdfast.model.run import RunStatus
from holdfast.model.secret import Redactor, Secret
from holdfast.notices.sentry import Sentry
from holdfast.service.rounds import Rounds
from holdfast.service.service import Service
from holdfast.service.work import Order

pytest.importorskip("sentry_sdk", reason="not proven: sentry-sdk is not installed")

MARKER = "marker-of-a-local-variable"
ROW = "ada@example.org"


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


def dsn(web: Receiver) -> str:
    """A project of the receiver."""
    return web.url.replace("http://", "http://publickey@") + "/7"


def text_of(got: Received) -> str:
    """What was sent, readable."""
    body = got.body
    if got.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return body.decode()


def event_of(got: Received) -> dict[str, Any]:
    """The event in an envelope: header, item header, item."""
    found: dict[str, Any] = json.loads(text_of(got).splitlines()[2])
    return found


def fail_at_a_row(password: str) -> None:
    """A defect while a row and a password are at hand."""
    row, secret = {"email": ROW}, password
    raise ValueError(f"cannot make sense of {row} with {secret}")


def test_a_defect_is_told_with_its_stack_and_without_values(web: Receiver) -> None:
    """Neither local variables, nor the text of the error, nor the machine's name leave the machine."""
    sentry = Sentry(Secret(dsn(web)), Redactor(), "1.2.3")
    try:
        fail_at_a_row(MARKER)
    except ValueError as error:
        sentry.report(error)
    sentry.close()
    (got,) = web.requests
    event = event_of(got)
    (told,) = event["exception"]["values"]
    assert told["type"] == "ValueError"
    assert [each["function"] for each in told["stacktrace"]["frames"]][-1] == "fail_at_a_row"
    assert event["release"] == "holdfast@1.2.3"
    for secret in (MARKER, ROW, socket.gethostname()):
        assert secret not in text_of(got)


def test_a_run_that_fails_of_a_defect_is_told_and_an_explained_failure_is_not(tmp_path: Path, web: Receiver) -> None:
    """A database that is away is no defect of holdfast."""
    application(tmp_path)
    (tmp_path / "dsn").write_text(dsn(web))
    service = Service(configured(tmp_path, HEAD + QUIET + f'[alerts]\nsentry = "file:{tmp_path}/dsn"\n'))
    failures = (SourceError("the database is away", where="shop"), ValueError(f"a defect near {ROW}"))
    try:
        for each in failures:
            run = service.start(Order(kind="check", work=_failing(each)))
            over = service.work.wait(run.id, 30)
            assert over is not None
            assert over.status is RunStatus.FAILED
        assert service.counts["check", "", "failed"] == 2
    finally:
        service.close()
    assert [event_of(each)["exception"]["values"][-1]["type"] for each in web.requests] == ["ValueError"]
    assert ROW not in text_of(web.requests[0])


def test_sentry_that_is_away_stops_nothing(tmp_path: Path) -> None:
    """The run ends, and the service closes within moments."""
    application(tmp_path)
    (tmp_path / "dsn").write_text("http://publickey@127.0.0.1:9/7")
    service = Service(configured(tmp_path, HEAD + QUIET + f'[alerts]\nsentry = "file:{tmp_path}/dsn"\n'))
    try:
        run = service.start(Order(kind="check", work=_failing(ValueError("a defect"))))
        over = service.work.wait(run.id, 30)
        assert over is not None
        assert over.error is not None
        assert over.error.code == "defect"
    finally:
        service.close()


def test_a_dsn_that_is_none_is_an_alert_and_names_no_secret(tmp_path: Path) -> None:
    """Nobody believes for months that defects are told."""
    with pytest.raises(UsageError) as caught:
        Sentry(Secret(MARKER), Redactor(), "1")
    assert MARKER not in str(caught.value)
    application(tmp_path)
    (tmp_path / "dsn").write_text(MARKER)
    service = Service(configured(tmp_path, HEAD + QUIET + f'[alerts]\nsentry = "file:{tmp_path}/dsn"\n'))
    try:
        rounds = Rounds(service)
        from holdfast.system import clock

        rounds.round(clock.now())
        told = [each.finding for each in rounds.watch.book.alerts().values() if each.finding.code == "channel"]
    finally:
        service.close()
    assert [each.what for each in told] == ["the channel sentry cannot be used"]
    assert MARKER not in str(told)


def _failing(error: BaseException) -> Any:
    def work(*_given: Any) -> Any:
        raise error

    return work


def test_a_defect_of_a_one_shot_command_is_told_too(
    tmp_path: Path, web: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fails at three in the morning under cron; what holdfast explains is not told, nor is silence a defect."""
    application(tmp_path)
    (tmp_path / "dsn").write_text(dsn(web))
    made = configured(tmp_path, HEAD + QUIET + f'[alerts]\nsentry = "file:{tmp_path}/dsn"\n')
    face = Face()
    face.around, face.config = made.around, str(made.path)
    for error in (SourceError("away"), KeyboardInterrupt(), ValueError(f"a defect near {ROW}")):
        defects.tell(face, error)
    (got,) = web.requests
    assert event_of(got)["exception"]["values"][-1]["type"] == "ValueError" and ROW not in text_of(got)
    (tmp_path / "dsn").write_text(MARKER)
    defects.tell(face, ValueError("another"))
    assert "Sentry was not told" in capsys.readouterr().err
