"""Coming in as a person: the first account, logging in and out, and what the doors keep out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from tests.integration.web.world import GUARDED, RIGHT, World, world_of

from holdfast.web.security.attempts import FREE


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_of(tmp_path / "world", GUARDED) as found:
        yield found


def error_of(response: httpx2.Response) -> str:
    """The code a form was sent back with."""
    assert response.status_code == 303, response.text
    return parse_qs(urlsplit(response.headers["location"]).query).get("error", [""])[0]


def test_the_first_person_comes_in_by_the_token_of_the_log(world: World) -> None:
    """With it an admin's account and session are made; without it, or twice, nothing."""
    (said,) = world.gate.greeting()
    token = said.rpartition(" ")[2]
    form = {"name": "ada", "password": RIGHT}
    with world.browser() as client:
        assert error_of(client.post("/setup", data={**form, "token": "guess"})) == "wrong-login"
        done = client.post("/setup", data={**form, "token": token})
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert client.get("/api/tokens").status_code == 200
    with world.browser() as other:
        assert error_of(other.post("/setup", data={"name": "eve", "password": RIGHT, "token": token})) == "wrong-login"
        assert other.get("/api/tokens").status_code == 401
    assert world.gate.greeting() == []


def test_a_cookie_is_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    """HttpOnly, SameSite, for this host and path only; over HTTPS with the __Host- prefix and Secure."""
    world.person("ada")
    form = {"name": "ada", "password": RIGHT, "next": "/runs"}
    with world.browser() as client:
        plain = client.post("/login", data=form)
        assert plain.headers["location"] == "/runs"
        cookie = plain.headers["set-cookie"].lower()
        assert cookie.startswith("holdfast=")
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "path=/" in cookie
        assert "domain" not in cookie


def test_over_https_the_cookie_has_the_host_prefix(tmp_path: Path) -> None:
    """Behind a proxy that speaks TLS for the public URL; HSTS tells browsers to stay there."""
    text = guarded_text('public_url = "https://backup.example.com"')
    with world_of(tmp_path / "world", text) as world:
        world.person("ada")
        headers = {"host": "backup.example.com", "origin": "https://backup.example.com"}
        with world.browser(None, **headers) as client:
            done = client.post("/login", data={"name": "ada", "password": RIGHT})
        cookie = done.headers["set-cookie"]
        assert cookie.startswith("__Host-holdfast=")
        assert "Secure" in cookie
        assert "strict-transport-security" in done.headers
        secret = cookie.partition("=")[2].partition(";")[0]
        with world.browser(None, host="backup.example.com", cookie=f"__Host-holdfast={secret}") as client:
            assert client.get("/api/sessions").status_code == 200
        with world.browser(None, host="backup.example.com", cookie=f"holdfast={secret}") as client:
            assert client.get("/api/sessions").status_code == 401


def guarded_text(more: str) -> str:
    return GUARDED.replace("[serve]\n", f"[serve]\n{more}\n")


def test_no_password_crosses_a_network_in_plain(tmp_path: Path) -> None:
    """Over plain HTTP from elsewhere the form is refused before it is looked at."""
    with world_of(tmp_path / "world", guarded_text('listen = "0.0.0.0:8470"')) as world:
        world.person("ada")
        with world.browser(None, host="192.0.2.1:8470") as client:
            assert error_of(client.post("/login", data={"name": "ada", "password": RIGHT})) == "plain-http"
        assert len(world.gate.sessions.all("ada")) == 1


@pytest.mark.parametrize(
    "wish", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "\n/x", ""]
)
def test_nobody_is_sent_to_another_site(world: World, wish: str) -> None:
    """``next`` is a path of this server or nothing."""
    world.person("ada")
    with world.browser() as client:
        done = client.post("/login", data={"name": "ada", "password": RIGHT, "next": wish})
    assert done.headers["location"] == "/"


def test_guessing_is_slowed_and_noted(world: World) -> None:
    """After a few wrong passwords the answer is to wait, also for the right one; the trail has it, without the name
    typed where nobody is called so.
    """
    world.person("ada")
    with world.browser() as client:
        for _ in range(FREE):
            assert (
                error_of(client.post("/login", data={"name": "ada", "password": "wrong wrong wrong"})) == "wrong-login"
            )
        late = client.post("/login", data={"name": "ada", "password": RIGHT})
        assert error_of(late) == "too-many-attempts"
        assert int(parse_qs(urlsplit(late.headers["location"]).query)["wait"][0]) >= 1
        client.post("/login", data={"name": "my secret password", "password": "x"})
    told = [each for each in world.acts() if each["deed"] == "login:failed"]
    assert {each["who"] for each in told} == {"ada", "(unknown)"}
    assert all(each["outcome"] == "refused" for each in told)
    assert "my secret password" not in repr(told)


def test_logging_out_ends_the_session_on_the_server(world: World) -> None:
    """A cookie that somebody kept opens nothing afterwards."""
    session = world.person("ada")
    with world.browser(session) as client:
        assert client.get("/api/sessions").status_code == 200
        assert client.post("/logout").status_code == 303
    with world.browser(session) as client:
        assert client.get("/api/sessions").status_code == 401
    assert "logout" in {each["deed"] for each in world.acts()}


