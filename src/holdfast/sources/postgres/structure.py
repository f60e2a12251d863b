"""How tables hang together: their keys, what they refer to, what numbers their columns; read for all tables at once.

``Structure.notes`` is what a snapshot keeps of it with each table, ``Structure.from_notes`` reads that again:
``not_null`` columns, ``unique`` (lists of columns, the primary key left out), ``references`` (name, columns, to,
to_columns, on_delete, deferrable), ``sequences`` (column -> label of what numbers it), ``identity`` (column -> "a"
always or "d" by default), ``generated_types``; ``root``: the same with ``columns``, ``types`` and ``key`` for the
partitioned table at the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.model.snapshot import Notes
    from holdfast.sources.postgres.connection import Connection

_LABEL = "quote_ident({0}.nspname) || '.' || quote_ident({1}.relname)"

_COLUMNS = """
SELECT a.attrelid::int8, a.attname::text, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, -1),
  a.attnotnull, a.attgenerated <> '', a.attidentity::text,
  CASE WHEN a.attgenerated = '' THEN (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
    WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) END
FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY(%s) ORDER BY a.attrelid, a.attnum
"""
_KEYS = """
SELECT i.indrelid::int8, i.indisprimary, array_agg(a.attname::text ORDER BY k.n)
FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(att, n), pg_attribute a
WHERE a.attrelid = i.indrelid AND a.attnum = k.att AND k.n <= i.indnkeyatts AND i.indisunique AND i.indisvalid
  AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indrelid = ANY(%s)
GROUP BY i.indexrelid, i.indrelid, i.indisprimary ORDER BY 1, 2 DESC, 3
"""
# a foreign key to a partitioned table has further rows for each of its partitions; one of a partitioned table has a
# row of its own in each partition, and that one counts
_REFERENCES = f"""
SELECT c.conrelid::int8, c.conname::text, {_LABEL.format('rn', 'r')},
  (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(att, n)
     JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.att),
  (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY k(att, n)
     JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.att),
  c.confdeltype::text, c.condeferrable
FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
LEFT JOIN pg_constraint p ON p.oid = c.conparentid
WHERE c.contype = 'f' AND c.conrelid = ANY(%s) AND (p.oid IS NULL OR p.conrelid <> c.conrelid)
ORDER BY c.conrelid, c.conname
"""
_SEQUENCES = f"""
SELECT d.refobjid::int8, a.attname::text, {_LABEL.format('n', 'c')}
FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
  AND d.refobjid = ANY(%(oids)s)
