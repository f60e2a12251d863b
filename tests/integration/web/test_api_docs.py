"""docs/api.md is true: each of its commands is run against a server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.web.world import CRON_SECRET, World, world_of

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[1:]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if not shutil.which("curl") or not shutil.which("jq"):
        pytest.skip("not proven: the commands of docs/api.md need curl and jq")
    with world_of(tmp_path_factory.mktemp("api")) as made:
        made.scene.back_up("tickets")
        made.scene.back_up("media")
        yield made


def test_every_command_of_the_page_does_what_it_says(world: World) -> None:
    """In the order of the page, each answer below 400."""
    restoring = next(number for number, block in enumerate(BLOCKS) if "PLAN=" in block)
    _run(world, BLOCKS[:restoring])
    world.scene.execute("delete from attendees where event_id = 42")
    told = _run(world, BLOCKS[restoring : restoring + 2])
    assert '"create": 20' in told
    assert '"verified":true' in told
    _run(world, BLOCKS[restoring + 2 :])
    assert world.scene.execute("select count(*) from events where id = 41") == [(1,)]


def _run(world: World, blocks: list[str]) -> str:
    # a command that is refused ends the script, and shows what it was told
    script = 'curl() { command curl --fail-with-body "$@"; }\n' + "\n".join(blocks)
    environ = {**os.environ, "URL": world.scene.url, "TOKEN": world.token(), "CRON_SECRET": CRON_SECRET}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=environ, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    while world.scene.service.journal.unfinished():
        time.sleep(0.1)
    return done.stdout


def test_the_page_names_every_kind_of_plan() -> None:
    """The table of plans is complete."""
    from holdfast.web.describing import described

    named = set(re.findall(r'"const": "([a-z-]+)"', described()))
    shown = {line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")}
    assert shown - {"what"} == named
