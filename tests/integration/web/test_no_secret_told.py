"""Marked secrets, planted everywhere a secret can stand, and looked for in everything that comes out."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from tests.integration.web.scene import PASSPHRASE
from tests.integration.web.test_every_route import asked
from tests.integration.web.world import CRON_SECRET, GUARDED, RIGHT, app_of, routes, world_of

from holdfast.usecases.audit import ActQuery, acts
from holdfast.wiring.sections import SCOPES

SHOP, ALERT = "marker-shop-1f2e3d", "marker-alert-9a8b7c"
MORE = """
[sources.shop]
url = "postgresql://app@127.0.0.1:1/shop"
password = "file:{folder}/shop-password"

[alerts.channels.team]
url = "file:{folder}/alert-url"
"""


def test_no_marked_secret_comes_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Answers of every route, headers, logs, the journal, the trail and the register: none holds a password, a
    passphrase, a token, a cookie or the address of a channel, after everything went wrong that can.
    """
    folder = tmp_path / "world"
    folder.mkdir()
    (folder / "shop-password").write_text(SHOP)
    (folder / "alert-url").write_text(f"json://user:{ALERT}@127.0.0.1:1/")
    with caplog.at_level(logging.DEBUG, "holdfast"), world_of(folder, GUARDED + MORE) as world:
        for source in ("tickets", "shop"):
            world.scene.back_up(source)
        session, token = world.person("ada"), world.token(*SCOPES)
        markers = [PASSPHRASE, SHOP, ALERT, CRON_SECRET, RIGHT, session.secret, token]
        said = [repr(world.gate.greeting())]
        with world.browser(session) as person, world.browser(None, authorization=f"Bearer {token}") as program:
            for name, password in (("ada", RIGHT + "x"), (RIGHT, "x"), (token, token)):
                said.append(_told(person.post("/login", data={"name": name, "password": password})))
            for route in routes(app_of(world)):
                path = re.sub(r"\{[a-z_]+(:[a-z]+)?\}", "shop", route.path)
                if path not in ("/logout", "/password", "/live", "/api/cron/backup") and "events" not in path:
                    client = program if path.startswith("/api") else person
                    said += [_told(asked(client, method, path)) for method in route.methods]
        with world.scene.service.reading() as app:
            world.gate.notes.carry(app)
            said += [repr(each) for each in acts(app.repository, ActQuery())]
        said += [record.getMessage() for record in caplog.records]
        kept = [path for path in (folder / "state").rglob("*") if path.is_file()]
        assert any(path.name == "security.db" for path in kept)
        said += [path.read_bytes().decode("latin-1") for path in kept]
    out = capfd.readouterr()
    said += [out.out, out.err]
    assert len(said) > 100
    assert [marker for marker in markers for text in said if marker in text] == []


def _told(response) -> str:  # type: ignore[no-untyped-def]
    """Everything of an answer but the cookie of the one who logs in."""
    headers = {name: value for name, value in response.headers.items() if name != "set-cookie"}
    return repr(headers) + (response.text if response.is_closed and hasattr(response, "_content") else "")
