"""Every route there is, asked by everybody who may not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest
from fastapi.routing import APIRoute
from tests.integration.web.world import CRON_SECRET, GUARDED, World, app_of, asked_of, routes, world_of

from holdfast.journal.base import RunQuery
from holdfast.web.security.identity import DANGER
from holdfast.web.security.wall import HEADERS
from holdfast.wiring.sections import SCOPES

# whoever adds to this list says why in the route itself
OPEN = {
    ("POST", "/login"), ("POST", "/setup"), ("GET", "/login"), ("GET", "/setup"), ("GET", "/healthz"),
    ("HEAD", "/healthz"), ("GET", "/api/openapi.json"),
}  # fmt: skip
CRON_ROUTES = {
    ("HEAD", "/api/cron/backup"), ("GET", "/api/cron/backup"), ("POST", "/api/cron/backup"),
    ("GET", "/api/backup/manual"), ("POST", "/api/backup/manual"),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of(tmp_path_factory.mktemp("routes"), GUARDED) as found:
        for source in ("tickets", "media"):
            found.scene.back_up(source)
        found.person("somebody")
        yield found


@pytest.fixture(scope="module")
def every(world: World) -> list[tuple[str, str, APIRoute]]:
    """Method, path with parameters filled in, and the route."""
    fill = _fillings(world)
    found = []
    for route in routes(app_of(world)):
        path = re.sub(r"\{([a-z_]+)(:[a-z]+)?\}", lambda name: fill[name[1]], route.path)
        found += [(method, path, route) for method in sorted(route.methods)]
    assert len(found) > 60
    return found


def _fillings(world: World) -> dict[str, str]:
    with world.scene.service.reading() as app:
        tickets = next(each for each in app.repository.snapshots() if each.info.source == "tickets")
    run = next(each for each in world.scene.service.journal.runs(RunQuery()).runs if each.sources == ["tickets"])
    return {
        "backup": tickets.info.id, "snapshot": tickets.info.id, "run": run.id, "source": "tickets", "plan": run.id,
        "entity": "event", "key": "42", "trash": tickets.info.id, "discarded": tickets.info.id, "token": "t0",
        "name": "tickets", "session": "0" * 32, "consent": "0" * 32,
    }  # fmt: skip


def asked(client: httpx2.Client, method: str, path: str, **more: str) -> httpx2.Response:
    body = {} if method in ("GET", "DELETE") else {"json": {}}
    with client.stream(method, path, headers=more, **body) as response:
        if "event-stream" not in response.headers.get("content-type", ""):
            response.read()
        return response


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def turned_away(response: httpx2.Response, *, page: bool) -> bool:
    """401, 403, or for a page asked by nobody known: the door."""
    if response.status_code == 303 and page:
        return response.headers["location"].partition("?")[0] in ("/login", "/setup")
    return response.status_code in (401, 403)


def test_every_route_asks_for_exactly_one_scope(every: list[tuple[str, str, APIRoute]]) -> None:
    """No route is forgotten: each asks for one scope there is, or stands in the short list of open ones."""
    wrong = []
    for method, _, route in every:
        found = asked_of(route.dependant)
        scopes = [each.scope for each in found if hasattr(each, "scope")]
        is_open = any(hasattr(each, "open") for each in found)
        if len(found) != 1 or is_open != ((method, route.path) in OPEN) or not set(scopes) <= set(SCOPES):
            wrong.append(f"{method} {route.path}: {scopes or found}")
    assert not wrong


def test_nobody_gets_anything_without_a_valid_credential(
    world: World, every: list[tuple[str, str, APIRoute]]
) -> None:
    """None, nonsense, expired, revoked, a password, a token as a cookie: all turned away, nothing changed."""
    expired = world.token(*SCOPES, lifetime=timedelta(seconds=-1))
    revoked = world.token(*SCOPES)
    world.gate.tokens.revoke(_newest(world))
    session = world.gate.sessions.open("somebody", "", "")
    world.gate.sessions.close(session.session.id)
    known = world.token(*SCOPES)
    comers = [
        {},
        bearer(expired),
        bearer(revoked),
        {"cookie": f"holdfast={session.secret}"},
        bearer("hf_" + "A" * 43),
        bearer("x"),
        {"authorization": "Bearer"},
        {"authorization": f"Basic {known}"},
        {"authorization": known},
        {"cookie": f"holdfast={known}"},
        {"cookie": f"holdfast={session.session.id}"},
    ]
    before, wrong = world.state(), []
    with world.browser() as client:
        for method, path, route in every:
            if (method, route.path) in OPEN:
                continue
            everybody = comers if route.path in ("/", "/api/runs", "/api/tokens") else comers[:4]
            for number, comer in enumerate(everybody):
                response = asked(client, method, path, **comer)
                if not turned_away(response, page=not path.startswith("/api")):
                    wrong.append(f"{method} {route.path} comer {number}: {response.status_code}")
    assert not wrong
    assert world.state() == before


def _newest(world: World) -> str:
    return max(world.gate.tokens.all(), key=lambda each: int(each.name.removeprefix("t"))).name


def test_every_wrong_scope_is_refused(world: World, every: list[tuple[str, str, APIRoute]]) -> None:
    """A token of any one scope gets 403 from every route that asks for another, and changes nothing."""
    tokens = {scope: world.token(scope) for scope in SCOPES}
    before, wrong = world.state(), []
    with world.browser() as client:
        for method, path, route in every:
            needed = [each.scope for each in asked_of(route.dependant) if hasattr(each, "scope")]
            for scope, secret in tokens.items():
                if (method, route.path) not in OPEN and scope not in needed:
                    response = asked(client, method, path, **bearer(secret))
                    if response.status_code != 403:
                        wrong.append(f"{method} {route.path} with {scope}: {response.status_code}")
    assert not wrong
    assert world.state() == before


def test_cron_secret_opens_its_paths_only(world: World, every: list[tuple[str, str, APIRoute]]) -> None:
    """Elsewhere it is nobody's."""
    before, wrong = world.state(), []
    with world.browser() as client:
        for method, path, route in every:
            if (method, route.path) not in OPEN | CRON_ROUTES:
                response = asked(client, method, path, **bearer(CRON_SECRET))
                if not turned_away(response, page=not path.startswith("/api")):
                    wrong.append(f"{method} {route.path}: {response.status_code}")
    assert not wrong
    assert world.state() == before


