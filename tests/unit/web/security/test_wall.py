"""What gets out through the wall when something breaks behind it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from holdfast.model.secret import Redactor, Secret
from holdfast.web.security.origins import Origins
from holdfast.web.security.wall import HEADERS, Wall

SECRET = "marker-5d6e7f"


async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
    raise RuntimeError(f"cannot connect to postgresql://app:{SECRET}@db/shop with {SECRET}")


def answer_of(app: Any) -> tuple[dict[str, Any], bytes]:
    redactor = Redactor()
    redactor.learn(Secret(SECRET, "test"))
    wall = Wall(app, origins=Origins(listen="127.0.0.1:8470"), redactor=redactor)
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/{SECRET}",
        "scheme": "http",
        "headers": [(b"host", b"localhost")],
    }
    asyncio.run(wall(scope, receive, send))
    return sent[0], b"".join(each.get("body", b"") for each in sent)


def test_a_defect_tells_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the answer nor the log repeats what an exception says of a password; both say that it broke."""
    with caplog.at_level(logging.DEBUG):
        start, body = answer_of(broken)
    assert start["status"] == 500
    assert SECRET.encode() not in body
    assert b"RuntimeError" in body
    assert SECRET not in caplog.text
    assert "RuntimeError" in caplog.text


def test_a_defect_has_its_headers() -> None:
    """Also what nobody expected is answered with every header."""
    start, _ = answer_of(broken)
    names = {name.decode().lower() for name, _ in start["headers"]}
    assert {name.lower() for name in HEADERS} <= names
