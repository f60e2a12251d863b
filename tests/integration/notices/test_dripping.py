"""A receiver that answers a byte at a time holds nobody up for longer than the limit."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from holdfast.notices import http

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"


@contextlib.contextmanager
def _dripping(at_once: bytes) -> Iterator[str]:
    """Sends ``at_once``, and then a byte twenty times a second, for as long as somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(at_once)
                    while True:
                        time.sleep(0.05)
                        connection.sendall(b"x")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(5)


@pytest.mark.parametrize("at_once", [b"", HEAD[:9], HEAD], ids=["nothing", "half a line", "a body"])
def test_a_dripping_receiver_is_cut_off(monkeypatch: pytest.MonkeyPatch, at_once: bytes) -> None:
    """Whether it drips its head or its body: the request ends within its time and says why."""
    monkeypatch.setattr(http, "_SECONDS", 0.4)
    with _dripping(at_once) as url:
        began = time.monotonic()
        why = http.request(url, body=b"{}")
        assert time.monotonic() - began < 3
    assert why == ("" if at_once == HEAD else "it could not be reached: no whole answer within 0.4 s")