def test_a_token_of_another_source_sees_and_changes_nothing(
    world: World, every: list[tuple[str, str, APIRoute]]
) -> None:
    """All scopes, for media only: what is asked of tickets is refused or not found, and lists do not tell of it."""
    secret = world.token(*SCOPES, sources=("media",))
    before, wrong, fill = world.state(), [], _fillings(world)
    with world.browser() as client:
        for method, path, route in every:
            if (method, route.path) in OPEN | CRON_ROUTES:
                continue
            body = asked(client, method, path, **bearer(secret))
            if body.status_code >= 500:
                wrong.append(f"{method} {route.path}: {body.status_code}")
            streams = "event-stream" in body.headers.get("content-type", "")
            if (
                body.status_code < 400
                and not streams
                and any(each in body.text for each in (fill["backup"], fill["run"]))
            ):
                wrong.append(f"{method} {route.path} tells of tickets")
            if body.status_code < 300 and re.search(
                r"\{(backup|snapshot|run|source|plan|entity|trash|discarded)\}", route.path
            ):
                wrong.append(f"{method} {route.path}: {body.status_code}")
    assert not wrong
    assert world.state() == before


def test_the_way_in_by_cookie_is_closed_to_old_contracts(world: World) -> None:
    """A link on another site cannot back up by GET with somebody's cookie."""
    session = world.gate.sessions.open("somebody", "", "")
    with world.browser(session) as client:
        assert client.get("/api/runs").status_code == 200
        for path in ("/api/cron/backup", "/api/backup/manual"):
            assert client.get(path).status_code == 401


