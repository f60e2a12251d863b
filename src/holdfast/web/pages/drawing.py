"""Pictures drawn here, as SVG without scripts or inline styles: they work in every browser, on paper, and in tests."""

# ruff: noqa: S704 - the markup is written here; every value is escaped by Markup.format

from __future__ import annotations

import functools
from collections.abc import Sequence

from markupsafe import Markup, escape

from holdfast.model.report import Day
from holdfast.web.pages import wording

_WORDS = {
    "good": "backed up", "incomplete": "incomplete", "failed": "failed", "missed": "missed", "running": "running",
    "before": "not yet there", "covered": "none made, the one before was young enough",
}  # fmt: skip
_CELL, _GAP, _HIGH = 9, 3, 24


def strip(days: Sequence[Day]) -> Markup:
    """One cell a day, oldest first. States differ in shape too: a full bar, a half, a cross, an empty frame, a dot."""
    wide = max(1, len(days)) * (_CELL + _GAP) - _GAP
    cells = "".join(_day(day, number * (_CELL + _GAP)) for number, day in enumerate(days))
    return Markup(
        f'<svg class="strip" role="img" viewBox="0 0 {wide} {_HIGH}" width="{wide}" height="{_HIGH}"'
        f' aria-label="{escape(_told(days))}">{cells}</svg>'
    )


def _told(days: Sequence[Day]) -> str:
    counted = {state: sum(day.state == state for day in days) for state in _WORDS}
    told = ", ".join(f"{number} {_WORDS[state]}" for state, number in counted.items() if number)
    return f"the last {len(days)} days: {told or 'nothing known'}"


def _day(day: Day, left: int) -> str:
    title = f"{day.date}: {_WORDS.get(day.state, day.state)}"
    if day.snapshots or day.failures:
        title += f", {day.snapshots} good, {day.failures} failed, {wording.size(day.bytes_new)} new"
    return f'<g class="day {escape(day.state)}"><title>{escape(title)}</title>{_shape(day.state, left)}</g>'


@functools.lru_cache(maxsize=1024)
def _shape(state: str, left: int) -> str:
    if state in ("good", "running"):
        return _box(left, 0, _CELL, _HIGH)
    if state == "incomplete":
        return _box(left, _HIGH // 2, _CELL, _HIGH // 2)
    if state == "failed":
        return _box(left, 0, _CELL, _HIGH) + f'<path d="M{left + 2} {_HIGH // 2 - 2}l5 5m0-5l-5 5"/>'
    if state == "missed":
        return _box(left + 0.75, 0.75, _CELL - 1.5, _HIGH - 1.5)
    if state == "covered":
        return _box(left, _HIGH - 5, _CELL, 5)
    return f'<circle cx="{left + _CELL / 2}" cy="{_HIGH / 2}" r="1.5"/>'


def _box(left: float, top: float, wide: float, high: float) -> str:
    return f'<rect x="{left}" y="{top}" width="{wide}" height="{high}" rx="2"/>'


def spark(values: Sequence[float], label: str, *, wide: int = 160, high: int = 32) -> Markup:
    """A line of values from zero up, oldest first, with a dot on the newest; nothing for fewer than two."""
    if len(values) < 2:
        return Markup("")
    top = max(values) or 1.0
    step = (wide - 6) / (len(values) - 1)
    points = [(3 + number * step, high - 3 - each / top * (high - 6)) for number, each in enumerate(values)]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    area = f"{path}L{points[-1][0]:.1f} {high}L3 {high}Z"
    return Markup(
        '<svg class="spark" role="img" viewBox="0 0 {} {}" width="{}" height="{}" aria-label="{}">'
        '<path class="area" d="{}"/><path class="line" d="{}"/><circle cx="{:.1f}" cy="{:.1f}" r="2.5"/></svg>'
    ).format(wide, high, wide, high, label, area, path, *points[-1])


def bar(part: float, label: str) -> Markup:
    """How much of something is done: 0 to 1, more is full."""
    filled = round(max(0.0, min(1.0, part)) * 100, 1)
    return Markup(
        '<svg class="bar" role="img" viewBox="0 0 100 4" preserveAspectRatio="none" aria-label="{}">'
        '<rect class="ground" width="100" height="4"/><rect class="filled" width="{}" height="4"/></svg>'
    ).format(label, filled)


def freshness(age: float | None, limit: float, label: str) -> Markup:
    """An age against what it may be, marked by a stroke; what is over it is told apart. No age: all of it is over."""
    whole = max(limit, age) * 1.04 if age is not None else limit * 2
    reached, mark = (limit * 2 if age is None else max(0.0, age)) / whole * 100, limit / whole * 100
    over = Markup('<rect class="over" x="{:.1f}" y="2" width="{:.1f}" height="4"/>').format(mark, reached - mark)
    return Markup(
        '<svg class="bar fresh" role="img" viewBox="0 0 100 8" preserveAspectRatio="none" aria-label="{}">'
        '<rect class="ground" y="2" width="100" height="4"/><rect class="filled" y="2" width="{:.1f}" height="4"/>{}'
        '<rect class="mark" x="{:.2f}" width="0.25" height="8"/></svg>'
    ).format(label, min(reached, mark), over if reached > mark else "", mark - 0.12)


def chart(values: Sequence[tuple[str, float]], label: str, *, wide: int = 720, high: int = 140) -> Markup:
    """Bars over time, oldest first: (what a pointer shows, value). Where there is JavaScript uPlot takes its place."""
    if not values:
        return Markup("")
    top = max(each for _, each in values) or 1.0
    step = wide / len(values)
    thick = max(1.0, min(14.0, step - 2))
    bars = Markup("").join(
        Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="1.5"><title>{}</title></rect>').format(
            number * step + (step - thick) / 2, high - each / top * high, thick, max(1.0, each / top * high), title
        )
        for number, (title, each) in enumerate(values)
    )
    return Markup(
        '<svg class="chart{}" role="img" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-label="{}">{}</svg>'
    ).format(" low" if high < 100 else "", wide, high, escape(label), bars)


def cell(state: str) -> Markup:
    """One cell of the strip, for its legend."""
    return Markup(
        f'<svg viewBox="0 0 {_CELL} {_HIGH}" width="{_CELL}" height="18"><g class="day {escape(state)}">'
        f"{_shape(state, 0)}</g></svg>"
    )
