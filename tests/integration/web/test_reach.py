"""An application that accepts connections and never answers."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.web.world import CONFIG, World, world_of

from holdfast.web import reach


@pytest.fixture
def hole() -> Iterator[socket.socket]:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0), backlog=100)) as made:
        yield made


@pytest.fixture
def world(hole: socket.socket, tmp_path: Path) -> Iterator[World]:
    url = f"postgresql://u@127.0.0.1:{hole.getsockname()[1]}/db"
    text = CONFIG.replace("[entities.event]", f'[sources.hung]\nurl = "{url}"\n\n[entities.event]')
    with world_of(tmp_path, text) as made:
        made.scene.back_up("tickets")
        yield made


def test_what_hangs_stops_nobody_else(world: World, hole: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two wait for it, whoever comes then is told so soon, and the backups are told as fast as ever."""
    monkeypatch.setattr(reach, "_PATIENCE", 0.2)
    monkeypatch.setattr(reach, "_SLOW", 0.5)
    with world.program() as client, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(world.program()) for _ in range(2)]
        threads = [threading.Thread(target=each.get, args=("/api/trash",)) for each in waiting]
        for each in threads:
            each.start()
        time.sleep(1)
        for path in ("/api/trash", "/trash", "/explore?source=tickets&item=events&key=1"):
            assert client.get(path).status_code == 503
        assert client.get("/api/backups").status_code == 200
        assert [each.is_alive() for each in threads] == [True, True]
        hole.close()
        for each in threads:
            each.join()
        told = client.get("/api/trash").json()
        assert "did not answer just now" in told["warnings"][0]
