"""A real server that speaks MongoDB's protocol, in a process of its own, gone when the test run ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import bson
import pymongo
import pytest
from bson.raw_bson import RawBSONDocument

_PROGRAM = Path(sys.executable).with_name("secantusd-py")
_PATIENCE = 30.0


class MongoServer:
    """SecantusDB on a free port of 127.0.0.1, in memory unless ``folder`` is given."""

    def __init__(self, *options: str, folder: Path | None = None) -> None:
        if not _PROGRAM.exists():
            pytest.skip("not proven: MongoDB: no server program is installed (secantusdb)")
        self.port = _free_port()
        self._options = options
        self._storage = str(folder) if folder else ":memory:"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._home = tempfile.TemporaryDirectory(prefix="mongo-")
        self._process = subprocess.Popen(
            [str(_PROGRAM), "--port", str(self.port), "--storage-path", self._storage, "--log-level", "ERROR",
             *self._options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            cwd=self._home.name, env={"PATH": os.environ["PATH"], "HOME": self._home.name},
        )  # fmt: skip
        deadline = time.monotonic() + _PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.05)

    def stop(self, sign: int = signal.SIGTERM) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(sign)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
            self._home.cleanup()

    def url(self, database: str, options: str = "") -> str:
        """A URL without login."""
        return f"mongodb://127.0.0.1:{self.port}/{database}{options}"

    @contextlib.contextmanager
    def client(self, **more: Any) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
        """A connected client."""
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient("127.0.0.1", self.port, **more)
        try:
            yield client
        finally:
            client.close()

    @contextlib.contextmanager
    def database(self, name: str) -> Iterator[Any]:
        """One database."""
        with self.client() as client:
            yield client[name]

    def raw(self, database: str, collection: str) -> list[bytes]:
        """Every document's bytes, in the order the server gives them."""
        with self.client(document_class=RawBSONDocument) as client:
            return [each.raw for each in client[database][collection].find()]  # type: ignore[attr-defined]

    def fill(self, database: str, collection: str, documents: list[dict[str, Any]]) -> None:
        """Insert."""
        with self.database(database) as base:
            base[collection].insert_many([RawBSONDocument(bson.encode(each)) for each in documents])


@cache
def shared() -> MongoServer:
    """One replica set of one for the whole run."""
    return _running()


@cache
def standalone() -> MongoServer:
    """One single server for the whole run."""
    return _running("--standalone")


def fresh(stem: str = "app") -> str:
    """A database name nobody had."""
    return f"{stem}_{secrets.token_hex(4)}"


def _running(*options: str) -> MongoServer:
    server = MongoServer(*options)
    server.start()
    atexit.register(server.stop)
    return server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
