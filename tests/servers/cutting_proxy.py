"""A TCP proxy that lets a request through and then cuts the line, so that its effect is there and its answer is not."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class CuttingProxy:
    """Forwards 127.0.0.1:``port`` to ``target``. ``cut_after`` arms it for the next request that contains a text."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._marker: bytes | None = None
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, marker: bytes) -> None:
        """The next request with ``marker`` in it reaches the server; its answer does not come back."""
        self._marker = marker

    def close(self) -> None:
        """End everything."""
        for each in (self._listener, *self._open):
            _end(each)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                struck = threading.Event()
                for pump in (self._requests, self._answers):
                    threading.Thread(target=pump, args=(client, server, struck), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, struck: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                if self._marker is not None and self._marker in data:
                    self._marker = None
                    struck.set()
                server.sendall(data)
        _end(server)

    def _answers(self, client: socket.socket, server: socket.socket, struck: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if struck.is_set():
                    self.cuts += 1
                    break
                client.sendall(data)
        _end(client)
        _end(server)


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextlib.contextmanager
def cutting_proxy(target: int) -> Iterator[CuttingProxy]:
    """A proxy in front of a local port."""
    proxy = CuttingProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
