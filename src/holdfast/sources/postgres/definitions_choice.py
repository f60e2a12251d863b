"""Chooses from the definitions of a database those that some tables need: all of what they are, nothing else.

A chosen table brings its defaults, indexes, constraints, triggers, policies, grants and comments, the partitions
below it, and whatever these need in turn (types, functions, schemas, sequences, parents). What would need a table
that is not chosen, a foreign key mostly, is left out and named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.sources.postgres.definitions import Definition, Definitions
from holdfast.sources.postgres.definitions_sql import printable

RELATIONS = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE"})
_PARTS = frozenset(
    {
        "DEFAULT",
        "CONSTRAINT",
        "CHECK CONSTRAINT",
        "FK CONSTRAINT",
        "INDEX",
        "TRIGGER",
        "RULE",
        "POLICY",
        "ROW SECURITY",
        "TABLE ATTACH",
        "INDEX ATTACH",
        "SEQUENCE OWNED BY",
        "STATISTICS",
        "SEQUENCE",
    }
)
_LABELS = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen, in order; ``left_out`` says in words what was not and why.

    ``partial``: partitioned tables that come without some of their partitions.
    """

    entries: tuple[Definition, ...]
    relations: frozenset[tuple[str, str]]
    left_out: tuple[str, ...]
    partial: tuple[str, ...] = ()


def choose(definitions: Definitions, relations: Iterable[tuple[str, str]]) -> Choice:
    """The definitions that the relations (schema, name) are made of, and what those need."""
    return _Chooser(definitions).choose(set(relations))


class _Chooser:
    def __init__(self, definitions: Definitions) -> None:
        self._all = definitions
        self._needed_by: dict[int, list[Definition]] = defaultdict(list)
        for entry in definitions.entries:
            for need in set(entry.needs):
                self._needed_by[need].append(entry)
        self._schemas = {entry.tag: entry for entry in definitions.of("SCHEMA")}
        self._parents: dict[int, tuple[Definition, Definition]] = {}
        self._children: dict[int, list[Definition]] = defaultdict(list)
        for child, parent, attach in definitions.attachments():
            self._parents[child.id] = (parent, attach)
            self._children[parent.id].append(child)
        self._placed: set[int] = set()
        self._partial: dict[int, str] = {}
        self._taken: set[int] = set()
        self._left_out: list[str] = []

    def choose(self, relations: set[tuple[str, str]]) -> Choice:
        roots = [
            entry
            for entry in self._all.entries
            if entry.desc in RELATIONS and (entry.namespace, entry.tag) in relations
        ]
        rooted = self._with_partitions(roots)
        asked = {root.id for root in rooted}
        waiting = [*rooted, *self._above(rooted)]
        while waiting:
            entry = waiting.pop()
            waiting += self._take(entry)
            if entry.id in asked or entry.desc in _PARTS:
                waiting += self._parts(entry, asked)
        return self._result(relations)

    def _with_partitions(self, roots: list[Definition]) -> list[Definition]:
        found = {entry.id: entry for entry in roots}
        waiting = list(roots)
        while waiting:
            parent = waiting.pop()
            for child in self._children[parent.id]:
                if child.id not in found:
                    found[child.id] = child
                    waiting.append(child)
        return list(found.values())

    def _above(self, rooted: list[Definition]) -> list[Definition]:
        """What joins the chosen tables to those they are parts of, up to the top."""
        found: dict[int, Definition] = {}
        self._placed = {root.id for root in rooted}
        waiting = list(rooted)
        while waiting:
            parent, attach = self._parents.get(waiting.pop().id, (None, None))
            if parent is not None and attach is not None and attach.id not in found:
                found[attach.id] = attach
                self._placed.add(parent.id)
                waiting.append(parent)
        return list(found.values())

    def _take(self, entry: Definition) -> list[Definition]:
        """Take an entry; what it needs and is not taken yet."""
        if entry.id in self._taken:
            return []
        self._taken.add(entry.id)
        schema = self._schemas.get(entry.namespace)
        needs = [self._all.get(need) for need in entry.needs]
        return [need for need in [*needs, schema] if need is not None and need.id not in self._taken]

    def _parts(self, entry: Definition, rooted: set[int]) -> list[Definition]:
        parts = []
        for part in self._needed_by[entry.id]:
            if part.id in self._taken or part.desc not in _PARTS or self._joins_others(part):
                continue
            foreign = self._foreign(part, rooted)
            if foreign:
                line = f"{printable(part)}: it needs {', '.join(foreign)}, which is not restored"
                if line not in self._left_out:
                    self._left_out.append(line)
            else:
                parts.append(part)
        return parts

    def _joins_others(self, part: Definition) -> bool:
        """Whether it joins a partition that was not chosen to its parent, or the index of one."""
        if part.desc == "TABLE ATTACH":
            ends = self._all.ends(part)
            joined = set() if ends is None else {ends[0].id}
        elif part.desc == "INDEX ATTACH":
            keys = [self._all.get(need) for need in part.needs]
            joined = {need for key in keys if key is not None for need in key.needs if self._is_table(need)}
        else:
            return False
        for other in joined - self._placed:
            parent, _ = self._parents.get(other, (None, None))
            if parent is not None:
                self._partial[parent.id] = f"{parent.namespace}.{parent.tag}"
        return bool(joined - self._placed)

    def _is_table(self, identifier: int) -> bool:
        found = self._all.get(identifier)
        return found is not None and found.desc in {"TABLE", "FOREIGN TABLE"}

    def _foreign(self, part: Definition, rooted: set[int]) -> list[str]:
        """Tables that a part needs and that nobody asked for."""
        needs = [self._all.get(need) for need in set(part.needs)]
        tables = [need for need in needs if need is not None and need.desc in {"TABLE", "FOREIGN TABLE"}]
        if part.desc in {"TABLE ATTACH", "INDEX ATTACH"}:
            return []
        return [f"{table.namespace}.{table.tag}" for table in tables if table.id not in rooted]

    def _result(self, relations: set[tuple[str, str]]) -> Choice:
        for entry in self._all.entries:
            if entry.desc in _LABELS and entry.needs and all(need in self._taken for need in entry.needs):
                self._taken.add(entry.id)
        entries = tuple(entry for entry in self._all.entries if entry.id in self._taken)
        made = frozenset((entry.namespace, entry.tag) for entry in entries if entry.desc in RELATIONS)
        return Choice(
            entries=entries,
            relations=made | relations,
            left_out=tuple(self._left_out),
            partial=tuple(sorted(self._partial.values())),
        )
