"""The rules and the page on metrics name metrics that exist, and the page names all of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.service.test_metrics import report, source

from holdfast.service.metrics import metrics_text

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy/prometheus/holdfast.rules.yml"
PAGE = ROOT / "docs/metrics.md"
_NAME = re.compile(r"\bholdfast_[a-z_]+\b")


@pytest.fixture(scope="module")
def exposed() -> dict[str, str]:
    """Every sample's name with the type of its family, when everything is known."""
    instant = "2026-11-21T12:00:00+00:00"
    everything = msgspec.structs.replace(source("shop", 1), rto=1, reach=1, limit=1, last_failure="x")
    told = report(everything)
    store = msgspec.structs.replace(told.repository, bytes_free=1, full_at=instant, cost=1.0, checked_at=instant)
    told = msgspec.structs.replace(told, repository=store, scheduler_at=instant)
    text = metrics_text(told, {("backup", "shop", "succeeded"): 1}).decode()
    return {
        sample.name: family.type
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def rules() -> list[dict[str, Any]]:
    """Of every group."""
    document = yaml.safe_load(RULES.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def documented() -> set[str]:
    """The names in the tables of the page; ``_free_bytes`` beside a name stands for one with another ending."""
    text = PAGE.read_text()
    tables = [line for line in text.splitlines() if line.startswith("| `")]
    found: set[str] = set()
    for line in tables:
        first = re.findall(r"`([a-z_]+)(?:\{[^}]*\})?`", line.split("|")[1])
        for name in first:
            if name.startswith("holdfast_"):
                found.add(name)
            elif name.startswith("_"):
                found.add("holdfast_repository" + name)
            else:
                found.add(f"holdfast_source_{name}")
    return found


def test_every_rule_asks_for_metrics_that_exist(exposed: dict[str, str]) -> None:
    """A rule over a name nobody exposes never fires."""
    assert len(rules()) >= 5
    for rule in rules():
        names = set(_NAME.findall(rule["expr"]))
        assert names, rule["alert"]
        assert names <= exposed.keys(), rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["action"]


def test_the_page_names_every_metric_and_no_other(exposed: dict[str, str]) -> None:
    """In both directions."""
    assert documented() == exposed.keys()


def test_the_page_tells_the_types(exposed: dict[str, str]) -> None:
    """As they are exposed."""
    for line in PAGE.read_text().splitlines():
        if found := re.match(r"\| `(holdfast_[a-z_]+)[^|]*\| (\w+) \|", line):
            told = {"info": "gauge"}.get(found[2], found[2])
            assert exposed[found[1]] == told, line
