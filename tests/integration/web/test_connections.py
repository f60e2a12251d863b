"""Strangers who connect and say nothing, or only half of something."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from holdfast.web import connections
from holdfast.web.connections import Line, Seldom, line_class, most_of

_MOST = 8
_HEAD = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


@dataclass
class _Server:
    port: int
    kind: type[Line]
    let_go: threading.Event

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5, source_address=(source, 0))

    def ask(self, head: bytes = _HEAD) -> bytes:
        with self.connect() as connection:
            connection.sendall(head)
            return connection.recv(4096)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    """Few connections, little time; /slow answers when it is let go."""
    monkeypatch.setattr(connections, "HEAD", 0.4)
    monkeypatch.setattr(connections, "BODY", 0.4)
    let_go = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        while scope["path"] == "/slow" and not let_go.is_set():
            await asyncio.sleep(0.01)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    kind = line_class(_MOST)
    running = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_config=None, http=kind))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    _until(lambda: running.started)
    yield _Server(running.servers[0].sockets[0].getsockname()[1], kind, let_go)
    let_go.set()
    running.should_exit = True
    thread.join(10)


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def _hung_up(connection: socket.socket) -> bool:
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    finally:
        connection.settimeout(5)


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nHost:", b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nabc"],
    ids=["nothing", "half a head", "half a body"],
)  # fmt: skip
def test_who_does_not_go_on_is_hung_up_on(server: _Server, said: bytes) -> None:
    """A connection without a whole request ends by itself."""
    with server.connect() as connection:
        connection.sendall(said)
        time.sleep(0.1)
        assert not _hung_up(connection)
        _until(lambda: _hung_up(connection))
    _until(lambda: len(server.kind.lines) == 0)


def test_who_says_a_little_now_and_then_is_hung_up_on(server: _Server) -> None:
    """Bytes that drip in do not keep a connection."""
    with server.connect() as connection:
        end = time.monotonic() + 3
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end:
                connection.sendall(b"G")
                time.sleep(0.05)
        assert time.monotonic() < end


def test_there_are_never_more_connections_than_may_be(server: _Server) -> None:
    """A flood takes neither descriptors beyond the bound nor the answer from who comes after."""
    with contextlib.ExitStack() as held:
        for _ in range(5 * _MOST):
            held.enter_context(server.connect())
            assert len(server.kind.lines) <= _MOST
        assert server.ask().startswith(b"HTTP/1.1 200")


def test_a_flood_pushes_out_its_own(server: _Server) -> None:
    """The connections of an address with many go, not the one that another has."""
    with contextlib.ExitStack() as held:
        another = held.enter_context(server.connect("127.0.0.2"))
        _until(lambda: len(server.kind.lines) == 1)
        for _ in range(3 * _MOST):
            held.enter_context(server.connect())
        another.sendall(_HEAD)
        assert another.recv(4096).startswith(b"HTTP/1.1 200")


def test_what_is_being_answered_is_not_pushed_out(server: _Server) -> None:
    """An answer that takes long, longer than a request may, arrives through a flood."""
    with contextlib.ExitStack() as held:
        slow = held.enter_context(server.connect())
        slow.sendall(_HEAD.replace(b"/ ", b"/slow "))
        time.sleep(0.5)
        for _ in range(3 * _MOST):
            held.enter_context(server.connect())
        server.let_go.set()
        assert slow.recv(4096).startswith(b"HTTP/1.1 200")


def test_backups_keep_descriptors_of_their_own() -> None:
    """Whatever the limit of the process is, connections take at most half of what is over a reserve."""
    assert [most_of(limit) for limit in (256, 1024, 4096, 65536)] == [32, 384, 1920, 2048]


def test_the_limit_is_raised_to_what_may_be() -> None:
    """A process that is given few descriptors, and may have more, takes them."""
    told = subprocess.run(
        [sys.executable, "-c", "from holdfast.system import descriptors; print(descriptors.allowed())"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 400)), capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert int(told) == 400


def test_the_same_line_is_logged_once_a_minute() -> None:
    """What goes wrong a thousand times a second does not fill the disk, and hides nothing else."""
    seldom = Seldom()

    def passes(text: str) -> bool:
        return seldom.filter(logging.LogRecord("asyncio", logging.ERROR, "", 0, text, None, None))

    assert [passes("out of system resource\n1"), passes("out of system resource\n2"), passes("else")] == [
        True, False, True,
    ]  # fmt: skip
