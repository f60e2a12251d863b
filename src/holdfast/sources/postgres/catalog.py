"""The tables of a database as one snapshot sees them, with what decides whether their rows can have changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.sources.postgres import catalog_sql
from holdfast.sources.postgres.names import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.model.snapshot import Notes
    from holdfast.sources.postgres.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, partitioned table, materialized view, foreign table or sequence.

    ``kind`` is pg_class.relkind. ``ancestors`` are the partitioned tables above it, nearest first, itself left
    out. ``condition`` is not None for an extension's configuration table.
    """

    oid: int
    schema: str
    name: str
    label: str
    kind: str
    persistence: str
    filenode: int
    access_method: str
    size: int
    toast_size: int
    populated: bool
    readable: bool
    ancestors: tuple[int, ...]
    partition: bool
    member: bool
    condition: str | None
    inherits: bool
    rows_hidden: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a table that hold data, and the signature of how they are stored."""

    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    type_oids: tuple[int, ...] = ()
    generated: tuple[str, ...] = ()
    signature: str = ""
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeMade:
    """How a type is made. ``labels`` of an enum by oid. ``unstable``: its text depends on other names."""

    name: str
    shape: str
    labels: tuple[tuple[int, str], ...]
    refers: tuple[int, ...]
    unstable: bool
    base: int


@dataclass(slots=True, kw_only=True)
class Catalog:
    """Everything found. ``columns`` by table oid, ``types`` by type oid."""

    relations: list[Relation]
    columns: dict[int, Columns] = field(default_factory=dict)
    types: dict[int, TypeMade] = field(default_factory=dict)

    def of_kind(self, *kinds: str) -> list[Relation]:
        """Relations of these kinds, largest first."""
        found = [relation for relation in self.relations if relation.kind in kinds]
        return sorted(found, key=lambda relation: (-relation.size - relation.toast_size, relation.label))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which tables are wanted: patterns of ``tables`` (empty: all) without those of ``exclude``."""

    tables: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def wants(self, relation: Relation, above: Sequence[Relation] = ()) -> bool:
        """Whether it is wanted, by itself or as a partition of something wanted."""
        family = (relation, *above)
        if self.tables and not any(_named(self.tables, one) for one in family):
            return False
        if self.only and not any(_named(self.only, one) for one in family):
            return False
        return not any(_named(self.exclude, one) for one in family)


def read_relations(connection: Connection, only: Sequence[int] | None = None) -> list[Relation]:
    """Every relation that may hold something to protect; only these oids (and partitioned tables) if ``only``."""
    limit = "" if only is None else catalog_sql.OF_OIDS.format(", ".join(map(str, only)))
    rows = connection.execute((catalog_sql.RELATIONS + limit).encode()).fetchall()
    return [
        Relation(
            oid=row[0], schema=row[1], name=row[2], label=row[3], kind=row[4], persistence=row[5],
            filenode=row[6], access_method=row[7], size=row[8], toast_size=row[9], populated=row[10],
            readable=row[11], ancestors=tuple(one for one in row[12] or () if one != row[0]),
            partition=row[13], member=bool(row[14]), condition=row[15], inherits=row[16],
            rows_hidden=row[17],
        )
        for row in rows
    ]


def read_columns(connection: Connection, oids: Sequence[int]) -> dict[int, Columns]:
    """The columns of these tables; a table without any is in it too."""
    keys = {oid: tuple(names) for oid, names in connection.execute(catalog_sql.KEYS, [list(oids)])}
    found = {oid: Columns() for oid in oids}
    for oid, names, types, type_oids, generated, signature in connection.execute(
        catalog_sql.COLUMNS, [list(oids)]
    ):
        found[oid] = Columns(
            names=tuple(names or ()), types=tuple(types or ()), type_oids=tuple(type_oids or ()),
            generated=tuple(generated or ()), signature=signature, key=keys.get(oid, ()),
        )
    return found


