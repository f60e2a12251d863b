"""References nobody declared: columns and fields whose values are ids of the entity's tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from holdfast.entities.closure import Rows
from holdfast.entities.graph import Graph
from holdfast.model.errors import UsageError
from holdfast.model.records import Row, Table

_UNMISTAKABLE = re.compile(r"[0-9a-f]{24}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]+")
_SAMPLE = 2_000
_LEAST = 3
_MOST_PATHS = 500
_ID_LIKE = re.compile(r"(id|ids|_id|_ids|ref|refs|key|uuid)(\[\])?\Z", re.IGNORECASE)
_DEPTH = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """``matches`` of ``seen`` values at ``from_`` are keys of ``to``."""

    from_: str
    to: str
    matches: int
    seen: int

    @property
    def toml(self) -> str:
        """What to add to holdfast.toml."""
        return f'from = "{self.from_}"  to = "{self.to}"  kind = "owned"'


def suggestions(book: Rows, graph: Graph) -> list[Suggestion]:
    """Compared are samples of every table with the keys of the root and of tables it owns."""
    known = {(edge.reference.table, column) for edge in graph.edges for column in edge.reference.columns}
    known |= {(each.table, column) for each in book.references for column in each.columns}
    whole = {name: table for name, table in book.tables.items() if not table.root}  # partitions are told of there
    samples = {name: list(islice(book.rows(table), _SAMPLE)) for name, table in whole.items()}
    paths = {name: _paths(rows) for name, rows in samples.items()}
    found = []
    for target in graph.owned:
        table = book.tables[target]
        if len(table.key) != 1:
            continue
        is_numeric = any(str(row.values.get(table.key[0])).isdigit() for row in samples.get(target, ())[:1])
        for name, values in paths.items():
            for path, seen in values.items():
                if (name, path) in known or (name == target and path == table.key[0]):
                    continue
                if is_numeric and not _speaks_of(path, target, graph.root.name):
                    continue
                if suggestion := _compare(book, table, name, path, seen):
                    found.append(suggestion)
    return sorted(_best(found), key=lambda each: (-each.matches / each.seen, each.from_))


def _compare(book: Rows, table: Table, name: str, path: str, seen: Sequence[Any]) -> Suggestion | None:
    """A column that is an id at least half of the time, and more than once or twice."""
    distinct = list(dict.fromkeys(seen))[:_SAMPLE]
    keys = [(key,) for key in distinct]
    if table.columns:
        keys = [(value,) for key in distinct if (value := _typed(book, table, key)) is not None]
    if not keys:
        return None
    there = {str(row.values.get(table.key[0])) for row in book.find(table, table.key, keys)}
    matches = sum(1 for key in distinct if str(key) in there)
    if matches < min(_LEAST, len(distinct)) or matches * 2 < len(distinct):
        return None
    return Suggestion(from_=f"{name}.{path}", to=table.name, matches=matches, seen=len(distinct))


def _typed(book: Rows, table: Table, value: Any) -> Any:
    try:
        return book.parse(table, table.key[0], str(value))
    except UsageError:
        return None


def _speaks_of(path: str, target: str, root: str) -> bool:
    """Small numbers are ids of everything: the name must speak of the table."""
    last = re.split(r"[.\[]", path.removesuffix("[]"))[-1].lower()
    stems = {_stem(target), _stem(root)} if target == root else {_stem(target)}
    return any(stem in last.replace("_", "") for stem in stems)


def _stem(name: str) -> str:
    bare = name.rpartition(".")[2].lower().replace("_", "")
    return bare[:-3] + "y" if bare.endswith("ies") else bare.removesuffix("s")


def _best(found: Sequence[Suggestion]) -> list[Suggestion]:
    """For each column the table that fits best."""
    best: dict[str, Suggestion] = {}
    for each in found:
        other = best.get(each.from_)
        if other is None or each.matches > other.matches:
            best[each.from_] = each
    return list(best.values())


def _paths(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Values by path, of everything that could be an id."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        for path, value in _leaves(row.values):
            if path not in found and len(found) >= _MOST_PATHS:
                continue
            found.setdefault(path, []).append(value)
    return {path: values for path, values in found.items() if path != "_id"}


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        opened = _opened(value)
        yield from _below(name, opened, 0)


def _opened(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _below(path: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _DEPTH or value is None or isinstance(value, bool | float):
        return
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _below(f"{path}.{name}", each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _below(f"{path}[]", each, depth + 1)
    elif _could_be_id(path, value):
        yield path, value


def _could_be_id(path: str, value: Any) -> bool:
    """By its name, or because nothing but an id looks like it."""
    if isinstance(value, str):
        return bool(_ID_LIKE.search(path) or _UNMISTAKABLE.fullmatch(value))
    is_own_type = type(value).__name__ in ("ObjectId", "UUID", "Binary")
    return bool(_ID_LIKE.search(path)) or isinstance(value, int) or is_own_type
