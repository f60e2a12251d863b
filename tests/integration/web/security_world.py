"""A served application with a gate, and ways to come as anybody."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
from holdfast.web.security.people import Newcomer
from holdfast.web.security.sessions import OpenedSession
from holdfast.web.security.tokens import MACHINE, TokenWish

RIGHT = "correct horse battery"
CRON = "a-cron-secret-of-sixteen-and-more"
CONFIG = """
[repository]
url = "{folder}/repository"

[sources.tickets]
url = "sqlite:{folder}/tickets.db"

[sources.media]
url = "files:{folder}/media"

[entities.event]
source = "tickets"
root = "events"
title = "name"

[serve]
cron_secret = "file:{folder}/cron-secret"
second_person = ["restore:in-place", "retention"]

[[serve.aliases]]
path = "/api/backup/manual"
answer = "manual"
sources = ["tickets"]
"""


@dataclass
class Guarded:
    """A scene behind its gate."""

    scene: Scene
    gate: Gate

    def token(self, *scopes: str, sources: Iterable[str] = (), owner: str = f"{MACHINE}test", **more: Any) -> str:
        """The secret of a fresh token."""
        name = f"t{len(self.gate.tokens.all())}"
        wish = TokenWish(name=name, scopes=scopes, sources=sources, owner=owner, **more)
        return self.gate.tokens.add(wish).secret

    def person(self, name: str, role: str = "admin", by: str = f"{MACHINE}test") -> OpenedSession:
        """The session of a fresh account."""
        self.gate.people.add(Newcomer(name=name, password=RIGHT, role=role, vouched_by=by))
        return self.gate.sessions.open(name, "127.0.0.1", "a test")

    def client(self, session: OpenedSession | None = None, **headers: str) -> httpx2.Client:
        """A browser, with a session if given, which sends its forms as our pages would."""
        cookies = {"holdfast": session.secret} if session else {}
        if session:
            headers.setdefault("x-csrf-token", session.csrf)
        return httpx2.Client(base_url=self.scene.url, cookies=cookies, headers=headers, timeout=20)

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
                if path.is_file() and not {"sessions", "audit"} & set(path.parts):
                    digest.update(str(path).encode() + path.read_bytes())
        digest.update(_dump(self.scene.folder / "tickets.db"))
        for row in self.gate.register.rows("select id, hash, revoked_at, replaced_by from tokens order by id"):
            digest.update(repr(row).encode())
        for table in ("people", "consents"):
            digest.update(repr(self.gate.register.rows(f"select * from {table}")).encode())
        digest.update(repr([run.id for run in self.scene.service.journal.runs(RunQuery(limit=500)).runs]).encode())
        return digest.hexdigest()


@contextlib.contextmanager
def guarded(folder: Path, text: str = CONFIG) -> Iterator[Guarded]:
    """The scene, served behind a gate; passwords cost nothing here."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cron-secret").write_text(CRON)
    cost, passwords._LOG_N = passwords._LOG_N, 4
    try:
        with (
            scene(folder, text) as found,
            contextlib.closing(Gate(found.service.configuration)) as gate,
            served(found, gate),
        ):
            yield Guarded(found, gate)
    finally:
        passwords._LOG_N = cost


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


def app_of(found: Guarded) -> FastAPI:
    """The same application once more, to look at."""
    return create_app(found.scene.service, lambda _request: None)


def _dump(path: Path) -> bytes:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump()).encode()
