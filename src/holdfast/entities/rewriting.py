"""References inside a copy lead to the copies: plain, composite, in arrays, inside JSON and documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from holdfast.entities.closure import Closure, Identity, Member
from holdfast.entities.graph import Edge
from holdfast.entities.ordering import is_path, spoken
from holdfast.entities.paths import base_of, with_key_replaced, with_replaced
from holdfast.model.errors import UsageError
from holdfast.model.records import Key, Row, Value

_PASSES = 12


class Rewriting:
    """Of ``rows``, in place; what they are now is what stood there before. ``given``: columns that are not touched."""

    def __init__(self, closure: Closure, rows: dict[Identity, Row], given: Callable[[str], set[str]]) -> None:
        self._closure, self._rows, self._given = closure, rows, given
        self._start = dict(rows)

    def run(self) -> None:
        """Until nothing changes: a key may be made of references, and be referred to in turn.

        Values inside others are replaced from what they were: a new id may be an old one of somebody else.
        """
        inside = {
            (edge.reference.table, column)
            for edge in self._closure.graph.edges for column in edge.reference.columns if is_path(column)
        }  # fmt: skip
        for _ in range(_PASSES):
            before = dict(self._rows)
            maps: dict[tuple[str, tuple[str, ...]], dict[tuple[str, ...], Key]] = {}
            for identity, row in before.items():
                member, start = self._closure.members[identity], self._start[identity].values
                for table, column in inside:
                    if table == identity[0] and column not in start and (base := base_of(start, column)) is not None:
                        row = with_values(row, {base: start[base]})
                for edge in self._closure.graph.edges:
                    if edge.reference.table == identity[0]:
                        row = self._referring(edge, member, row, maps)
                self._rows[identity] = row
            if all(self._rows[identity].values == row.values for identity, row in before.items()):
                return

    def _referring(
        self, edge: Edge, member: Member, row: Row,
        maps: dict[tuple[str, tuple[str, ...]], dict[tuple[str, ...], Key]],
    ) -> Row:  # fmt: skip
        reference = edge.reference
        if any(str(member.row.values.get(column)) != value for column, value in reference.when):
            return row
        known = maps.get((reference.to, reference.to_columns))
        if known is None:
            known = maps[reference.to, reference.to_columns] = self._moved(reference.to, reference.to_columns)
        if not known:
            return row
        columns = reference.columns
        if not any(is_path(column) for column in columns):
            new = known.get(tuple(map(str, member.row.key(columns))))
            if new is None:
                return row
            own = self._given(reference.table)
            kept = zip(columns, map(_as_written, member.row.key(columns), new), strict=True)
            return with_values(row, {column: value for column, value in kept if column not in own})
        if len(columns) != 1:
            plain = {name: member.row.values[name] for name in columns if name in member.row.values}
            done = with_key_replaced(with_values(row, plain), columns, lambda key: _rewritten(known, key))
            if done is None:
                raise UsageError(f"{spoken(reference)} leads through several arrays and cannot be rewritten")
            return row if done.values == {**row.values, **plain} else done

        def moved(value: Value) -> Value:
            found = known.get((str(value),))
            return value if found is None else _as_written(value, found[0])

        return with_replaced(row, columns[0], moved)

    def _moved(self, name: str, columns: tuple[str, ...]) -> dict[tuple[str, ...], Key]:
        """Old key -> new key of the copies of a table, for one set of columns referred to."""
        found: dict[tuple[str, ...], Key] = {}
        for identity, row in self._rows.items():
            if identity[0] == name:
                old, new = self._closure.members[identity].row.key(columns), row.key(columns)
                if None not in old:
                    found[tuple(map(str, old))] = new
        return found


def _rewritten(known: Mapping[tuple[str, ...], Key], key: Key) -> Key | None:
    new = known.get(tuple(map(str, key)))
    return None if new is None else tuple(map(_as_written, key, new))


def _as_written(old: Value, new: Value) -> Value:
    """A text that spelled an id stays a text."""
    return str(new) if isinstance(old, str) and not isinstance(new, str) else new


def with_values(row: Row, values: Mapping[str, Value]) -> Row:
    """The row with these values; itself where they are there."""
    same = all(row.values.get(name) == value for name, value in values.items())
    return row if same else Row({**row.values, **values})
