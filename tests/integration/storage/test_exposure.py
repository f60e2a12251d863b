"""A store that anybody may read is found by trying as anybody would; one that nobody may is not accused."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
from tests.servers.objectstores import azure_server, s3_server

from holdfast.storage.exposure import exposed
from holdfast.storage.registry import open_storage


def test_a_bucket_that_answers_without_a_key_is_public() -> None:
    """As ministack does; the keys given are not used."""
    server = s3_server()
    url = f"s3://{server.create_bucket()}/backups?endpoint={server.endpoint}"
    assert exposed(url, server.credentials) == ""
    open_storage(url, credentials=server.credentials).put_new("holdfast.json", b"{}")
    told = exposed(url, server.credentials)
    assert "without a key" in told and "endpoint" not in told


def test_a_private_container_is_not_accused_and_a_public_one_is() -> None:
    """Azure's own access levels, on azurite."""
    server = azure_server()
    for level, public in ((None, False), ("container", True)):
        name = server.create_container(level)
        url = f"az://{name}/backups"
        open_storage(url, credentials=server.credentials).put_new("holdfast.json", b"{}")
        assert bool(exposed(url, server.credentials)) is public, level


class _Refusing(http.server.BaseHTTPRequestHandler):
    """A bucket as it should be: 403 to everybody without a signature."""

    def do_GET(self) -> None:
        signed = "Authorization" in self.headers
        self.send_response(200 if signed else 403)
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"x")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    """Its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_bucket_that_refuses_is_not_accused(refusing: str) -> None:
    """It is asked without the keys that would open it."""
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert exposed(f"s3://bucket/backups?endpoint={refusing}", keys) == ""


def test_what_is_no_object_store_or_does_not_answer_is_not_public() -> None:
    """Nothing is raised."""
    assert exposed("/srv/backups", {}) == ""
    assert exposed("s3://bucket/x?endpoint=http://127.0.0.1:9", {}) == ""
