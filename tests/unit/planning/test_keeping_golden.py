"""What the keep rules decide, case by case in tests/golden/retention, as an operator reads it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.unit.planning.test_keeping import snapshot

from holdfast.model.keeping import Candidate, Decision, KeepRules, KeepTerms
from holdfast.planning.keeping import decide
from holdfast.wiring.units import parse_duration

GOLDEN = Path(__file__).parents[2] / "golden" / "retention"
CASES = sorted(path.stem for path in GOLDEN.glob("*.txt"))
FACTS: dict[str, dict[str, Any]] = {
    "incomplete": {"status": "incomplete"},
    "pinned": {"pinned": True},
    "partial": {"partial": True},
    "entity": {"partial": True, "more": {"entity": {"name": "event"}}},
    "guard": {"partial": True, "trigger": "guard", "more": {"guard": {}}},
    "undo": {"partial": True, "trigger": "pre-restore", "undo": {"to": "here"}},
    "before": {"partial": True, "trigger": "pre-restore", "undo": {"to": None}, "more": {"whole": True}},
    "imported": {"partial": True, "trigger": "import"},
}


def _facts(marks: list[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for mark in marks:
        name, _, value = mark.partition("=")
        if name == "label":
            facts["name"] = value
        elif name == "trigger":
            facts["trigger"] = value
        elif name == "env":
            facts["more"] = {"environment": value}
        elif name == "needed":
            facts["needed_by"] = value.replace("_", " ")
        else:
            facts.update(FACTS[mark])
    return facts


def _snapshots(line: str, zone: ZoneInfo) -> Iterator[Candidate]:
    """``2026-11-20T04:00 marks…``, or ``from 2026-11-01T04:00 to 2026-11-20T04:00 every 1d marks…``."""
    words = line.split()
    if words[0] != "from":
        at = _moment(words[0], zone)
        yield snapshot(_id(at), at, **_facts(words[1:]))
        return
    at, until, step = _moment(words[1], zone), _moment(words[3], zone), parse_duration(words[5])
    while at <= until:
        yield snapshot(_id(at), at, **_facts(words[6:]))
        at = at + step if step < timedelta(days=1) else _later(at, step, zone)


def _id(at: datetime) -> str:
    """Eight digits that tell one moment from another."""
    return f"{int(at.timestamp()) // 60:08x}"


def _moment(text: str, zone: ZoneInfo) -> datetime:
    """A local time; a ``*`` behind it is the second one of the night in which the hour comes twice; ``Z`` is UTC."""
    if text.endswith("Z"):
        return datetime.fromisoformat(text)
    return datetime.fromisoformat(text.rstrip("*")).replace(tzinfo=zone, fold=text.endswith("*")).astimezone(UTC)


def _later(at: datetime, step: timedelta, zone: ZoneInfo) -> datetime:
    """The same time of the day, whatever clocks did in between."""
    local = at.astimezone(zone).replace(tzinfo=None) + step
    return local.replace(tzinfo=zone).astimezone(UTC)


def _name(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%dT%H:%M}" + ("*" if local.fold else "")


def _rules(words: list[str]) -> KeepRules:
    given = dict(word.split("=") for word in words)
    return KeepRules(**{k: parse_duration(v) if k == "within" else int(v) for k, v in given.items()})


def _play(text: str) -> str:
    """The case as it should read: what stands above the line, then the decisions, newest first."""
    given_part = text.split("\n----\n", maxsplit=1)[0]
    lines = [line.split("#")[0] for line in given_part.splitlines()[1:] if line.split("#")[0].strip()]
    series = [line for line in lines if line[0].isdigit() or line.startswith("from")]
    told = {line.split()[0]: line.split()[1:] for line in lines if line not in series}
    zone = ZoneInfo(told.get("zone", ["UTC"])[0])
    terms = KeepTerms(
        source="shop", zone=zone.key, rules=_rules(told["keep"]), triggers=tuple(told.get("triggers", ())),
        environment=told.get("environment", ["production"])[0],
    )  # fmt: skip
    candidates = [each for line in series for each in _snapshots(line, zone)]
    decisions = decide(candidates, terms, _moment(told["now"][0], zone))
    shown = [_line(each, zone) for each in reversed(decisions) if each.keep or "all" in told]
    stays = sum(each.keep for each in decisions)
    return "\n".join([given_part, "----", f"{stays} of {len(decisions)} stay", *shown]) + "\n"


def _line(decision: Decision, zone: ZoneInfo) -> str:
    at = _name(datetime.fromisoformat(decision.info.created_at), zone)
    return f"{decision.info.id}  {at:<18}{decision.words}"


@pytest.mark.parametrize("case", CASES)
def test_the_decisions_are_the_ones_an_operator_expects(case: str) -> None:
    """Each golden file: snapshots and rules above the line, what stays and why below it."""
    text = (GOLDEN / f"{case}.txt").read_text()
    assert _play(text) == text


def test_the_golden_folder_is_not_empty() -> None:
    """Without cases the test above would pass for nothing."""
    assert len(CASES) >= 10
