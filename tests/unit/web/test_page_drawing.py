"""Pictures drawn on the server: states differ in shape, values are told in words, nothing in them is markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from holdfast.model.report import Day
from holdfast.web.pages import drawing

STATES = ("good", "incomplete", "failed", "missed", "running", "covered", "before")


def test_each_state_of_a_day_is_told_in_words_and_missed_is_no_gap() -> None:
    """The label counts every state; each cell has its own words."""
    days = [Day(date=f"2026-11-{number:02}", state=state) for number, state in enumerate(STATES, 1)]
    drawn = ET.fromstring(drawing.strip(days))
    assert "1 missed" in drawn.attrib["aria-label"]
    titles = [each.text for each in drawn.iter() if each.tag.endswith("title")]
    assert titles[3] == "2026-11-04: missed"
    assert len(titles) == len(STATES)


def test_good_failed_missed_and_not_yet_there_differ_without_colour() -> None:
    """Their shapes are not the same."""
    shapes = {
        state: str(drawing.cell(state)).split("<g")[1].replace(state, "") for state in ("good", "failed", "before")
    }
    assert len(set(shapes.values())) == 3
    assert 'width="7.5"' in drawing.cell("missed")


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0], [0.0, 5.0, 2.0]])
def test_a_sparkline_is_drawn_from_two_values_on(values: list[float]) -> None:
    """Fewer say nothing; equal ones are a flat line and no division by nothing."""
    drawn = drawing.spark(values, "size")
    assert bool(drawn) == (len(values) > 1)
    if drawn:
        ET.fromstring(drawn)


def test_what_is_drawn_escapes_its_words() -> None:
    """A label is text, whatever it says."""
    drawn = drawing.chart([('<script>"x"</script>', 1.0)], '<b>"label"</b>')
    ET.fromstring(drawn)
    assert "<script>" not in drawn
    assert "<b>" not in drawn


def test_a_bar_stays_within_its_frame() -> None:
    """Twice the whole is a full bar."""
    assert 'width="100.0"' in drawing.bar(2.0, "read")


@pytest.mark.parametrize(
    ("age", "late"), [(600.0, False), (3600.0, False), (5400.0, True), (259_200.0, True), (None, True)]
)
def test_an_age_over_its_limit_is_told_apart_and_the_limit_is_marked(age: float | None, late: bool) -> None:
    """What is over has a shape of its own; nothing leaves the frame."""
    drawn = ET.fromstring(drawing.freshness(age, 3600.0, "age"))
    shapes = {each.attrib["class"]: each.attrib for each in drawn}
    assert ("over" in shapes) == late
    assert all(float(each.get("x", 0)) + float(each["width"]) <= 100 for each in shapes.values())
    assert 0 < float(shapes["mark"]["x"]) < 100


def test_a_line_of_sizes_begins_at_zero() -> None:
    """A small change of something large looks small."""
    drawn = ET.fromstring(drawing.spark([32.6, 32.2], "size", high=32))
    line = next(each.attrib["d"] for each in drawn if each.attrib.get("class") == "line")
    first, last = (float(point.split()[1]) for point in line[1:].split("L"))
    assert abs(first - last) < 1
