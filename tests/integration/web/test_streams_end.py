"""A stream of events ends with the rights of whoever hears it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import httpx2
import pytest
from tests.integration.web.world import World, world_of

from holdfast.model.events import Reporter
from holdfast.model.run import Run
from holdfast.service.recording import Outcome
from holdfast.service.work import Order
from holdfast.system import clock
from holdfast.web.api import news, runs
from holdfast.web.security import standing
from holdfast.wiring.build import App


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of(tmp_path_factory.mktemp("streams")) as made:
        yield made


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights are looked at again after a moment, not after seconds."""
    for module in (news, runs):
        monkeypatch.setattr(module, "LOOK", 0.1)
    monkeypatch.setattr(news, "BEAT", 0.1)
    monkeypatch.setattr(standing, "_FRESH", 0.0)


class _Hearing:
    """What one stream told, until it ended."""

    def __init__(self, client: httpx2.Client, path: str) -> None:
        self.told = ""
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._hear, args=(client, path), daemon=True)
        self._thread.start()
        assert self._begun.wait(10)

    def _hear(self, client: httpx2.Client, path: str) -> None:
        # a stream that is still open when the server ends is cut off: ended() tells
        with contextlib.suppress(httpx2.HTTPError), client, client.stream("GET", path) as answer:
            for each in answer.iter_text():
                self.told += each
                self._begun.set()

    def tells(self, what: str) -> bool:
        end = time.monotonic() + 5
        while what not in self.told and time.monotonic() < end:
            time.sleep(0.02)
        return what in self.told

    def ended(self) -> bool:
        self._thread.join(5)
        return not self._thread.is_alive()


def _something_runs(world: World, source: str) -> None:
    service = world.scene.service
    run = service.start(Order(kind="check", work=lambda _app, _report, _run: Outcome(), sources=(source,)))
    service.work.wait(run.id, 10)


def _revoked(world: World) -> tuple[httpx2.Client, Callable[[], object]]:
    secret = world.token("status:read")
    return world.program(token=secret), lambda: world.gate.tokens.revoke(world.gate.tokens.all()[-1].id)


def _expired(world: World) -> tuple[httpx2.Client, Callable[[], object]]:
    client, change = world.program("status:read"), "update tokens set expires_at = ?"
    return client, lambda: world.gate.register.change(change, clock.stamp())


def _logged_out(world: World) -> tuple[httpx2.Client, Callable[[], object]]:
    opened = world.person(f"ada{time.monotonic_ns()}")
    return world.browser(opened), lambda: world.gate.sessions.close(opened.session.id)


def _idle(world: World) -> tuple[httpx2.Client, Callable[[], object]]:
    opened = world.person(f"bo{time.monotonic_ns()}")
    return world.browser(opened), lambda: world.gate.register.change("update sessions set seen_at = '2020'")


@pytest.mark.parametrize("path", ["/api/events", "/live"])
@pytest.mark.parametrize("ending", [_revoked, _expired, _logged_out, _idle])
def test_a_stream_ends_with_the_rights_of_whoever_hears(world: World, path: str, ending: Callable[..., object]) -> None:
    """A revoked or expired token, a closed or forgotten session: nothing more is told, and the stream is over."""
    client, end = ending(world)  # type: ignore[misc]
    hearing = _Hearing(client, path)
    _something_runs(world, "media")
    assert hearing.tells("event: ")
    end()
    assert hearing.ended()
    before = hearing.told
    _something_runs(world, "media")
    assert hearing.told == before


def test_the_stream_of_one_run_ends_with_the_rights_of_whoever_hears(world: World) -> None:
    """Also while that run goes on: what becomes of it is not told."""
    enough = threading.Event()

    def work(_app: App, _report: Reporter, _run: Run) -> Outcome:
        enough.wait(30)
        return Outcome()

    run = world.scene.service.start(Order(kind="check", work=work))
    client, end = _revoked(world)
    hearing = _Hearing(client, f"/api/runs/{run.id}/events")
    end()
    assert hearing.ended()
    enough.set()
    world.scene.service.work.wait(run.id, 10)
    assert "succeeded" not in hearing.told


def test_a_stream_tells_no_more_than_the_rights_of_now(world: World) -> None:
    """Whoever is kept to other sources from now on hears nothing of this one, on the stream that is open."""
    opened = world.person(f"eve{time.monotonic_ns()}")
    hearing = _Hearing(world.browser(opened), "/api/events")
    _something_runs(world, "media")
    assert hearing.tells('"media"')
    world.gate.register.change("update people set sources = 'tickets' where name = ?", opened.session.person)
    time.sleep(0.3)
    before = hearing.told.count('"media"')
    _something_runs(world, "media")
    _something_runs(world, "tickets")
    assert hearing.tells('"tickets"')
    assert hearing.told.count('"media"') == before
    world.gate.sessions.close(opened.session.id)
    assert hearing.ended()
