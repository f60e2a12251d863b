"""A whole snapshot as the custom archive pg_dump would have written: its definitions, with the rows put in.

The definitions are such an archive already, without data. Entries for data are added to its table of contents
between what rows need and what needs rows; the rows follow as they lie in the snapshot, not decoded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from holdfast.model.errors import UsageError
from holdfast.model.events import Warned
from holdfast.model.snapshot import Item
from holdfast.sources.postgres import items as kinds
from holdfast.sources.postgres.archive_largeobjects import ArchivedLargeObjects
from holdfast.sources.postgres.archive_parts import Contents, Entry, number, read_contents
from holdfast.sources.postgres.definitions_choice import choose
from holdfast.sources.postgres.definitions_sql import split_name
from holdfast.sources.postgres.load_sliced import is_sliced
from holdfast.sources.postgres.names import literal, qualified, quote
from holdfast.sources.postgres.records.pieces import lines_of
from holdfast.sources.postgres.records.text import Form
from holdfast.sources.records import SnapshotView

_FRAME = 1 << 20
_END_OF_COPY = b"\\.\n\n\n"
_READERS = {16: 170000, 15: 160000}
_OLDEST_READER = 120000
_DATA_KINDS = (kinds.KIND_TABLE, kinds.KIND_EXTENSION_CONFIG)


@dataclass(frozen=True, slots=True)
class _Load:
    """Rows to be put in: the entry that announces them and the item they lie in."""

    entry: Entry
    item: Item


class Archive:
    """The archive of a snapshot, or of some of its tables (by the names ``show`` lists)."""

    def __init__(self, view: SnapshotView, tables: Collection[str] | None) -> None:
        self._view = view
        self._tables = tables
        item = view.manifest.item(kinds.DEFINITIONS)
        if item is None or not item.segments:
            raise UsageError(
                "this snapshot holds no definitions, so that no dump can be made of it",
                hint="export it as csv, jsonl or json",
            )
        blocks = view.content.blocks
        self._contents: Contents = read_contents(b"".join(b for one in item.segments for b in blocks(one)))
        self._encoding = str(view.manifest.notes.get("encoding", "UTF8"))

    @property
    def reader_version(self) -> int:
        """The oldest pg_restore that reads it, as a server version."""
        return _READERS.get(self._contents.version[1], _OLDEST_READER)

    def blocks(self) -> Iterator[bytes]:
        """The archive, streaming."""
        loads, others = self._data()
        added = [*(load.entry for load in loads), *others]
        large = self._large_objects()
        made, objects = large.entries(max((each.id for each in added), default=self._last) + 1) if large else ([], None)
        added += [*made, *([objects] if objects else [])]
        yield self._contents.written(added, self._kept())
        for load in loads:
            yield b"\1" + number(load.entry.id)
            yield from self._framed(load.item)
            yield number(0)
        if large is not None and objects is not None:
            yield b"\3" + number(objects.id)
            yield from large.blocks()

    def _kept(self) -> frozenset[int] | None:
        """The definitions that go in; None: all."""
        if self._tables is None:
            return None
        choice = choose(self._contents.definitions, {split_name(name.encode()) for name in self._tables})
        for text in choice.left_out:
            self._view.report(Warned(source="", text=text))
        always = [one.id for one in self._contents.definitions.of("ENCODING", "STDSTRINGS", "SEARCHPATH")]
        return frozenset([*always, *(entry.id for entry in choice.entries)])

    def _data(self) -> tuple[list[_Load], list[Entry]]:
        """(rows, in the order they lie in the file; what is set without rows)."""
        definitions = self._contents.definitions
        of_rows = definitions.of("TABLE", "SEQUENCE", "MATERIALIZED VIEW")
        by_name = {(one.namespace, one.tag): one for one in of_rows}
        next_id = self._last + 1
        place = {(one.namespace, one.tag): at for at, one in enumerate(definitions.entries)}
        loads: list[_Load] = []
        others: list[Entry] = []
        owned = self._sequences()
        for item in self._view.manifest.items():
            if item.kind not in (*_DATA_KINDS, kinds.KIND_SEQUENCE, kinds.KIND_MATVIEW):
                continue
            schema, name = split_name(item.name, definitions.codec)
            of = by_name.get((schema, name))
            entry = Entry(
                id=next_id, tag=name, namespace=schema, owner=of.owner if of else "", needs=(of.id,) if of else ()
            )
            if item.kind in _DATA_KINDS and self._is_wanted(item):
                loads.append(_Load(entry.with_rows(_copy(item, schema, name)), item))
            elif item.kind == kinds.KIND_SEQUENCE and (self._tables is None or (schema, name) in owned):
                others.append(entry.of("SEQUENCE SET", _setval(item, schema, name)))
            elif item.kind == kinds.KIND_MATVIEW and self._tables is None and (item.notes or {}).get("populated"):
                view = f"REFRESH MATERIALIZED VIEW {qualified(schema, name)};\n"
                others.append(entry.of("MATERIALIZED VIEW DATA", view))
            else:
                continue
            next_id += 1
        others.sort(key=lambda entry: place.get((entry.namespace, entry.tag), 0))
        return loads, list(_one_by_one(others))

    def _large_objects(self) -> ArchivedLargeObjects | None:
        item = self._view.manifest.item(kinds.LARGE_OBJECTS)
        if item is None or not item.segments or self._tables is not None:
            return None
        return ArchivedLargeObjects(item, self._view.content, self._contents.definitions.codec)

    @property
    def _last(self) -> int:
        return max((one.id for one in self._contents.definitions.entries), default=0)

    def _is_wanted(self, item: Item) -> bool:
        root = str((item.notes or {}).get("partition_of") or "")
        return self._tables is None or item.label in self._tables or root in self._tables

    def _sequences(self) -> set[tuple[str, str]]:
        """The sequences that go with the chosen tables."""
        kept = self._kept()
        if kept is None:
            return set()
        return {(one.namespace, one.tag) for one in self._contents.definitions.of("SEQUENCE") if one.id in kept}

    def _framed(self, item: Item) -> Iterator[bytes]:
        """The rows of an item in frames, each with its length."""
        pending = bytearray()
        for block in self._rows(item):
            pending += block
            while len(pending) >= _FRAME:
                yield number(_FRAME) + bytes(pending[:_FRAME])
                del pending[:_FRAME]
        pending += _END_OF_COPY
        yield number(len(pending)) + bytes(pending)

    def _rows(self, item: Item) -> Iterator[bytes]:
        notes = item.notes or {}
        form = Form.of(notes.get("columns") or (), notes.get("types") or (), self._encoding)
        for segment in item.segments:
            blocks = self._view.content.blocks(segment)
            if is_sliced(segment):
                yield from lines_of(blocks, form, tuple(map(str, (segment.notes or {}).get("hex") or ())))
            else:
                yield from blocks


def _one_by_one(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Views are filled in order, also where several workers restore: one may read another."""
    before: tuple[int, ...] = ()
    for entry in entries:
        if entry.is_late:
            yield replace(entry, needs=(*entry.needs, *before))
            before = (entry.id,)
        else:
            yield entry


def _setval(item: Item, schema: str, name: str) -> str:
    notes = item.notes or {}
    called = "true" if notes.get("is_called") else "false"
    return f"SELECT pg_catalog.setval({literal(qualified(schema, name))}, {notes.get('last_value', 1)}, {called});\n"


def _copy(item: Item, schema: str, name: str) -> str:
    columns = ", ".join(quote(column) for column in (item.notes or {}).get("columns") or ())
    return f"COPY {qualified(schema, name)} {f'({columns}) ' if columns else ''}FROM stdin;\n"
