"""Tables and references as the rest of the program speaks of them, out of the structures of a database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from holdfast.model.records import Column, Reference, Table
from holdfast.sources.postgres.structure import Structure


class TablesByName(Mapping[str, Table]):
    """Tables by their name; also by the name without schema where that is unique."""

    def __init__(self, tables: Mapping[str, Table], short: Mapping[str, str]) -> None:
        """``short``: the bare name of each table by its full one."""
        self._tables = dict(tables)
        self._short: dict[str, list[str]] = {}
        for name, bare in short.items():
            if name in self._tables:
                self._short.setdefault(bare, []).append(name)

    def __getitem__(self, name: str) -> Table:
        if name in self._tables:
            return self._tables[name]
        known = self._short.get(name, [])
        return self._tables[known[0] if len(known) == 1 else name]

    def __contains__(self, name: object) -> bool:
        return name in self._tables or len(self._short.get(str(name), ())) == 1

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def table_of(name: str, structure: Structure, rows: int | None, root: str = "") -> Table:
    """One table. Generated columns are listed, rows do not hold them."""
    return Table(
        name=name,
        columns=tuple(
            Column(
                name=one.name, type=one.type, nullable=not one.not_null, generated=one.generated, default=one.default
            )
            for one in structure.columns
        ),
        key=structure.key, unique=tuple(structure.unique), rows=rows, sequences=dict(structure.sequences), root=root,
    )


def references_of(
    structures: Mapping[str, Structure], roots: Mapping[str, str], names: Mapping[str, str]
) -> list[Reference]:
    """Every foreign key once: those that partitions have from their root are told of the root alone.

    ``roots``: partition -> root, by name. ``names``: what a label of the server's is called here.
    """
    found = []
    for table, structure in structures.items():
        root = structures.get(roots.get(table, ""))
        of_root = {(one.columns, one.to) for one in root.references} if root else set()
        not_null = {one.name for one in structure.columns if one.not_null}
        found += [
            Reference(
                name=one.name, table=table, columns=one.columns, to=names.get(one.to, one.to),
                to_columns=one.to_columns, on_delete=one.on_delete, deferrable=one.deferrable,
                nullable=not set(one.columns) <= not_null,
            )
            for one in structure.references
            if (one.columns, one.to) not in of_root
        ]
    return found


def fingerprint_of(table: Table) -> str:
    """Changes whenever columns, types or key do; the order of columns does not count."""
    columns = sorted((one.name, one.type, one.generated) for one in table.columns)
    text = repr((columns, table.key))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
