"""Records become rows of an application's tables: each finds its table, its columns and their types, or is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from holdfast.exchange import naming
from holdfast.exchange.reading import ROOT
from holdfast.exchange.records import BadFile, Form, InStretches, Origin, Reader, Record, Stretch
from holdfast.exchange.spool import Spool
from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.records import Column, Key, Reference, Row, Table
from holdfast.sources.exchanging import Interchange, Linewise, Storing

_PARTS = {
    ROOT: ("Event", "events"),
    "csv_content": ("events", "event_store", "event"),
    "featured_entries_json": ("featured_entries", "featured_schedule", "featured_events", "featured"),
}
"""What old systems call a part of their backup, and the tables it may be of."""
_MOST_KEYS = 2_000_000
_OURS = ("holdfast_continuity", "holdfast_guard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """``renamed``: file's table -> ours, "" leaves it out. ``only``: these of the file's tables; empty: all."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()


class Schema:
    """What tables there are. ``tables`` None: nobody knows, so the file's own are taken, with columns of no type."""

    def __init__(self, tables: Mapping[str, Table] | None, references: Sequence[Reference] = ()) -> None:
        self.known = tables is not None
        self.tables: dict[str, Table] = dict(tables or {})
        self.references = list(references)

    def learn(self, name: str, columns: Sequence[str]) -> None:
        """A table that only the file knows."""
        there = {column.name for column in self.tables[name].columns} if name in self.tables else set()
        have = self.tables[name].columns if name in self.tables else ()
        new = tuple(Column(name=column) for column in dict.fromkeys(columns) if column not in there)
        if new or name not in self.tables:
            self.tables[name] = Table(name=name, columns=(*have, *new))


