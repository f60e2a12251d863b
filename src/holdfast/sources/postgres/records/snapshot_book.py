"""A Book over a snapshot: tables decoded where they lie, found by key without reading what cannot hold it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from holdfast.model.records import Key, Reference, Row, Table, Value
from holdfast.model.snapshot import Item
from holdfast.sources.postgres.definitions_sql import split_name
from holdfast.sources.postgres.items import DEFINITIONS, KIND_EXTENSION_CONFIG, KIND_TABLE
from holdfast.sources.postgres.load_sliced import is_sliced
from holdfast.sources.postgres.records.changes import changes
from holdfast.sources.postgres.records.finding import Finder, Part
from holdfast.sources.postgres.records.judging import elements_of, judged
from holdfast.sources.postgres.records.tables import TablesByName, fingerprint_of, references_of, table_of
from holdfast.sources.postgres.records.tabular import copy_text
from holdfast.sources.postgres.records.telling import told_row
from holdfast.sources.postgres.records.text import Form
from holdfast.sources.postgres.records.typed import typed_in_snapshot
from holdfast.sources.postgres.records.types_defined import TypesDefined, types_defined
from holdfast.sources.postgres.records.units import Unit, stretches
from holdfast.sources.postgres.structure import Structure
from holdfast.sources.records import Book, CopyText, Judged, Lines, SnapshotView, Typed

_KEPT = 16 << 20


class SnapshotBook:
    """sources.records.Book and Comparing. A partitioned table is a table beside its partitions.

    ``answers``: changes found while another book was asked for its own, by that book's id and the item.
    ``notes`` and ``item`` are the manifest's. ``roots``: name of a partition -> that of the partitioned table;
    ``labels``: name of a table -> what the server calls it.
    """

    def __init__(self, view: SnapshotView) -> None:
        self._content = view.content
        self._finder = Finder(view.content, view.shelf, lambda kind: self._types_defined().below(kind))
        self._encoding = str(view.manifest.notes.get("encoding", "UTF8"))
        self._codec = "latin-1" if self._encoding == "SQL_ASCII" else "utf-8"
        self._parts: dict[str, list[Part]] = {}
        self._defined: TypesDefined | None = None
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
        tables = {
            name: table_of(name, one, self._rows(name), self.roots.get(name, "")) for name, one in structures.items()
        }
        short = {name: split_name(name.encode(), "utf-8")[1] for name in structures}
        self._tables = TablesByName(tables, short)
        self._references = references_of(structures, self.roots, names)

    def _add(self, item: Item, structures: dict[str, Structure], roots: dict[str, str]) -> None:
        notes = item.notes or {}
        name = item.label
        structures[name] = Structure.from_notes(notes)
        form = Form.of(notes.get("columns") or (), notes.get("types") or (), self._encoding)
        part = Part(item, form)
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
                yield from self._finder.decoded(part, unit, data)

    def stored(self, part: Part) -> Iterator[tuple[bytes, Iterator[Row]]]:
        """Whole lines as they lie there, nothing where rows lie in pieces; and the rows of them."""
        for unit, data in stretches(self._content, part.item):
            yield data, self._finder.decoded(part, unit, data)

    def find(self, table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
        """See Book."""
        unique = any(set(key) <= set(columns) for key in (table.key, *table.unique) if key)
        unique = unique and not any(None in key for key in wanted)
        return self._finder.find(self._parts[table.name], columns, wanted, unique=unique)

    @property
    def mirrors(self) -> bool:
        """See Mirroring: ``changes`` looks at both sides at once."""
        return True

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
                yield from self._finder.decoded(part, unit, data)

    def _changed(
        self, parts: tuple[Part, Part], other: SnapshotBook, *, keyed: bool
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

    def lines(self, table: Table) -> Lines | None:
        """See Textual: not where rows lie in pieces, nor where partitions have their columns in another order."""
        parts = self._parts[table.name]
        forms = {part.form for part in parts}
        if len(forms) != 1 or any(is_sliced(segment) for part in parts for segment in part.item.segments):
            return None
        form = parts[0].form
        blocks = (data for part in parts for _, data in stretches(self._content, part.item))
        return Lines(meaning=(form.names, form.codec), blocks=blocks, decoded=form.rows)

    def copy_text(self, table: Table) -> Sequence[CopyText]:
        """See Tabular."""
        found = [copy_text(self._content, part.item, part.form) for part in self._parts[table.name]]
        return [] if None in found else [each for each in found if each is not None]

    def parse(self, table: Table, column: str, text: str) -> Value:
        """See Book: what only a server could read is refused."""
        return typed_in_snapshot(table, column, text, self._types_defined)

    def judged(self, table: Table, name: str, typed: Typed, *, ordered: bool) -> Judged | None:
        """See Judging."""
        return judged(table, name, typed.text, self._types_defined, ordered=ordered)

    def elements(self, table: Table, name: str) -> Callable[[Row], Iterable[Value]] | None:
        """See Judging."""
        return elements_of(table, name)

    def _types_defined(self) -> TypesDefined:
        if self._defined is None:
            item = self.item(DEFINITIONS)
            segments = item.segments if item is not None else ()
            self._defined = types_defined(block for segment in segments for block in self._content.blocks(segment))
        return self._defined

    def plain(self, value: Value) -> Any:
        """See Book: text stays text."""
        return value

    def told(self, table: Table, row: Row, *, exact: bool = False) -> dict[str, Any]:
        """See Telling."""
        return told_row(table, row, exact=exact)

    def fingerprint(self, table: Table) -> str:
        """See Book."""
        return fingerprint_of(table)

    def parts(self, name: str) -> list[Part]:
        """The stored parts of a table; empty when there is none of that name."""
        return self._parts.get(name, [])

    @property
    def content(self) -> Any:
        """Where the bytes come from."""
        return self._content
