"""An application in memory: a LiveBook over lists of rows, with keys, foreign keys and cascades, for tests above it."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from holdfast.model.errors import TargetError, UsageError
from holdfast.model.records import Column, Key, Reference, Row, Table, Value
from holdfast.sources.records import Book, Write

Rows = dict[str, list[dict[str, Value]]]


class MemoryBook:
    """Book (sources.records). Values are int, str, None; a column of type "json" holds JSON text.

    ``asked`` counts what was asked: "rows TABLE", "find TABLE".
    """

    def __init__(
        self,
        tables: Sequence[Table],
        rows: Mapping[str, Sequence[Mapping[str, Value]]],
        references: Sequence[Reference] = (),
    ) -> None:
        self.tables: Mapping[str, Table] = {table.name: table for table in tables}
        self.references = list(references)
        self.data: Rows = {name: [dict(row) for row in rows.get(name, ())] for name in self.tables}
        self.asked: Counter[str] = Counter()

    def rows(self, table: Table) -> Iterator[Row]:
        """See sources.records.Book."""
        self.asked[f"rows {table.name}"] += 1
        return (Row(dict(row)) for row in list(self.data[table.name]))

    def find(self, table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
        """See sources.records.Book."""
        self.asked[f"find {table.name}"] += 1
        names = {column.name for column in table.columns}
        for column in columns:
            if column not in names and not any(column.startswith((name + ".", name + "[]")) for name in names):
                raise UsageError(f"{table.name} has no column {column}")
        keys = set(wanted)
        direct = names.issuperset(columns)
        for row in list(self.data[table.name]):
            if _key(row, columns) in keys if direct else any(_matches(row, names, columns, key) for key in keys):
                yield Row(dict(row))

    def parse(self, table: Table, column: str, text: str) -> Value:
        """See sources.records.Book."""
        declared = next((each.type for each in table.columns if each.name == column), "")
        if declared != "int":
            return text
        try:
            return int(text)
        except ValueError as error:
            raise UsageError(f"{text} cannot stand in {table.name}.{column}") from error

    def plain(self, value: Value) -> Any:
        """See sources.records.Book."""
        return value

    def fingerprint(self, table: Table) -> str:
        """See sources.records.Book."""
        return hashlib.sha256(repr((table.columns, table.key)).encode()).hexdigest()

    def rows_not_shared(self, table: Table, other: Book) -> Iterator[Row]:
        """See sources.records.Comparing."""
        theirs = Counter(repr(sorted(row.values.items())) for row in other.rows(other.tables[table.name]))
        for row in self.rows(table):
            same = repr(sorted(row.values.items()))
            if theirs[same]:
                theirs[same] -= 1
            else:
                yield row

    def snapshot(self) -> MemoryBook:
        """The application as it is now, which does not change any more."""
        return MemoryBook(list(self.tables.values()), copy.deepcopy(self.data), self.references)


class MemoryLiveBook(MemoryBook):
    """LiveBook (sources.records): one transaction at a time. ``written`` lists what was committed."""

    def __init__(
        self,
        tables: Sequence[Table],
        rows: Mapping[str, Sequence[Mapping[str, Value]]],
        references: Sequence[Reference] = (),
    ) -> None:
        super().__init__(tables, rows, references)
        self.written: list[Write] = []
        self.closed = False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        """See sources.records.LiveBook."""
        before = copy.deepcopy(self.data)
        transaction = MemoryTransaction(self)
        try:
            yield transaction
            transaction.require_parents()
        except BaseException:
            self.data = before
            raise
        self.written += transaction.done

    def close(self) -> None:
        """See sources.records.LiveBook."""
        self.closed = True


class MemoryTransaction:
    """LiveTransaction (sources.records)."""

    def __init__(self, book: MemoryLiveBook) -> None:
        self.book = book
        self.done: list[Write] = []
        self.deferred = False
        self._counts: dict[str, list[int]] = {}
        self._given: dict[tuple[str, str], int] = {}
        self._taken: dict[tuple[str, Sequence[str]], set[Key]] = {}

    def find(
        self, table: Table, columns: tuple[str, ...], wanted: Collection[Key], *, lock: bool = False
    ) -> Iterator[Row]:
        """See sources.records.LiveTransaction."""
        del lock
        return self.book.find(table, columns, wanted)

    def write(self, writes: Sequence[Write]) -> int:
        """See sources.records.LiveTransaction."""
        count = 0
        for (verb, name), group in itertools.groupby(writes, lambda each: (each.verb, each.table)):
            table = self.book.tables.get(name)
            if table is None:
                raise TargetError(f"there is no table {name}")
            for write in group:
                self._expect(table, write)
                count += getattr(self, f"_{verb}")(table, write)
                self.done.append(write)
            if not self.deferred:
                self.require_parents()
        return count

    def defer_constraints(self) -> None:
        """See sources.records.LiveTransaction."""
        self.deferred = True

    def next_id(self, table: Table, column: str, count: int) -> list[Value]:
        """See sources.records.LiveTransaction: numbers, or texts ``new-1`` for columns of texts."""
        taken = [row[column] for row in self.book.data[table.name]]
        numbers = [each for each in taken if isinstance(each, int)]
        first = max([*numbers, self._given.get((table.name, column), 0)]) + 1
        self._given[table.name, column] = first + count - 1
        is_text = next((each.type for each in table.columns if each.name == column), "") == "text"
        return [f"new-{number}" if is_text else number for number in range(first, first + count)]

    def advance_sequences(self, table: Table) -> None:
        """See sources.records.LiveTransaction: numbers follow the rows by themselves."""

    def affected(self) -> Mapping[str, tuple[int, int, int]]:
        """See sources.records.LiveTransaction."""
        return {name: (each[0], each[1], each[2]) for name, each in self._counts.items()}

    def require_parents(self) -> None:
        """TargetError for the first row that refers to one that is not there."""
        for reference in self.book.references:
            if any("." in column or "[]" in column for column in reference.columns):
                continue
            there = {tuple(row[c] for c in reference.to_columns) for row in self.book.data[reference.to]}
            for row in self.book.data[reference.table]:
                key = tuple(row[column] for column in reference.columns)
                if None not in key and key not in there:
                    raise TargetError(f"{reference.table} {row} refers to a row of {reference.to} that is not there")

    def _expect(self, table: Table, write: Write) -> None:
        if write.expect is None:
            return
        columns = table.key or tuple(write.expect.values)
        now = [row for row in self.book.data[table.name] if _key(row, columns) == write.expect.key(columns)]
        if not any(all(row.get(n) == v for n, v in write.expect.values.items()) for row in now):
            raise TargetError(f"a row changed meanwhile: {table.name} {dict(write.row.values)}")

    def _insert(self, table: Table, write: Write) -> int:
        names = {column.name for column in table.columns}
        if unknown := [name for name in write.row.values if name not in names]:
            raise TargetError(f"{table.name} has no column {', '.join(unknown)}")
        row = {column.name: write.row.values.get(column.name) for column in table.columns}
        for column in table.columns:
            if column.generated:
                row[column.name] = None
            elif not column.nullable and row[column.name] is None:
                raise TargetError(f"{table.name}.{column.name} may not be NULL: {row}")
        self._require_unique(table, row, None)
        self.book.data[table.name].append(row)
        for columns in (table.key, *table.unique):
            self._taken.get((table.name, columns), set()).add(_key(row, columns))
        self._count(table.name, 0)
        return 1

    def _update(self, table: Table, write: Write) -> int:
        names = write.columns or tuple(name for name in write.row.values if name not in table.key)
        whole = write.expect if not table.key else None
        found = [row for row in self.book.data[table.name] if _is_row(row, table, whole or write.row)]
        for row in found[:1]:
            changed = {**row, **{name: write.row.values[name] for name in names}}
            self._require_unique(table, changed, row)
            row.update(changed)
            self._count(table.name, 1)
        return len(found[:1])

    def _delete(self, table: Table, write: Write) -> int:
        found = [row for row in self.book.data[table.name] if _is_row(row, table, write.row)]
        for row in found[:1]:
            self._remove(table.name, row)
        return len(found[:1])

    def _remove(self, name: str, row: dict[str, Value]) -> None:
        data = self.book.data[name]
        if not any(each is row for each in data):
            return
        self.book.data[name] = [each for each in data if each is not row]
        self._taken.clear()
        self._count(name, 2)
        for reference in self.book.references:
            if reference.to != name:
                continue
            key = _key(row, reference.to_columns)
            for child in list(self.book.data[reference.table]):
                if _key(child, reference.columns) != key or None in key:
                    continue
                if reference.on_delete == "cascade":
                    self._remove(reference.table, child)
                elif reference.on_delete == "set null":
                    child.update(dict.fromkeys(reference.columns))
                    self._count(reference.table, 1)

    def _require_unique(self, table: Table, row: Mapping[str, Value], old: Mapping[str, Value] | None) -> None:
        for columns in (table.key, *table.unique):
            key = _key(row, columns)
            if not columns or None in key:
                continue
            if old is not None:
                self._taken.pop((table.name, columns), None)
                taken = {_key(each, columns) for each in self.book.data[table.name] if each is not old}
            elif (table.name, columns) not in self._taken:
                taken = {_key(each, columns) for each in self.book.data[table.name]}
                self._taken[table.name, columns] = taken
            else:
                taken = self._taken[table.name, columns]
            if key in taken:
                raise TargetError(f"{table.name} has a row with {columns} = {key} already")

    def _count(self, name: str, what: int) -> None:
        self._counts.setdefault(name, [0, 0, 0])[what] += 1


def _key(row: Mapping[str, Value], columns: Sequence[str]) -> Key:
    return tuple(row.get(column) for column in columns)


def _is_row(row: Mapping[str, Value], table: Table, wanted: Row) -> bool:
    return _key(row, table.key or tuple(wanted.values)) == wanted.key(table.key or tuple(wanted.values))


def _matches(row: Mapping[str, Value], names: Collection[str], columns: Sequence[str], key: Key) -> bool:
    return all(
        row[column] == value
        if column in names
        else any(str(each) == str(value) for each in _at_path(row, names, column) if each is not None)
        for column, value in zip(columns, key, strict=True)
    )


def _at_path(row: Mapping[str, Value], names: Collection[str], path: str) -> list[Any]:
    base = max((name for name in names if path.startswith((name + ".", name + "[]"))), key=len)
    try:
        found = [json.loads(str(row[base]))]
    except ValueError:
        return []
    for step in path.removeprefix(base).removeprefix(".").split("."):
        name = step.removesuffix("[]")
        if name:
            found = [each[name] for each in found if isinstance(each, dict) and name in each]
        if step.endswith("[]"):
            found = [inner for each in found if isinstance(each, list) for inner in each]
    return found


def table_of(name: str, *columns: str, unique: Sequence[tuple[str, ...]] = ()) -> Table:
    """A table from "id int key", "title text", "event int not null", "doubled int generated", "payload json"."""
    words = [column.rpartition(" not null")[0] or column for column in columns]
    parts = [(word.split(" "), word == column) for word, column in zip(words, columns, strict=True)]
    return Table(
        name=name,
        columns=tuple(
            Column(name=each[0], type=each[1], nullable=nullable and "key" not in each, generated="generated" in each)
            for each, nullable in parts
        ),
        key=tuple(each[0] for each, _ in parts if "key" in each[2:]),
        unique=tuple(unique),
        sequences={each[0]: "memory" for each, _ in parts if each[1:] == ["int", "key"]},
    )