class Taker:
    """Takes whole files, one after another, into a spool. ``examples``: some rows a table has already."""

    def __init__(
        self, schema: Schema, interchange: Interchange, wanted: Wanted, spool: Spool,
        examples: Callable[[Table], Iterable[Row]] = lambda _: (),
    ) -> None:  # fmt: skip
        self._schema = schema
        self._interchange = interchange
        self._wanted = wanted
        self._spool = spool
        self._examples = examples
        self._tables: dict[str, str | None] = {}
        self._columns: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}
        self._storing = interchange if isinstance(interchange, Storing) else None
        self._seen: dict[tuple[str, tuple[str, ...]], set[int]] = {}
        self.warnings: dict[str, None] = {}
        self.apart: tuple[str, Row] | None = None

    @property
    def called(self) -> dict[str, str]:
        """Tables under names of their own in the file: ours -> the file's, where just one is meant."""
        named = [(ours, called) for called, ours in self._tables.items() if ours is not None and called != ROOT]
        often = Counter(ours for ours, _ in named)
        return {ours: called for ours, called in named if ours != called and often[ours] == 1}

    def take(self, reader: Reader, origin: Origin) -> None:
        """Every record of a file. BadFile or UsageError with the place; the spool is then worth nothing."""
        counts: dict[str, int] = {}
        found = reader.stretches(origin) if isinstance(reader, InStretches) else reader.records(origin)
        for each in found:
            counts[each.table] = counts.get(each.table, 0) + (each.rows if isinstance(each, Stretch) else 1)
            name = self._table(each.table)
            if name is None or (isinstance(each, Stretch) and self._took_lines(name, each)):
                continue
            for record in each.singly() if isinstance(each, Stretch) else (each,):
                self._take_one(name, record, reader)
        for table, columns in origin.tables.items():
            if (name := self._table(table)) is not None:
                self._spool.table(name)
                self._learn(name, columns)
        for virtual in origin.virtual:
            kept = "its rows lie in tables of its own in this script, and are left out; holdfast export has them"
            self.warnings[f"{virtual} is a virtual table: {kept}"] = None
        _compare(origin, counts)

    def _take_one(self, name: str, record: Record, reader: Reader) -> None:
        try:
            row = self._row(name, record)
            if self._storing is not None and self._schema.known:
                self._storing.refuse(self._schema.tables[name], row)
            self._refuse_twice(name, row)
            self._spool.put(name, row)
            if record.apart:
                self.apart = name, row
        except HoldfastError as error:
            told = f"{error.what} ({error.where})" if error.where else error.what
            raise BadFile(told, where=reader.place(), why=error.why, hint=error.hint) from error

    def _refuse_twice(self, name: str, row: Row) -> None:
        """UsageError for a key that came before: of two such rows one would be lost when they are restored."""
        table = self._schema.tables.get(name)
        first = table.key if table is not None else ("_id",) if self._interchange.documents else ()
        others = table.unique if table is not None and self._storing is not None else ()
        for columns in filter(None, (first, *others)):
            seen = self._seen.setdefault((name, columns), set())
            values = row.key(columns)
            if len(seen) >= _MOST_KEYS or any(value is None for value in values):
                continue
            key = _mark(values)
            if key in seen:
                told = ", ".join(f"{column} {str(row.values[column])[:40]}" for column in columns)
                raise UsageError(f"{name} has two rows of {told}", hint="take one of them out of the file")
            seen.add(key)

    def _are_new(self, name: str, found: Mapping[tuple[str, ...], Sequence[Key]]) -> bool:
        """Whether no key came before; only then are they held to have come."""
        marks: dict[tuple[str, ...], set[int]] = {}
        for columns, keys in found.items():
            seen = self._seen.setdefault((name, columns), set())
            if len(seen) >= _MOST_KEYS:
                continue
            marks[columns] = set(map(hash, keys))  # as _mark has it for texts
            if len(marks[columns]) < len(keys) or not seen.isdisjoint(marks[columns]):
                return False
        for columns, new in marks.items():
            self._seen[name, columns] |= new
        return True

    def _took_lines(self, name: str, stretch: Stretch) -> bool:
        """Whether the rows could be kept without being taken apart; else each is looked at, and errors have a place."""
        by, table = self._interchange, self._schema.tables.get(name)
        if not isinstance(by, Linewise) or table is None or not self._schema.known or not stretch.columns:
            return False
        try:
            named = self._names(table, stretch.columns)
        except UsageError:
            return False
        names = [named.get(each) for each in stretch.columns]
        if stretch.cells:
            lines = by.lines_of_cells(table, names, stretch.cells)
        else:
            lines = by.lines_of_copy(table, names, stretch.text)
        keys = None if lines is None else by.keys_of_lines(table, lines)
        if lines is None or keys is None or not self._are_new(name, keys):
            return False
        self._spool.put_lines(name, lines, stretch.rows, partial(by.rows_of_lines, table))
        return True

    def _learn(self, name: str, columns: Sequence[str]) -> None:
        if not self._schema.known and not self._interchange.documents:
            self._schema.learn(name, columns)

    def _table(self, called: str) -> str | None:
        """The table meant by what the file calls ``called``; None when it is left out."""
        if called not in self._tables:
            name = self._tables[called] = self._found(called)
            if name in self._schema.tables:
                table = self._schema.tables[name]
                self._interchange.by_example(table, self._examples(table))
        return self._tables[called]

    def _found(self, called: str) -> str | None:
        wanted = self._wanted
        if called.partition(".")[0] in _OURS:
            return None
        if wanted.only and called not in wanted.only and naming.matching(called, wanted.only) is None:
            return None
        if (renamed := wanted.renamed.get(called)) is not None:
            if not renamed:
                return None
            return self._known(renamed)
        for name in _PARTS.get(called, (called,)):
            if found := naming.matching(name, self._schema.tables):
                return found
        return self._known(_PARTS[called][0] if called in _PARTS else called)

    def _known(self, name: str) -> str:
        if found := naming.matching(name, self._schema.tables):
            return found
        if not self._schema.known or self._interchange.documents:
            return name
        raise naming.unknown(name, self._schema.tables)

    def _row(self, name: str, record: Record) -> Row:
        if record.form is Form.RAW:
            return self._interchange.from_raw(record.raw)
        if self._interchange.documents:
            table, values = self._schema.tables.get(name) or Table(name=name, key=("_id",)), record.values
        else:
            self._learn(name, tuple(record.values))
            table = self._schema.tables[name]
            values = self._named(table, record.values)
        if record.form is Form.JSON:
            return self._interchange.taken(table, values)
        convert = self._interchange.from_cell if record.form is Form.CELLS else self._interchange.from_sql
        if self._interchange.documents:  # a field without text is one that the document has not
            found = {name: convert(table, name, one) for name, one in values.items() if one is not None}
            return self._interchange.made(found)
        return Row({name: None if one is None else convert(table, name, one) for name, one in values.items()})

    def _named(self, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values under the columns' own names."""
        names = self._names(table, tuple(values))
        return {names[name]: value for name, value in values.items() if name in names}

    def _names(self, table: Table, called: tuple[str, ...]) -> dict[str, str]:
        """The file's columns -> ours, without those that are computed."""
        names = self._columns.get((table.name, called))
        if names is None:
            names = self._columns[table.name, called] = self._columns_of(table, called)
        return names

    def _columns_of(self, table: Table, called: tuple[str, ...]) -> dict[str, str]:
        exact = {column.name: column for column in table.columns}
        loose: dict[str, list[Column]] = {}
        for each in table.columns:
            loose.setdefault(_loosely(each.name), []).append(each)
        found: dict[str, str] = {}
        strange = []
        for name in called:
            column: Column | None = exact.get(name) or next(iter(loose.get(_loosely(name), ())), None)
            if column is None or column.name in found.values():
                strange.append(name)
            elif not column.generated:
                found[name] = column.name
        if strange:
            raise UsageError(
                f"{table.name} has no column {', '.join(map(repr, strange[:5]))}{' …' if strange[5:] else ''}",
                why=f"its columns: {', '.join(list(exact)[:20])}{' …' if len(exact) > 20 else ''}",
                hint="the schema changed since; import into a source with the old schema, or rename in the file",
            )
        missing = [one.name for one in table.columns if one.name not in found.values() and not one.generated]
        if missing:
            self.warnings[f"{table.name}: the file has no {', '.join(missing)}; imported as NULL"] = None
        return found


def _mark(values: Key) -> int:
    """Short for a key; what Python calls equal and a database does not stays apart."""
    return hash(tuple([value if type(value) is str else (isinstance(value, bool), value) for value in values]))


def _loosely(name: str) -> str:
    return name.strip().replace("_", "").casefold()


def _compare(origin: Origin, counts: Mapping[str, int]) -> None:
    """A document that says how many rows it has must have them."""
    for table, stated in origin.counts.items():
        if counts.get(table, 0) != stated:
            raise BadFile(
                f"the file says that it has {stated:,} rows of {table!r}, it has {counts.get(table, 0):,}",
                where=origin.path, hint="it was written half, or edited; take another backup",
            )  # fmt: skip


class PaperBook:
    """Tables as a file describes them, for sources that can make a snapshot without more (sources.records.Book)."""

    def __init__(self, schema: Schema) -> None:
        self.tables: Mapping[str, Table] = schema.tables
        self.references: Sequence[Reference] = schema.references

    def rows(self, table: Table) -> Iterator[Row]:
        """None: it is paper."""
        del table
        return iter(())

    def find(self, table: Table, columns: tuple[str, ...], wanted: Any) -> Iterator[Row]:
        """None."""
        del table, columns, wanted
        return iter(())

    def parse(self, table: Table, column: str, text: str) -> str:
        """As it is."""
        del table, column
        return text

    def plain(self, value: Any) -> Any:
        """As it is."""
        return value

    def fingerprint(self, table: Table) -> str:
        """The columns."""
        return repr(table.columns)
