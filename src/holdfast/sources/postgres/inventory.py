"""What a database holds, sorted into what is read, what is only named, and what cannot be protected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.sources.postgres.catalog import Columns, Relation, Signatures, table_notes
from holdfast.sources.postgres.copying import Reading, stretches
from holdfast.sources.postgres.facts import TID_RANGE_SERVER
from holdfast.sources.postgres.items import KIND_LARGE_OBJECTS, KIND_TABLE, LARGE_OBJECTS
from holdfast.sources.postgres.structure import Structure, read_structures
from holdfast.sources.postgres.work import TableWork

if TYPE_CHECKING:
    from holdfast.model.snapshot import Item
    from holdfast.sources.base import Previous
    from holdfast.sources.postgres.opening import Opened

_PAGES = (
    "SELECT c.oid, c.relfilenode, pg_relation_size(c.oid), has_table_privilege(c.oid, 'SELECT'), "
    "(SELECT count(*) FROM pg_largeobject_metadata) FROM pg_class c "
    "WHERE c.oid = 'pg_catalog.pg_largeobject'::regclass"
)


class Inventory:
    """Sorts everything one snapshot sees. ``tables`` are read by the lanes, largest first."""

    def __init__(self, opened: Opened, previous: Previous | None, *, stamping: bool) -> None:
        self._opened = opened
        self._held = opened.held
        self._stamping = stamping
        self._ranged = self._held.facts.version >= TID_RANGE_SERVER
        self._by_oid = {one.oid: one for one in self._held.catalog.relations}
        self._previous = _before(opened, previous)
        self._signatures = Signatures(self._held.catalog.types)
        chosen = {table.oid for table in self._held.tables}
        ordinary = [one for one in self._held.catalog.of_kind("r") if one.oid in chosen]
        self._structures = self._read_structures(ordinary)
        self.tables = [self._table(one) for one in ordinary if one.condition is None]
        self.configurations = [one for one in ordinary if one.condition is not None]
        self.large_objects = 0
        self.large_objects_readable = True
        self._add_large_objects()

    @property
    def codec(self) -> str:
        """How text of the catalogs becomes bytes: SQL_ASCII databases spoke LATIN1 to us, byte for byte."""
        return "latin-1" if self._held.facts.encoding == "SQL_ASCII" else "utf-8"

    def name(self, relation: Relation) -> bytes:
        """The item's name: the label in UTF-8, the server's own bytes in a SQL_ASCII database."""
        return relation.label.encode(self.codec)

    def columns(self, relation: Relation) -> Columns:
        """The columns of a chosen table."""
        return self._held.catalog.columns[relation.oid]

    def previous(self, name: bytes) -> Item | None:
        """An item of the last snapshot."""
        return self._previous.get(name)

    def wanted(self, relation: Relation) -> bool:
        """Whether a sequence or materialized view belongs to what was chosen."""
        return not relation.member and self._opened.selection.wants(relation)

    def not_protected(self) -> list[str]:
        """What this snapshot does not bring back, one line each."""
        if self._opened.unasked is not None:
            return self._opened.unasked.not_protected
        lines = [
            f"rows of foreign table {one.label} (they live on another server)"
            for one in self._held.catalog.of_kind("f")
        ]
        repository = self._opened.repository_label
        lines += [
            f"rows of {one.label} ({'the repository itself' if one.label == repository else 'left out by choice'})"
            for one in sorted(self._opened.left_out, key=lambda one: one.label)
        ]
        return lines

    def notes(self, relation: Relation) -> dict[str, object]:
        """What is stored with a table."""
        columns = self.columns(relation)
        root = self._by_oid.get(relation.ancestors[-1]) if relation.ancestors else None
        notes = table_notes(relation, columns, self._signatures.of(columns), root.label if root else None)
        notes.update(self._structures[relation.oid].notes())
        if root:
            notes["root"] = self._structures[root.oid].whole_notes()
        return notes

    def _read_structures(self, tables: list[Relation]) -> dict[int, Structure]:
        """Keys and references of the tables and of the partitioned ones above them."""
        roots = {one.ancestors[-1] for one in tables if one.ancestors}
        return read_structures(self._held.connection, [*(one.oid for one in tables), *(roots & self._by_oid.keys())])

    def _table(self, relation: Relation) -> TableWork:
        facts = self._held.facts
        columns = self.columns(relation)
        return TableWork(
            item=self.name(relation), kind=KIND_TABLE,
            reading=Reading(
                relation=relation, columns=columns, types=self._held.catalog.types,
                ascii_only=facts.encoding != "SQL_ASCII",
            ),
            stretches=stretches(relation, facts.block_size, ranged=self._ranged and relation.access_method == "heap"),
            notes=self.notes(relation), previous=self._previous.get(self.name(relation)),
            stampable=self._stamping and relation.persistence == "p" and relation.access_method == "heap"
            and self._signatures.stable(columns),
        )

    def _add_large_objects(self) -> None:
        """The pages of large objects are a table like any other, where this role may read it."""
        (oid, filenode, size, readable, count) = self._held.connection.execute(_PAGES.encode()).fetchall()[0]
        self.large_objects, self.large_objects_readable = int(count), bool(readable)
        if not count or self._opened.selection.tables or not self._opened.wants_item(LARGE_OBJECTS):
            self.large_objects = 0
            return
        if not readable:
            return
        relation = Relation(
            oid=oid, schema="pg_catalog", name="pg_largeobject", label="pg_largeobject", kind="r",
            persistence="p", filenode=filenode, access_method="heap", size=size, toast_size=0, populated=True,
            readable=True, ancestors=(), partition=False, member=False, condition=None, inherits=False,
            rows_hidden=False,
        )
        page = self._held.facts.block_size // 4
        columns = Columns(names=("oid", "offset", "data"), types=("oid", "bigint", "bytea"), signature="pages")
        reading = Reading(
            relation=relation, columns=columns, types={}, selected=f"loid, pageno::int8 * {page}, data"
        )
        self.tables.append(TableWork(
            item=LARGE_OBJECTS, kind=KIND_LARGE_OBJECTS, reading=reading, first=1,
            stretches=stretches(relation, self._held.facts.block_size, ranged=self._ranged),
            notes=table_notes(relation, columns, "pages", None), stampable=self._stamping,
            previous=self._previous.get(LARGE_OBJECTS),
        ))


def _before(opened: Opened, previous: Previous | None) -> dict[bytes, Item]:
    """Every item of the last snapshot by name."""
    if opened.unasked is not None:
        return opened.unasked.before
    return {one.name: one for one in previous.items()} if previous else {}
