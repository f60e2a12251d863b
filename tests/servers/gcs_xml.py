"""A double of the Google Cloud Storage XML API, as far as a repository needs it, that can be told to misbehave.

There is no emulator that speaks the XML API (create-only writes, ranges, listing); this one serves real HTTP, and
proves the client's side only: the real service remains not proven.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000


class GcsDouble:
    """Objects by bucket and key. ``faults`` are taken one by one, by requests with the method they name.

    ``("PUT", 503)`` answers that status without effect; ``("PUT", "drop-before")`` and ``("PUT", "drop-after")``
    cut the connection without an answer, before or after the effect; ``("GET", "cut")`` sends half a body.
    ``ignore_conditions``: a write replaces what is there, as some look-alikes do.
    """

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, float]] = {}
        self.faults: list[tuple[str, int | str]] = []
        self.ignore_conditions = False
        self.requests: list[str] = []
        self.lock = threading.Lock()
        self.endpoint = ""

    def fault(self, method: str) -> int | str | None:
        """The fault this request meets, used up by it."""
        with self.lock:
            for number, (wanted, fault) in enumerate(self.faults):
                if wanted == method:
                    del self.faults[number]
                    return fault
        return None

    def create(self, key: str, body: bytes, generation: str | None) -> int:
        """The status of a write."""
        with self.lock:
            if generation == "0" and key in self.objects and not self.ignore_conditions:
                return 412
            self.objects[key] = (body, time.time())
        return 200

    def page(self, bucket: str, prefix: str, after: str) -> str:
        """One page of a listing as XML."""
        start = f"{bucket}/"
        with self.lock:
            keys = sorted(key for key in self.objects if key.startswith(start + prefix) and key > start + after)
            chosen = [(key, *self.objects[key]) for key in keys[:PAGE]]
        rows = "".join(
            f"<Contents><Key>{escape(key[len(start) :])}</Key><LastModified>{_iso(at)}</LastModified>"
            f"<ETag>{_etag(body)}</ETag><Size>{len(body)}</Size></Contents>"
            for key, body, at in chosen
        )
        more = len(keys) > PAGE
        token = f"<NextContinuationToken>{escape(chosen[-1][0][len(start) :])}</NextContinuationToken>" if more else ""
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}"
        return f"<?xml version='1.0'?><ListBucketResult>{truncated}{rows}</ListBucketResult>"


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    double: GcsDouble

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if (fault := self._fault()) is True:
            return None
        status = self.double.create(self._key(), body, self.headers.get("x-goog-if-generation-match"))
        if fault == "drop-after":
            return self._drop()
        return self._answer(status, headers={"ETag": _etag(body)} if status == 200 else {})

    def do_GET(self) -> None:
        if (fault := self._fault()) is True:
            return None
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if "list-type" in query:
            prefix, token = query.get("prefix", [""])[0], query.get("continuation-token", [""])[0]
            return self._answer(200, self.double.page(parts.path.strip("/"), prefix, token).encode())
        found = self.double.objects.get(self._key())
        if found is None:
            return self._answer(404)
        return self._answer_object(*found, cut=fault == "cut")

    do_HEAD = do_GET

    def do_DELETE(self) -> None:
        if (fault := self._fault()) is True:
            return None
        with self.double.lock:
            found = self.double.objects.pop(self._key(), None)
        if fault == "drop-after":
            return self._drop()
        return self._answer(404 if found is None else 204)

    def _answer_object(self, body: bytes, at: float, *, cut: bool) -> None:
        headers = {"ETag": _etag(body), "Last-Modified": formatdate(at, usegmt=True)}
        status, wanted = 200, self.headers.get("Range")
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) if last else len(body) - 1, len(body) - 1)
            if start >= len(body):
                return self._answer(416)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(body)}"
            status, body = 206, body[start : end + 1]
        return self._answer(status, body, headers, cut=cut)

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).strip("/")

    def _fault(self) -> str | bool | None:
        """True when the request was dealt with; else what is still to happen to it."""
        self.double.requests.append(f"{self.command} {self._key()}")
        fault = self.double.fault(self.command)
        if isinstance(fault, int):
            self._answer(fault)
            return True
        if fault == "drop-before":
            self._drop()
            return True
        return fault

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, *, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        with contextlib.suppress(OSError):
            self.wfile.flush()
        if cut:
            self._drop()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


@contextlib.contextmanager
def gcs_double() -> Iterator[GcsDouble]:
    """A running double on 127.0.0.1; ``endpoint`` is its URL."""
    double = GcsDouble()
    server = _Server(("127.0.0.1", 0), type("Request", (_Request,), {"double": double}))
    double.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
