"""Finds rows of stored tables by their values: by reading small ones, by the order of keys, by an index of chunks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from holdfast.model.errors import UsageError
from holdfast.model.records import Key, Row
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content
from holdfast.sources.postgres.records.ascending import Ascending
from holdfast.sources.postgres.records.index import KeyIndex
from holdfast.sources.postgres.records.pieces import lines_of
from holdfast.sources.postgres.records.selecting import Selector
from holdfast.sources.postgres.records.text import Form
from holdfast.sources.postgres.records.units import Unit, alone, readings, stretches
from holdfast.sources.records import Shelf

_SCANNED = 2 << 20
_FEW = 8


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one item, and what their lines mean. A partitioned table has several."""

    item: Item
    form: Form


@dataclass(frozen=True, slots=True)
class _Asked:
    """One part, asked for some columns. ``index`` is None where reading everything is quicker."""

    part: Part
    selector: Selector
    index: KeyIndex | None


class Finder:
    """Over the content of one snapshot; what it learns of chunks is kept on the shelf."""

    def __init__(self, content: Content, shelf: Shelf, below: Callable[[str], str] = str) -> None:
        """``below``: the type that a domain is over."""
        self._content = content
        self._shelf = shelf
        self._below = below
        self._indexes: dict[tuple[bytes, tuple[str, ...]], KeyIndex] = {}

    def find(
        self, parts: Sequence[Part], columns: tuple[str, ...], wanted: Collection[Key], *, unique: bool
    ) -> Iterator[Row]:
        """Rows whose ``columns`` are one of ``wanted``. ``unique``: no two rows of all parts have the same."""
        asked = [self._asked(part, columns) for part in parts if part.item.segments]
        if unique and len(wanted) <= _FEW and all(one.selector.plain for one in asked):
            yield from self._each_once(asked, wanted)
            return
        for one in asked:
            for line in self._lines(one, one.selector.sought(wanted)):
                yield from one.part.form.rows(line)

    def decoded(self, part: Part, unit: Unit, data: bytes) -> Iterator[Row]:
        """The rows of a unit."""
        if not unit.sliced:
            yield from part.form.rows(data)
            return
        for line in self._put_together(part, unit):
            yield from part.form.rows(line)

    def _asked(self, part: Part, columns: tuple[str, ...]) -> _Asked:
        selector = Selector(part.form, columns, self._below)
        if not selector.known:
            raise UsageError(
                f"{part.item.label} has no column {' or no column '.join(columns)}",
                hint="columns: " + ", ".join(part.form.names),
            )
        if part.item.size <= _SCANNED:
            return _Asked(part, selector, None)
        where = (part.item.name, columns)
        if where not in self._indexes:
            self._indexes[where] = KeyIndex(self._shelf, self._content, part.item, columns, selector)
        return _Asked(part, selector, self._indexes[where])

    def _each_once(self, asked: Sequence[_Asked], wanted: Collection[Key]) -> Iterator[Row]:
        """What is cheap to look at first; no index is built while that finds everything."""
        later: list[_Asked] = []
        left = set(asked[0].selector.sought(wanted)) if asked else set()
        for one in asked:
            if not left:
                return
            dear = one.index is not None and not one.index.ready
            later += [one] if dear else []
            lines = self._by_order(one, left) if dear else self._lines(one, frozenset(left))
            for line in lines:
                left.discard(one.selector.key(line[:-1]))
                yield from one.part.form.rows(line)
        for one in later:
            for line in self._lines(one, frozenset(left)):
                left.discard(one.selector.key(line[:-1]))
                yield from one.part.form.rows(line)

    def _by_order(self, one: _Asked, left: Collection[bytes]) -> list[bytes]:
        return [line for _, line in Ascending(self._content, one.part.item, one.selector).found(left)]

    def _lines(self, one: _Asked, sought: frozenset[bytes]) -> Iterator[bytes]:
        """Every line with one of these keys."""
        if not sought:
            return
        if one.index is None:
            for unit, data in stretches(self._content, one.part.item):
                yield from self._picked(one, unit, data, sought)
            return
        lines, units = one.index.search(sought)
        yield from lines
        for unit, data in readings(self._content, [unit for unit in units if not unit.sliced]):
            yield from self._picked(one, unit, data, sought)
        for unit in units:
            if unit.sliced:
                yield from self._picked(one, unit, b"", sought)

    def _picked(self, one: _Asked, unit: Unit, data: bytes, sought: frozenset[bytes]) -> Iterator[bytes]:
        if not unit.sliced:
            yield from one.selector.lines(data, sought)
            return
        for line in self._put_together(one.part, unit):
            yield from one.selector.lines(line, sought)

    def _put_together(self, part: Part, unit: Unit) -> Iterator[bytes]:
        return lines_of(self._content.blocks(alone(unit.slices)), part.form, unit.hexadecimal)