def test_a_session_can_be_revoked_by_its_person_and_by_an_admin(world: World) -> None:
    """A lost laptop is out at once; a viewer ends their own only."""
    admin, lost, mine = world.person("ada"), world.person("bo", "viewer"), None
    mine = world.gate.sessions.open("bo", "", "")
    with world.browser(mine) as client:
        assert {each["person"] for each in client.get("/api/sessions").json()["sessions"]} == {"bo"}
        assert client.delete(f"/api/sessions/{admin.session.id}").status_code == 404
        assert client.delete(f"/api/sessions/{lost.session.id}").status_code == 200
    with world.browser(admin) as client:
        assert client.delete(f"/api/sessions/{mine.session.id}").status_code == 200
    for gone in (lost, mine):
        with world.browser(gone) as client:
            assert client.get("/api/sessions").status_code == 401


def test_the_password_again_opens_danger_for_five_minutes(world: World) -> None:
    """What was refused as dangerous is done after /confirm, and a wrong password does not confirm."""
    session = world.person("ada")
    world.gate.register.change("update sessions set confirmed_at = ''")
    body = {"name": "ci", "scopes": ["status:read"]}
    with world.browser(session) as client:
        assert client.post("/api/tokens", json=body).json()["code"] == "reauthenticate"
        assert error_of(client.post("/confirm", data={"password": "wrong", "next": "/settings"})) == "wrong-login"
        assert client.post("/api/tokens", json=body).status_code == 403
        done = client.post("/confirm", data={"password": RIGHT, "next": "/settings"})
        assert done.headers["location"] == "/settings"
        made = client.post("/api/tokens", json=body)
        assert made.status_code == 201
    with world.browser(None, authorization=f"Bearer {made.json()['secret']}") as program:
        assert program.get("/api/runs").status_code == 200
        assert program.get("/api/backups").status_code == 403
    deeds = {each["deed"] for each in world.acts()}
    assert {"login:confirm", "login:failed", "config:token-add"} <= deeds


def test_a_form_carries_its_csrf_field(world: World) -> None:
    """A plain form without JavaScript: the hidden field does what the header does."""
    session = world.person("ada")
    with world.browser() as client:
        client.cookies.set("holdfast", session.secret)
        assert client.post("/password", data={"old": RIGHT, "new": "x"}).status_code == 403
        weak = client.post("/password", data={"old": RIGHT, "new": "x", "csrf": session.csrf})
        assert error_of(weak) == "weak-password"
        form = {"old": RIGHT, "new": "another horse entirely", "csrf": session.csrf}
        assert client.post("/password", data=form).status_code == 303
    with world.browser(session) as client:
        assert client.get("/api/sessions").status_code == 401


def test_a_request_has_a_size(world: World) -> None:
    """A body of more than a megabyte is refused, also when its length is not told."""
    with world.browser() as client:
        assert client.post("/login", content=b"x" * (1 << 20 | 1)).status_code == 413

        def endless() -> Iterator[bytes]:
            for _ in range(1100):
                yield b"x" * 1024

        headers = {"content-type": "application/x-www-form-urlencoded"}
        assert client.post("/login", content=endless(), headers=headers).status_code == 413


def test_nobody_hands_on_more_rights_than_they_have(world: World) -> None:
    """Tokens and accounts made through the API stay within the maker's scopes and sources; rotating is making."""
    secret = world.token("keys", "status:read", sources=("media",))
    world.token("keys", "delete", sources=("media",))
    world.token("status:read")
    with world.browser(None, authorization=f"Bearer {secret}") as client:
        for body in (
            {"name": "a", "scopes": ["delete"], "sources": ["media"]},
            {"name": "a", "scopes": ["status:read"]},
            {"name": "a", "scopes": ["status:read"], "sources": ["tickets"]},
        ):
            assert client.post("/api/tokens", json=body).status_code == 403, body
        assert client.post("/api/tokens/t1/rotate", json={}).status_code == 403
        assert client.post("/api/tokens/t2/rotate", json={}).status_code == 404
        person = {"name": "eve", "password": RIGHT, "role": "admin"}
        assert client.post("/api/people", json=person).status_code == 403
        inside = {"name": "a", "scopes": ["status:read"], "sources": ["media"]}
        assert client.post("/api/tokens", json=inside).status_code == 201


def test_a_token_loses_what_its_person_loses(world: World) -> None:
    """Whoever becomes a viewer has viewer's tokens; whoever leaves has none."""
    world.person("ada")
    world.person("bo", "operator")
    secret = world.token("backup:run", "status:read", "data:read", owner="bo")
    with world.browser(None, authorization=f"Bearer {secret}") as client:
        assert client.post("/api/backups", json={"sources": ["media"]}).status_code == 202
        world.gate.people.change("bo", "viewer", ("tickets",))
        assert client.get("/api/runs").status_code == 200
        assert client.post("/api/backups", json={"sources": ["tickets"]}).status_code == 403
        assert client.get("/api/sources/media").status_code in (403, 404)
        world.gate.people.remove("bo")
        assert client.get("/api/runs").status_code == 401


def test_what_somebody_known_is_refused_is_noted(world: World) -> None:
    """A token that reaches for what is not its own is in the trail, once a minute, without the keys of rows."""
    secret = world.token("status:read")
    with world.browser(None, authorization=f"Bearer {secret}") as client:
        for _ in range(3):
            assert client.delete("/api/entities/event/guest42@example.org").status_code == 403
    told = [each for each in world.acts() if each["deed"] == "forbidden"]
    assert [(each["who"], each["outcome"]) for each in told] == [("token:t0", "refused")]
    assert "guest42" not in repr(told)
