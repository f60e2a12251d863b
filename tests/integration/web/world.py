"""The small application served behind its gate on a port of loopback, and ways to come as anybody."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from fastapi.routing import APIRoute
from tests.integration.web.scene import Scene, scene, served

from holdfast.journal.base import RunQuery
from holdfast.usecases.audit import ActQuery, acts
from holdfast.web.app import create_app
from holdfast.web.security import passwords
from holdfast.web.security.doorkeeper import Gate
from holdfast.web.security.people import MACHINE, Newcomer
from holdfast.web.security.sessions import OpenedSession
from holdfast.web.security.tokens import TokenWish
from holdfast.wiring.sections import SCOPES

RIGHT = "correct horse battery"
CRON_SECRET = "a-cron-secret-of-sixteen-and-more"

_APPLICATION = """
[repository]
url = "{folder}/repository"

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
"""
_OLD_PATHS = """
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
CONFIG = f"{_APPLICATION}\n[defaults]\nkeep = {{{{ last = 3 }}}}\n{_OLD_PATHS}"
"""With every old path, and few snapshots kept."""

GUARDED = f"""{_APPLICATION}second_person = ["restore:in-place", "retention"]

[[serve.aliases]]
path = "/api/backup/manual"
answer = "manual"
sources = ["tickets"]
"""
"""With a second person for what is dangerous."""


@dataclass
class World:
    """A scene behind its gate."""

    scene: Scene
    gate: Gate
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def token(self, *scopes: str, sources: Iterable[str] = (), owner: str = f"{MACHINE}test", **more: Any) -> str:
        """The secret of a fresh token of these scopes; none: of all."""
        name = f"t{next(self._numbers)}"
        wish = TokenWish(name=name, scopes=scopes or SCOPES, sources=sources, owner=owner, **more)
        return self.gate.tokens.add(wish).secret

    def person(self, name: str, role: str = "admin", by: str = f"{MACHINE}test") -> OpenedSession:
        """The session of a fresh account."""
        self.gate.people.add(Newcomer(name=name, password=RIGHT, role=role, vouched_by=by))
        return self.gate.sessions.open(name, "127.0.0.1", "a test")

    def program(
        self, *scopes: str, sources: Iterable[str] = (), token: str | None = None, owner: str = f"{MACHINE}test"
    ) -> httpx2.Client:
        """A program with a token of these scopes (none: of all), or with ``token``; "": with none."""
        secret = token if token is not None else self.token(*scopes, sources=sources, owner=owner)
        return self._client(headers={"Authorization": f"Bearer {secret}"} if secret else {})

    def browser(self, session: OpenedSession | None = None, **headers: str) -> httpx2.Client:
        """A browser, with a session if given, which sends its forms as our pages would."""
        cookies = {"holdfast": session.secret} if session else {}
        if session:
            headers.setdefault("x-csrf-token", session.csrf)
        return self._client(headers=headers, cookies=cookies)

    def _client(self, **more: Any) -> httpx2.Client:
        return httpx2.Client(base_url=self.scene.url, timeout=60, trust_env=False, **more)

    def acts(self) -> list[dict[str, Any]]:
        """What was noted of the doors, in the trail or on its way there."""
        with self.scene.service.reading() as app:
            self.gate.notes.carry(app)
            return [
                {"deed": each.act.deed, "who": each.act.who, "outcome": each.act.outcome, "what": each.act.what}
                for each in acts(app.repository, ActQuery())
            ]

    def state(self) -> str:
        """Of everything a request could change, but the notes of refusals."""
        digest = hashlib.sha256()
        for folder in ("repository", "media"):
            for path in sorted((self.scene.folder / folder).rglob("*")):
                if path.is_file() and not {"sessions", "audit", "tmp+"} & set(path.parts):
                    digest.update(str(path).encode() + path.read_bytes())
        digest.update(_dump(self.scene.folder / "tickets.db"))
        for row in self.gate.register.rows("select id, hash, revoked_at, replaced_by from tokens order by id"):
            digest.update(repr(row).encode())
        for table in ("people", "consents"):
            digest.update(repr(self.gate.register.rows(f"select * from {table}")).encode())
        digest.update(repr(sorted(self.scene.service.paused())).encode())
        digest.update(repr([run.id for run in self.scene.service.journal.runs(RunQuery(limit=500)).runs]).encode())
        return digest.hexdigest()


@contextlib.contextmanager
def world_of(folder: Path, text: str = CONFIG) -> Iterator[World]:
    """The application without any backup yet, served behind a gate; passwords cost nothing here."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "cron-secret"
    secret.touch(0o600)
    secret.write_text(CRON_SECRET)
    cost, passwords._LOG_N = passwords._LOG_N, 4
    try:
        with (
            scene(folder, text) as found,
            contextlib.closing(Gate(found.service.configuration)) as gate,
            served(found, gate),
        ):
            yield World(found, gate)
    finally:
        passwords._LOG_N = cost


def over(client: httpx2.Client, run: dict[str, Any], seconds: float = 60) -> dict[str, Any]:
    """The run when it is over."""
    end = time.monotonic() + seconds
    while True:
        now: dict[str, Any] = client.get(f"/api/runs/{run['id']}").json()
        if now["status"] not in ("queued", "running"):
            return now
        assert time.monotonic() < end, now
        time.sleep(0.05)


def routes(app: FastAPI) -> list[APIRoute]:
    """Every route there is, also of the routers within."""
    return list(_routes(app.routes))


def _routes(found: Iterable[Any]) -> Iterator[APIRoute]:
    for each in found:
        if isinstance(each, APIRoute):
            yield each
        elif hasattr(each, "original_router"):
            yield from _routes(each.original_router.routes)


def asked_of(dependant: Any) -> list[Any]:
    """The dependencies that ask for a scope, or say that nobody is asked."""
    found = []
    for each in dependant.dependencies:
        if hasattr(each.call, "scope") or hasattr(each.call, "open"):
            found.append(each.call)
        found += asked_of(each)
    return found


def app_of(found: World) -> FastAPI:
    """The same application once more, to look at."""
    return create_app(found.scene.service, lambda _request: None)


def _dump(path: Path) -> bytes:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump()).encode()
