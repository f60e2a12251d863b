"""What differs in the definitions of two tables, or in which tables there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.model.records import Table
from holdfast.sources.records import Book


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDifference:
    """Columns ``added`` and ``removed``; ``changed``: column -> (before, after) in words; the keys when they differ.

    ``other``: the database says that something differs which is none of these (a validator, a collation).
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    key: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    other: bool = False

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.key or self.other)


def schema_difference(before: Book, after: Book, tables: tuple[Table, Table]) -> SchemaDifference:
    """What is not the same about a table in two books."""
    one, two = tables
    ours, theirs = ({column.name: column for column in table.columns} for table in tables)
    changed = {}
    for name, column in ours.items():
        other = theirs.get(name)
        if other is not None and (told := (_told(column), _told(other)))[0] != told[1]:
            changed[name] = told
    found = SchemaDifference(
        added=tuple(name for name in theirs if name not in ours),
        removed=tuple(name for name in ours if name not in theirs),
        changed=changed,
        key=(one.key, two.key) if one.key != two.key else None,
    )
    if found or before.fingerprint(one) == after.fingerprint(two):
        return found
    return SchemaDifference(other=True)


def _told(column: object) -> str:
    kind, nullable, generated = (getattr(column, name) for name in ("type", "nullable", "generated"))
    return f"{kind}{'' if nullable else ' not null'}{' generated' if generated else ''}".strip()