UNION
SELECT f.adrelid::int8, a.attname::text, {_LABEL.format('n', 'c')}
FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE f.adrelid = ANY(%(oids)s) AND a.attgenerated = ''
ORDER BY 1, 2, 3
"""
_ON_DELETE = {"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """``base``: the type without its length or precision. ``identity`` "a" always, "d" by default, "" none.

    ``default``: as the server writes it; not kept with snapshots.
    """

    name: str
    type: str
    base: str = ""
    not_null: bool = False
    generated: bool = False
    identity: str = ""
    default: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """``to`` is the label of the table referred to."""

    name: str
    columns: tuple[str, ...]
    to: str
    to_columns: tuple[str, ...]
    on_delete: str = "no action"
    deferrable: bool = False


@dataclass(slots=True, kw_only=True)
class Structure:
    """One table. ``sequences``: column -> label of the sequence or identity that numbers it."""

    columns: list[TableColumn] = field(default_factory=list)
    key: tuple[str, ...] = ()
    unique: list[tuple[str, ...]] = field(default_factory=list)
    references: list[ForeignKey] = field(default_factory=list)
    sequences: dict[str, str] = field(default_factory=dict)

    def settle(self) -> Structure:
        """Keys whose columns the server computes tell no row apart that is not there: rows do not hold those.

        Where no primary key is left, unique columns that are never NULL are the key.
        """
        computed = {one.name for one in self.columns if one.generated}
        not_null = {one.name for one in self.columns if one.not_null}
        self.unique = [each for each in self.unique if not computed & set(each)]
        if not self.key or computed & set(self.key):
            self.key = next((each for each in self.unique if not_null.issuperset(each)), ())
        self.unique = [each for each in self.unique if each != self.key]
        return self

    def notes(self) -> Notes:
        """What a snapshot keeps beside columns, types and key."""
        return {
            "not_null": [one.name for one in self.columns if one.not_null],
            "unique": [list(columns) for columns in (self.key, *self.unique) if columns],
            "references": [
                {"name": one.name, "columns": list(one.columns), "to": one.to, "to_columns": list(one.to_columns),
                 "on_delete": one.on_delete, "deferrable": one.deferrable}
                for one in self.references
            ],
            "sequences": dict(self.sequences),
            "identity": {one.name: one.identity for one in self.columns if one.identity},
            "generated_types": [one.type for one in self.columns if one.generated],
        }

    def whole_notes(self) -> Notes:
        """The same with columns, types, key and generated columns: a table that has no item of its own."""
        kept = [one for one in self.columns if not one.generated]
        return {
            "columns": [one.name for one in kept], "types": [one.type for one in kept], "key": list(self.key),
            "generated": [one.name for one in self.columns if one.generated], **self.notes(),
        }

    @classmethod
    def from_notes(cls, notes: Notes) -> Structure:
        """Out of the notes of a table's item; what an older snapshot does not say is empty."""
        not_null, identity = set(notes.get("not_null", ())), notes.get("identity", {})
        names, types = notes.get("columns") or (), notes.get("types") or ()
        columns = [
            TableColumn(name=str(name), type=str(kind), not_null=name in not_null, identity=identity.get(name, ""))
            for name, kind in zip(names, types or [""] * len(names), strict=True)
        ]
        generated = notes.get("generated") or ()
        computed = notes.get("generated_types") or [""] * len(generated)
        columns += [
            TableColumn(name=str(name), type=str(kind), generated=True)
            for name, kind in zip(generated, computed, strict=True)
        ]
        return cls(
            columns=columns, key=tuple(notes.get("key") or ()), sequences=dict(notes.get("sequences") or {}),
            unique=[tuple(one) for one in notes.get("unique") or ()],
            references=[
                ForeignKey(
                    name=one["name"], columns=tuple(one["columns"]), to=one["to"],
                    to_columns=tuple(one["to_columns"]), on_delete=one["on_delete"], deferrable=one["deferrable"],
                )
                for one in notes.get("references") or ()
            ],
        ).settle()


def read_structures(connection: Connection, oids: Sequence[int]) -> dict[int, Structure]:
    """The structures of these tables (partitioned ones too), in the open snapshot."""
    found = {oid: Structure() for oid in oids}
    if not found:
        return found
    wanted = list(oids)
    for oid, name, kind, base, not_null, generated, identity, default in connection.execute(_COLUMNS, [wanted]):
        found[oid].columns.append(TableColumn(
            name=name, type=kind, base=base, not_null=not_null, generated=generated, identity=identity,
            default=default or "",
        ))
    for oid, primary, columns in connection.execute(_KEYS, [wanted]):
        if primary:
            found[oid].key = tuple(columns)
        elif tuple(columns) not in found[oid].unique:
            found[oid].unique.append(tuple(columns))
    for oid, name, to, columns, to_columns, on_delete, deferrable in connection.execute(_REFERENCES, [wanted]):
        found[oid].references.append(ForeignKey(
            name=name, columns=tuple(columns), to=to, to_columns=tuple(to_columns),
            on_delete=_ON_DELETE.get(on_delete, "no action"), deferrable=deferrable,
        ))
    for oid, column, sequence in connection.execute(_SEQUENCES, {"oids": wanted}):
        found[oid].sequences.setdefault(column, sequence)
    return {oid: structure.settle() for oid, structure in found.items()}