def read_types(connection: Connection, columns: Iterable[Columns]) -> dict[int, TypeMade]:
    """Every type reached from these columns through arrays, domains, composites and ranges."""
    used = sorted({oid for table in columns for oid in table.type_oids})
    rows: list[Any] = connection.execute(
        catalog_sql.types(connection.info.server_version).encode(), [used]
    ).fetchall()
    return {
        row[0]: TypeMade(
            name=row[1], shape=f"{row[2]}/{row[3] or ''}",
            labels=tuple(zip(row[5] or (), row[4] or (), strict=True)),
            refers=tuple(one for one in row[6] if one is not None), unstable=row[7], base=row[8],
        )
        for row in rows
    }


def moved(connection: Connection, oids: Sequence[int]) -> list[int]:
    """Tables whose files are not those the snapshot knows: truncated or rewritten since it was taken."""
    return [row[0] for row in connection.execute(catalog_sql.MOVED, [list(oids)])]


def altered(connection: Connection, xmin: int, oids: Sequence[int]) -> list[int]:
    """Tables with columns written by transaction ``xmin`` or a later one, as the present sees it."""
    oldest = str(xmin % 2**32)
    return [row[0] for row in connection.execute(catalog_sql.ALTERED, [oldest, list(oids)])]


class Signatures:
    """One short text per table that changes whenever the meaning of its stored rows may have changed."""

    def __init__(self, types: dict[int, TypeMade]) -> None:
        self._types = types
        self._closures: dict[tuple[int, ...], tuple[str, bool]] = {}

    def of(self, columns: Columns) -> str:
        """The signature."""
        digest, _ = self._closure(columns.type_oids)
        return f"{columns.signature}-{digest}"

    def stable(self, columns: Columns) -> bool:
        """False when a column's text depends on names elsewhere (reg* types, access lists)."""
        return not self._closure(columns.type_oids)[1]

    def _closure(self, used: tuple[int, ...]) -> tuple[str, bool]:
        found = self._closures.get(used)
        if found is None:
            reached = self._reached(used)
            text = "\n".join(f"{oid}:{made.shape}:{made.labels}" for oid, made in sorted(reached.items()))
            digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
            found = self._closures[used] = (digest, any(made.unstable for made in reached.values()))
        return found

    def _reached(self, wanted: tuple[int, ...]) -> dict[int, TypeMade]:
        found: dict[int, TypeMade] = {}
        waiting = list(wanted)
        while waiting:
            oid = waiting.pop()
            if oid not in found and oid in self._types:
                found[oid] = self._types[oid]
                waiting.extend(found[oid].refers)
        return found


def changed_types(then: dict[int, TypeMade], now: dict[int, TypeMade]) -> list[str]:
    """Types whose values would read differently now; labels added to an enum change no stored value."""
    changed = []
    for oid, made in then.items():
        current = now.get(oid)
        if current is None or current.shape != made.shape or not set(made.labels) <= set(current.labels):
            changed.append(made.name)
    return sorted(changed)


def is_base(types: dict[int, TypeMade], oid: int, wanted: str) -> bool:
    """Whether a column of type ``oid`` is stored as ``wanted``, looking through domains."""
    made = types.get(oid)
    while made is not None and made.base:
        made = types.get(made.base)
    return made is not None and made.name == wanted


def table_notes(relation: Relation, columns: Columns, signature: str, root: str | None) -> Notes:
    """What restore and the next capture need to know of a table."""
    return {
        "columns": list(columns.names), "types": list(columns.types), "key": list(columns.key),
        "generated": list(columns.generated), "oid": relation.oid, "filenode": relation.filenode,
        "signature": signature, "persistence": relation.persistence, "size": relation.size,
        "method": relation.access_method,
        "partition_of": root, "inherits": relation.inherits,
    }


def _named(patterns: Iterable[str], relation: Relation) -> bool:
    return matches(patterns, relation.label, relation.schema, relation.name)
