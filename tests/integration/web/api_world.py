"""The HTTP API of a small application on a port of loopback, with real tokens, asked by a real client."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests.integration.web.scene import Scene, scene, served

from holdfast.web.security.doorkeeper import Gate
from holdfast.web.security.tokens import TokenWish
from holdfast.wiring.sections import SCOPES

CRON_SECRET = "a-cron-secret-of-sixteen-and-more"

CONFIG = """
[repository]
url = "{folder}/repository"

[defaults]
keep = {{ last = 3 }}

[sources.tickets]
url = "sqlite:{folder}/tickets.db"
schedules = [{{ name = "nightly", cron = "20 4 * * *" }}]

[sources.media]
url = "files:{folder}/media"

[entities.event]
source = "tickets"
root = "events"
title = "name"

[serve]
cron_secret = "file:{folder}/cron-secret"

[[serve.aliases]]
path = "/api/cron/backup-event-store"
answer = "cron"
sources = ["tickets"]
counts = {{ rowCount = "events", featuredEntryCount = "venues" }}

[[serve.aliases]]
path = "/api/backup/scheduled"
answer = "cron"
sources = ["media"]

[[serve.aliases]]
path = "/api/backup/manual"
answer = "manual"
sources = ["tickets"]
"""


@dataclass
class Api:
    """A server, and clients for it."""

    scene: Scene
    gate: Gate

    def token(self, *scopes: str, sources: tuple[str, ...] = (), owner: str = "machine:test") -> str:
        """The secret of a new token."""
        wish = TokenWish(
            name=f"made-{time.monotonic_ns()}", scopes=scopes or SCOPES, sources=sources, owner=owner
        )  # fmt: skip
        return self.gate.tokens.add(wish).secret

    def client(
        self, *scopes: str, sources: tuple[str, ...] = (), token: str | None = None, owner: str = "machine:test"
    ) -> httpx2.Client:
        """A client with a token of these scopes; none: of all."""
        secret = token if token is not None else self.token(*scopes, sources=sources, owner=owner)
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        return httpx2.Client(base_url=self.scene.url, headers=headers, timeout=60, trust_env=False)


@contextlib.contextmanager
def api(folder: Path, text: str = CONFIG) -> Iterator[Api]:
    """An application without any backup yet."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "cron-secret"
    secret.touch(0o600)
    secret.write_text(CRON_SECRET)
    with (
        scene(folder, text) as found,
        contextlib.closing(Gate(found.service.configuration)) as gate,
        served(found, gate),
    ):
        yield Api(scene=found, gate=gate)


def over(client: httpx2.Client, run: dict[str, Any], seconds: float = 60) -> dict[str, Any]:
    """The run when it is over."""
    end = time.monotonic() + seconds
    while True:
        now: dict[str, Any] = client.get(f"/api/runs/{run['id']}").json()
        if now["status"] not in ("queued", "running"):
            return now
        assert time.monotonic() < end, now
        time.sleep(0.05)
