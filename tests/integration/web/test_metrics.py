"""/metrics over a socket: to a token with the right scope, with runs counted, and never green without evidence."""

from __future__ import annotations

import shutil
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from tests.integration.web.world import GUARDED, World, world_of


def _scraped(world: World, token: str) -> dict[tuple[str, ...], float]:
    with world.browser(None, authorization=f"Bearer {token}") as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_scrape_with_a_token_counts_runs_and_tells_ages(tmp_path: Path) -> None:
    """What Prometheus is told after a good run and a failed one; without the token, or with another scope, nothing."""
    with world_of(tmp_path / "world", GUARDED) as world:
        with world.browser() as client:
            assert client.get("/metrics").status_code == 401
        other = world.token("backup:run")
        with world.browser(None, authorization=f"Bearer {other}") as client:
            assert client.get("/metrics").status_code == 403
        token = world.token("status:read")
        before = _scraped(world, token)
        assert not any(name[0] == "holdfast_runs_total" for name in before)
        world.scene.back_up("tickets")
        shutil.rmtree(world.scene.folder / "media")
        world.scene.back_up("media")
        found = _scraped(world, token)
        assert found["holdfast_up",] == 1
        assert found["holdfast_runs_total", "backup", "succeeded", "tickets"] == 1
        assert found["holdfast_runs_total", "backup", "failed", "media"] == 1
        age = {name: value for name, value in found.items() if name[0] == "holdfast_source_newest_snapshot_age_seconds"}
        assert [name for name in age if "media" in name] == []
        ((_, value),) = [each for each in age.items() if "tickets" in each[0]]
        assert 0 <= value < 60
        (world.scene.folder / "repository").rename(world.scene.folder / "gone")
        blind = _scraped(world, token)
        (world.scene.folder / "gone").rename(world.scene.folder / "repository")
        assert blind["holdfast_up",] == 0
        assert not any("source" in name[0] for name in blind if name[0] != "holdfast_runs_total")
