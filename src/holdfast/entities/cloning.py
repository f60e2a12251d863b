"""A copy of an entity that stands alone: new ids for every row of it, every reference inside rewritten."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.entities.asking import Find
from holdfast.entities.closure import Closure, Identity, Member
from holdfast.entities.declared import Declaration
from holdfast.entities.graph import Edge
from holdfast.entities.inventing import is_uuid, text_like
from holdfast.entities.naming import is_known, split_column
from holdfast.entities.paths import keys_at, with_replaced
from holdfast.entities.rewriting import Rewriting, with_values
from holdfast.model.errors import TargetError, UsageError
from holdfast.model.records import Key, Row, Table, Value

NextIds = Callable[[Table, str, int], Sequence[Value]]

_PASSES = 12
_TRIES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneWishes:
    """``as_``: the new id of the root; None: made. ``values``: columns of the root to be set.

    ``entity``: what it is called in the configuration. ``unique`` and ``effects`` by (table, column); column "" is the
    whole table (effects only).
    """

    entity: str = "NAME"
    as_: Key | None = None
    values: Mapping[str, Value] = field(default_factory=dict)
    unique: Mapping[tuple[str, str], str] = field(default_factory=dict)
    effects: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Copies:
    """``rows``: the copy of each row. ``excluded``: rows left out, by table."""

    rows: dict[Identity, Row]
    excluded: dict[str, int]
    closure: Closure

    def ids(self) -> Iterator[tuple[str, Row, Row]]:
        """(table, row, its copy)."""
        return ((identity[0], self.closure.members[identity].row, row) for identity, row in self.rows.items())


def rules_of(tables: Mapping[str, Table], root: Table, entity: Declaration, where: str) -> CloneWishes:
    """What was declared of columns: ``slug`` is one of the root, ``tickets.secret`` of another table."""
    return CloneWishes(
        unique={_place(tables, root, name, where): rule for name, rule in entity.unique.items()},
        effects={_place(tables, root, name, where): effect for name, effect in entity.side_effects.items()},
    )


def _place(tables: Mapping[str, Table], root: Table, name: str, where: str) -> tuple[str, str]:
    if name in {column.name for column in root.columns} or (not root.columns and "." not in name):
        return root.name, name
    if "." not in name and not is_known(tables, name):
        raise UsageError(
            f"{root.name} has no column {name}", where=where,
            hint="a bare name is a column of the root; write table.column for one of another table",
        )  # fmt: skip
    table, column = split_column(tables, name, where=where)
    return table.name, column


def copies_of(
    closure: Closure, tables: Mapping[str, Table], wishes: CloneWishes, next_ids: NextIds, find: Find
) -> Copies:
    """The copy of every owned row. UsageError for what no rule decides, TargetError for what cannot be copied."""
    return _Copying(closure, tables, wishes, next_ids, find).run()


class _Copying:
    def __init__(
        self, closure: Closure, tables: Mapping[str, Table], wishes: CloneWishes, next_ids: NextIds, find: Find
    ) -> None:
        self._closure, self._tables, self._wishes = closure, tables, wishes
        self._next_ids, self._find = next_ids, find
        self._rows: dict[Identity, Row] = {}
        self._excluded: dict[str, int] = {}

    def run(self) -> Copies:
        self._choose()
        for name, members in self._groups().items():
            self._fresh_ids(self._tables[name], members)
        for name, members in self._groups().items():
            self._effects(self._tables[name], members)
        root = self._closure.root
        self._rows[root.identity] = with_values(self._rows[root.identity], dict(self._wishes.values))
        rewriting = Rewriting(self._closure, self._rows, self._given_by_root)
        rewriting.run()
        for name, members in self._groups().items():
            self._uniques(self._tables[name], members)
        rewriting.run()
        self._require_new_keys()
        return Copies(rows=self._rows, excluded=self._excluded, closure=self._closure)

    def _choose(self) -> None:
        effects = self._wishes.effects.items()
        without = {table for (table, column), effect in effects if not column and effect == "exclude"}
        for member in self._closure.members.values():
            if member.role != "owned":
                continue
            if _comes_through(member, without):
                self._excluded[member.table] = self._excluded.get(member.table, 0) + 1
            else:
                self._rows[member.identity] = member.row

    def _groups(self) -> dict[str, list[Member]]:
        found: dict[str, list[Member]] = {}
        for identity in self._rows:
            found.setdefault(identity[0], []).append(self._closure.members[identity])
        return found

    # -- ids

    def _fresh_ids(self, table: Table, members: Sequence[Member]) -> None:
        column = self._own_id(table, members)
        if column is None:
            return
        root = self._closure.root
        given = self._wishes.as_ if table.name == root.table else None
        need = [member for member in members if given is None or member is not root]
        rule = self._wishes.unique.get((table.name, column))
        texts = all(isinstance(member.row.values.get(column), str) for member in need)
        if rule == "suffix":
            self._suffix(table, column, need)
        else:
            made = rule == "regenerate" and texts and column not in table.sequences
            fresh = [self._made(table, column, member.row.values.get(column)) for member in need] if made else (
                self._fresh(table, column, need)
            )
            for member, value in zip(need, fresh, strict=True):
                self._rows[member.identity] = with_values(self._rows[member.identity], {column: value})
        if given is not None:
            self._rows[root.identity] = with_values(self._rows[root.identity], dict(zip(table.key, given, strict=True)))

    def _fresh(self, table: Table, column: str, members: Sequence[Member]) -> list[Value]:
        """Ids that no row of the original had either: a sequence may stand before what was deleted."""
        old = {member.row.values.get(column) for member in members}
        found: list[Value] = []
        for _ in range(_PASSES):
            if len(found) < len(members):
                found += [each for each in self._next_ids(table, column, len(members) - len(found)) if each not in old]
        return found

    def _own_id(self, table: Table, members: Sequence[Member]) -> str | None:
        """The key column that no reference fills; None when the copy's references make its key new.

        What no other row anywhere has (a UUID) is made new in any case.
        """
        filled = {
            column
            for edge in self._closure.graph.edges
            if edge.reference.table == table.name
            for column in edge.reference.columns
        } - self._given_by_root(table.name)
        inner = {
            column
            for edge in self._inner(table.name)
            for column in edge.reference.columns
        } - self._given_by_root(table.name)
        own = [column for column in table.key if column not in filled]
        if inner & set(table.key):
            return next((each for each in own if all(is_uuid(m.row.values.get(each)) for m in members)), None)
        return next((column for column in own if column in table.sequences), own[0] if own else None)

    def _given_by_root(self, name: str) -> set[str]:
        """Columns of the root that are part of what it names a row with, which has them from the root itself."""
        if name != self._closure.root.table:
            return set()
        edges = [edge.reference for edge in self._closure.graph.edges]
        back = {
            (each.table, theirs, ours)
            for each in edges if each.to == name != each.table
            for theirs, ours in zip(each.columns, each.to_columns, strict=True)
        }  # fmt: skip
        return {
            ours
            for each in edges if each.table == name != each.to
            for ours, theirs in zip(each.columns, each.to_columns, strict=True)
            if (each.to, theirs, ours) in back
        } & set(self._tables[name].key)  # fmt: skip

    def _inner(self, name: str) -> list[Edge]:
        """Edges from a table to rows that are copied too; to itself only when it is no part of such a ring."""
        copied = {identity[0] for identity in self._rows}
        return [
            edge for edge in self._closure.graph.edges
            if edge.reference.table == name and edge.reference.to in copied and edge.reference.to != name
        ]  # fmt: skip

    def _require_new_keys(self) -> None:
        for identity, row in self._rows.items():
            table = self._tables[identity[0]]
            if table.key and row.key(table.key) == identity[1]:
                raise TargetError(
                    f"the copy of {table.name} {','.join(map(str, identity[1]))} would have the same key",
                    why=f"nothing in {', '.join(table.key)} belongs to this entity alone",
                    hint=f"leave the table out: [entities.{self._wishes.entity}.side_effects] "
                    f'{json.dumps(table.name, ensure_ascii=False)} = "exclude"',
                )

    # -- what must not be the same

    def _effects(self, table: Table, members: Sequence[Member]) -> None:
        for (name, column), effect in self._wishes.effects.items():
            if name != table.name or not column:
                continue
            for member in members:
                row = self._rows[member.identity]
                if effect == "exclude" and column in row.values:
                    kept = {each: value for each, value in row.values.items() if each != column}
                    self._rows[member.identity] = Row(kept)
                elif effect == "null":
                    self._rows[member.identity] = with_replaced(row, column, lambda _value: None)
                elif effect == "regenerate":
                    changed = with_replaced(row, column, lambda v, c=column: self._made(table, c, v))  # type: ignore[misc]
                    self._rows[member.identity] = changed

    def _made(self, table: Table, column: str, value: Value) -> Value:
        if value is None:
            return None
        if isinstance(value, str):
            return text_like(value)
        return self._next_ids(table, column, 1)[0]

    def _uniques(self, table: Table, members: Sequence[Member]) -> None:
        for unique in table.unique:
            same = [m for m in members if self._is_same(m, unique)]
            if not same:
                continue
            column, rule = self._rule(table, unique)
            if rule == "suffix":
                self._suffix(table, column, same)
            else:
                for member in same:
                    row = self._rows[member.identity]
                    changed = with_replaced(row, column, lambda v, c=column: self._made(table, c, v))  # type: ignore[misc]
                    self._rows[member.identity] = changed

    def _is_same(self, member: Member, unique: tuple[str, ...]) -> bool:
        keys = keys_at(self._rows[member.identity], unique)
        return bool(set(keys) & set(keys_at(member.row, unique)))

    def _rule(self, table: Table, unique: tuple[str, ...]) -> tuple[str, str]:
        for column in unique:
            rule = self._wishes.unique.get((table.name, column))
            if rule in ("suffix", "regenerate"):
                return column, rule
        name = json.dumps(f"{table.name}.{unique[0]}", ensure_ascii=False)
        own = table.name == self._closure.root.table
        raise UsageError(
            f"{table.name}.{'+'.join(unique)} is unique, and the copy would have the same value",
            hint=(f"--set {unique[0]}=…, or " if own else "")
            + f'in holdfast.toml: [entities.{self._wishes.entity}.unique] {name} = "suffix" or "regenerate"',
        )

    def _suffix(self, table: Table, column: str, members: Sequence[Member]) -> None:
        given: set[str] = set()
        for member in members:
            row = self._rows[member.identity]
            base = str(row.values.get(column))
            for number in range(1, _TRIES):
                new = f"{base}-copy" if number == 1 else f"{base}-copy-{number}"
                if new not in given and next(self._find(table, (column,), [(new,)]), None) is None:
                    break
            given.add(new)
            self._rows[member.identity] = with_values(row, {column: new})


def _comes_through(member: Member, tables: Collection[str]) -> bool:
    """Whether the row is of one of these tables, or belongs to one that is."""
    at: Member | None = member
    while at is not None and at.table not in tables:
        at = at.origin
    return at is not None
