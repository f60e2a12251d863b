"""The tables of the living database as one snapshot sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.model.records import Reference, Table
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.items import CONTINUITY_SCHEMA
from holdfast.sources.postgres.names import qualified
from holdfast.sources.postgres.records.tables import TablesByName, references_of, table_of
from holdfast.sources.postgres.records.text import Form
from holdfast.sources.postgres.structure import Structure, TableColumn, read_structures

_TABLES = f"""
SELECT c.oid::int8, n.nspname::text, c.relname::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
  c.relkind::text, CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid::int8 END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND (c.relkind = 'r' OR NOT c.relispartition)
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', '{CONTINUITY_SCHEMA}')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.deptype = 'e' AND c.oid <> ALL (SELECT unnest(extconfig) FROM pg_extension WHERE extconfig IS NOT NULL))
ORDER BY 2, 3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTable:
    """One table there is. ``form``: its columns without the computed ones, in the encoding of the session."""

    oid: int
    schema: str
    name: str
    partitioned: bool
    structure: Structure
    form: Form
    columns: Mapping[str, TableColumn]

    @property
    def sql(self) -> str:
        """The table as SQL."""
        return qualified(self.schema, self.name)

    @property
    def rows(self) -> str:
        """The same where rows are read or changed: not those of tables that inherit from it."""
        return self.sql if self.partitioned else f"ONLY {self.sql}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCatalog:
    """All of them by name, as snapshots name them.

    ``roots``: name of a partition -> that of the partitioned table at the top. ``labels``: what the server says.
    """

    living: Mapping[str, LiveTable]
    tables: TablesByName
    references: list[Reference]
    roots: Mapping[str, str]
    labels: Mapping[str, str]


def read_catalog(connection: Connection) -> LiveCatalog:
    """In the open transaction."""
    found = connection.execute(_TABLES.encode()).fetchall()
    structures = read_structures(connection, [row[0] for row in found])
    codec = connection.info.encoding
    raw = "latin-1" if connection.info.parameter_status("server_encoding") == "SQL_ASCII" else "utf-8"
    names = {label: label.encode(raw).decode("utf-8", "backslashreplace") for _, _, _, label, _, _ in found}
    by_oid = {row[0]: names[row[3]] for row in found}
    living = {
        names[label]: _table(oid, (schema, name), kind == "p", structures[oid], codec)
        for oid, schema, name, label, kind, _ in found
    }
    roots = {names[row[3]]: by_oid[row[5]] for row in found if row[5] in by_oid}
    of_name = {name: one.structure for name, one in living.items()}
    tables: dict[str, Table] = {name: table_of(name, one, None, roots.get(name, "")) for name, one in of_name.items()}
    return LiveCatalog(
        living=living, roots=roots, labels={name: label for label, name in names.items()},
        references=references_of(of_name, roots, names),
        tables=TablesByName(tables, {name: one.name for name, one in living.items()}),
    )


def _table(oid: int, name: tuple[str, str], partitioned: bool, structure: Structure, codec: str) -> LiveTable:
    written = [one for one in structure.columns if not one.generated]
    return LiveTable(
        oid=oid, schema=name[0], name=name[1], partitioned=partitioned, structure=structure,
        form=Form(names=tuple(one.name for one in written), types=tuple(one.type for one in written), codec=codec),
        columns={one.name: one for one in structure.columns},
    )
