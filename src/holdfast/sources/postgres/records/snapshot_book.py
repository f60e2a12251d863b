"""A Book over a snapshot: tables decoded where they lie, found by key without reading what cannot hold it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.model.errors import UsageError
from holdfast.model.records import Key, Reference, Row, Table, Value
from holdfast.model.snapshot import Item
from holdfast.sources.postgres.definitions_sql import split_name
from holdfast.sources.postgres.items import KIND_EXTENSION_CONFIG, KIND_TABLE
from holdfast.sources.postgres.records.ascending import Ascending
from holdfast.sources.postgres.records.changes import changes
from holdfast.sources.postgres.records.index import KeyIndex
from holdfast.sources.postgres.records.pieces import lines_of
from holdfast.sources.postgres.records.selecting import Selector
from holdfast.sources.postgres.records.tables import TablesByName, fingerprint_of, references_of, table_of
from holdfast.sources.postgres.records.text import Form
from holdfast.sources.postgres.records.typed import typed
from holdfast.sources.postgres.records.units import Unit, alone, readings, stretches
from holdfast.sources.postgres.structure import Structure
from holdfast.sources.records import Book, SnapshotView

_SCANNED = 2 << 20
_FEW = 8
_KEPT = 16 << 20


@dataclass(frozen=True, slots=True)
class _Part:
    """The rows of one item, and what their lines mean."""

    item: Item
    form: Form


class SnapshotBook:
    """sources.records.Book and Comparing. A partitioned table is a table beside its partitions.

    ``answers``: changes found while another book was asked for its own, by that book's id and the item.
    ``notes`` and ``item`` are the manifest's. ``roots``: name of a partition -> that of the partitioned table;
    ``labels``: name of a table -> what the server calls it.
    """

    def __init__(self, view: SnapshotView) -> None:
        self._content = view.content
        self._shelf = view.shelf
        self._encoding = str(view.manifest.notes.get("encoding", "UTF8"))
        self._codec = "latin-1" if self._encoding == "SQL_ASCII" else "utf-8"
        self._parts: dict[str, list[_Part]] = {}
        self._indexes: dict[tuple[bytes, tuple[str, ...]], KeyIndex] = {}
        self.id = view.id
        self.answers: dict[tuple[str, bytes], list[tuple[Unit, bytes]]] = {}
        self.notes = view.manifest.notes
        self.roots: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.item = view.manifest.item
        structures: dict[str, Structure] = {}
        names: dict[str, str] = {}
        for item in view.manifest.items():
            if item.kind in (KIND_TABLE, KIND_EXTENSION_CONFIG):
                self._add(item, structures, self.roots)
                self.labels[item.label] = item.name.decode(self._codec, "surrogateescape")
                names[self.labels[item.label]] = item.label
        tables = {name: table_of(name, one, self._rows(name)) for name, one in structures.items()}
        short = {name: split_name(name.encode(), "utf-8")[1] for name in structures}
        self._tables = TablesByName(tables, short)
        self._references = references_of(structures, self.roots, names)

    def _add(self, item: Item, structures: dict[str, Structure], roots: dict[str, str]) -> None:
        notes = item.notes or {}
        name = item.label
        structures[name] = Structure.from_notes(notes)
        form = Form.of(notes.get("columns") or (), notes.get("types") or (), self._encoding)
        part = _Part(item, form)
        self._parts.setdefault(name, []).append(part)
        root = notes.get("partition_of")
        if root:
            roots[name] = str(root)
            structures.setdefault(str(root), Structure.from_notes(notes.get("root") or notes))
            self._parts.setdefault(str(root), []).append(part)

    def _rows(self, name: str) -> int:
        return sum(part.item.rows for part in self._parts[name])

    @property
    def tables(self) -> Mapping[str, Table]:
        """See Book."""
        return self._tables

    @property
    def references(self) -> Sequence[Reference]:
        """See Book."""
        return self._references

    def rows(self, table: Table) -> Iterator[Row]:
        """See Book."""
        for part in self._parts[table.name]:
            for unit, data in stretches(self._content, part.item):
                yield from self._decoded(part, unit, data)

    def find(self, table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
        """See Book."""
        unique = any(set(key) <= set(columns) for key in (table.key, *table.unique) if key)
        unique = unique and not any(None in key for key in wanted)
        for part in self._parts[table.name]:
            selector = Selector(part.form, columns)
            if not selector.known:
                raise UsageError(
                    f"{table.name} has no columns {', '.join(columns)}",
                    hint="columns: " + ", ".join(part.form.names),
                )
            sought = selector.sought(wanted)
            for line in self._found(part, columns, selector, sought, unique=unique):
                yield from part.form.rows(line)

    def rows_not_shared(self, table: Table, other: Book) -> Iterator[Row]:
        """See Comparing. What the other side's answer will be is found on the way, and kept while it is small."""
        theirs = {part.item.name: part for part in other.parts(table.name)} if isinstance(other, SnapshotBook) else {}
        for part in self._parts[table.name]:
            their = theirs.get(part.item.name)
            if not isinstance(other, SnapshotBook) or their is None or their.form != part.form:
                units = stretches(self._content, part.item)
            else:
                units = self._changed((part, their), other, keyed=bool(table.key))
            for unit, data in units:
                yield from self._decoded(part, unit, data)

    def _changed(
        self, parts: tuple[_Part, _Part], other: SnapshotBook, *, keyed: bool
    ) -> Iterator[tuple[Unit, bytes]]:
        name = parts[0].item.name
        known = self.answers.pop((other.id, name), None)
        if known is not None:
            yield from known
            return
        theirs: list[tuple[Unit, bytes]] = []
        size = 0
        sides = ((self._content, parts[0].item), (other.content, parts[1].item))
        for side, unit, data in changes(sides, keyed=keyed):
            if not side:
                yield unit, data
            elif size <= _KEPT:
                size += len(data)
                theirs.append((unit, data))
        if size <= _KEPT:
            other.answers[self.id, name] = theirs

    def parse(self, table: Table, column: str, text: str) -> Value:
        """See Book."""
        return typed(table, column, text)

    def plain(self, value: Value) -> Any:
        """See Book: text stays text."""
        return value

    def fingerprint(self, table: Table) -> str:
        """See Book."""
        return fingerprint_of(table)

    def parts(self, name: str) -> list[_Part]:
        """The stored parts of a table; empty when there is none of that name."""
        return self._parts.get(name, [])

    @property
    def content(self) -> Any:
        """Where the bytes come from."""
        return self._content

    def _found(
        self, part: _Part, columns: tuple[str, ...], selector: Selector, sought: frozenset[bytes], *, unique: bool
    ) -> Iterator[bytes]:
        """Lines with these keys."""
        if not sought or not part.item.segments:
            return
        if part.item.size <= _SCANNED:
            for unit, data in stretches(self._content, part.item):
                yield from self._picked(part, unit, data, selector, sought)
            return
        index = self._index(part, columns, selector)
        if not index.ready and unique and len(sought) <= _FEW and selector.plain:
            left = set(sought)
            for key, line in Ascending(self._content, part.item, selector).found(sought):
                left.discard(key)
                yield line
            if not left:
                return
            sought = frozenset(left)
        lines, units = index.search(sought)
        yield from lines
        for unit, data in self._read(units):
            yield from self._picked(part, unit, data, selector, sought)

    def _read(self, units: list[Unit]) -> Iterator[tuple[Unit, bytes]]:
        yield from readings(self._content, [unit for unit in units if not unit.sliced])
        for unit in units:
            if unit.sliced:
                yield unit, b""

    def _index(self, part: _Part, columns: tuple[str, ...], selector: Selector) -> KeyIndex:
        where = (part.item.name, columns)
        if where not in self._indexes:
            self._indexes[where] = KeyIndex(self._shelf, self._content, part.item, columns, selector)
        return self._indexes[where]

    def _picked(
        self, part: _Part, unit: Unit, data: bytes, selector: Selector, sought: frozenset[bytes]
    ) -> Iterator[bytes]:
        if not unit.sliced:
            yield from selector.lines(data, sought)
            return
        for line in self._lines(part, unit):
            yield from selector.lines(line, sought)

    def _decoded(self, part: _Part, unit: Unit, data: bytes) -> Iterator[Row]:
        if not unit.sliced:
            yield from part.form.rows(data)
            return
        for line in self._lines(part, unit):
            yield from part.form.rows(line)

    def _lines(self, part: _Part, unit: Unit) -> Iterator[bytes]:
        return lines_of(self._content.blocks(alone(unit.slices)), part.form, unit.hexadecimal)