def test_every_answer_has_its_headers(world: World, every: list[tuple[str, str, APIRoute]]) -> None:
    """Refusals, pages, errors, static files and what does not exist: a strict CSP and its companions on all."""
    secret = world.token("status:read")
    extra = [
        ("GET", "/static/holdfast.css"),
        ("GET", "/nowhere"),
        ("PUT", "/"),
        ("OPTIONS", "/api/runs"),
        ("GET", "/static/../x"),
    ]
    wrong = []
    with world.browser() as client:
        for method, path in [(method, path) for method, path, _ in every] + extra:
            for comer in ({}, bearer(secret)):
                if (method, path) in CRON_ROUTES:
                    continue
                response = asked(client, method, path, **comer)
                missing = [name for name in HEADERS if name.lower() not in response.headers]
                wrong += [f"{method} {path}: {name}" for name in missing]
                csp = response.headers["content-security-policy"]
                if "unsafe" in csp or "default-src 'none'" not in csp or "*" in csp:
                    wrong.append(f"{method} {path}: {csp}")
                if "access-control-allow-origin" in response.headers:
                    wrong.append(f"{method} {path}: tells too much")
    assert not wrong


def test_no_form_of_another_site_is_taken(world: World, every: list[tuple[str, str, APIRoute]]) -> None:
    """An admin's cookie alone changes nothing: not without what our forms carry, nor from another origin."""
    session = world.gate.sessions.open("somebody", "", "")
    cookie, right = {"cookie": f"holdfast={session.secret}"}, {"x-csrf-token": session.csrf}
    other = world.gate.sessions.open("somebody", "", "")
    comers = [
        cookie,
        {**cookie, **right, "origin": "http://evil.example"},
        {**cookie, **right, "sec-fetch-site": "cross-site"},
        {**cookie, "x-csrf-token": other.csrf},
        {**cookie, **right, "origin": "null"},
        {**cookie, **right, "sec-fetch-site": "same-site"},
        {**cookie, **right, "host": "evil.example"},
    ]
    before, wrong = world.state(), []
    with world.browser() as client:
        for method, path, route in every:
            if method in ("GET", "HEAD") or (method, route.path) in OPEN:
                continue
            everybody = comers if route.path in ("/logout", "/api/backups", "/api/tokens") else comers[:3]
            for number, comer in enumerate(everybody):
                if (response := asked(client, method, path, **comer)).status_code not in (403, 421):
                    wrong.append(f"{method} {route.path} comer {number}: {response.status_code}")
    assert not wrong
    assert world.state() == before
    assert world.gate.sessions.of(session.secret, acting=True) is not None


def test_danger_asks_for_the_password_again(world: World, every: list[tuple[str, str, APIRoute]]) -> None:
    """Restoring in place, deleting, keys and tokens: not from a session that was opened more than 5 minutes ago."""
    session = world.gate.sessions.open("somebody", "", "")
    old = "update sessions set confirmed_at = '2026-01-01T00:00:00.000Z' where id = ?"
    world.gate.register.change(old, session.session.id)
    before, wrong, seen = world.state(), [], 0
    with world.browser(session) as client:
        for method, path, route in every:
            needed = {each.scope for each in asked_of(route.dependant) if hasattr(each, "scope")}
            if method == "GET" or not needed & DANGER:
                continue
            seen += 1
            response = asked(client, method, path)
            if path.startswith("/api"):
                right = response.status_code == 403 and response.json()["code"] == "reauthenticate"
            else:
                right = response.status_code == 303 and response.headers["location"].startswith("/confirm")
            if not right:
                wrong.append(f"{method} {route.path}: {response.status_code}")
    assert not wrong
    assert seen > 10
    assert world.state() == before


def test_nothing_that_tells_how_things_stand_names_another_source(world: World) -> None:
    """A token or a person of media does not even learn that there are tickets."""
    secret = world.token("status:read", "snapshot:read", sources=("media",))
    paths = ("/metrics", "/api/status", "/api/sources", "/api/schedules", "/api/alerts", "/api/runs", "/api/backups",
             "/api/trash", "/api/entities", "/", "/sources", "/alerts", "/runs", "/backups", "/trash", "/restore",
             "/settings")  # fmt: skip
    with world.browser(None, **bearer(secret)) as client:
        answers = {path: client.get(path) for path in paths}
    assert {path: answer.status_code for path, answer in answers.items() if answer.status_code >= 400} == {}
    told = {path: each.text.partition("tickets")[0][-160:] for path, each in answers.items() if "tickets" in each.text}
    assert told == {}
