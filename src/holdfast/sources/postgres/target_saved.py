"""A snapshot as a restore reads it: its definitions, roles and tables, the chosen ones among them, their names."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy

from holdfast.model.snapshot import Item
from holdfast.sources.base import Content, Manifest
from holdfast.sources.postgres import items as kinds
from holdfast.sources.postgres.definitions import Definitions, read_definitions
from holdfast.sources.postgres.definitions_choice import RELATIONS, Choice, choose
from holdfast.sources.postgres.definitions_sql import split_name
from holdfast.sources.postgres.load_sliced import is_sliced
from holdfast.sources.postgres.names import literal, matches, qualified, quote

DATA_KINDS = (kinds.KIND_TABLE, kinds.KIND_EXTENSION_CONFIG)


class Saved:
    """One snapshot and the patterns (``--only``) a restore chose from it."""

    def __init__(self, manifest: Manifest, only: tuple[str, ...]) -> None:
        self.notes = manifest.notes
        self.only = only
        self.encoding = str(self.notes.get("encoding", "UTF8"))
        self.codec = "latin-1" if self.encoding == "SQL_ASCII" else "utf-8"
        self._items = list(manifest.items())
        self._by_name = {item.name: item for item in self._items}
        self._above: dict[tuple[str, str], tuple[str, str]] = {}

    def learn(self, content: Content) -> Definitions | None:
        """Know from now on, out of the definitions, which tables are parts of parts of others."""
        definitions = self.definitions(content)
        for child, parent, _ in definitions.attachments() if definitions else ():
            self._above[child.namespace, child.tag] = (parent.namespace, parent.tag)
        return definitions

    def narrowed(self, pattern: str) -> Saved:
        """The same snapshot with this pattern alone."""
        found = copy(self)
        found.only = (pattern,)
        return found

    def large_objects(self) -> Item | None:
        """All large objects, where there are any and they were chosen: by their name, or with everything."""
        wanted = not self.only or kinds.LARGE_OBJECTS.decode() in self.only
        return self.fixed(kinds.LARGE_OBJECTS) if wanted else None

    def fixed(self, name: bytes) -> Item | None:
        """The item of exactly this name: definitions, roles, large objects, or a table."""
        return self._by_name.get(name)

    def name(self, item: Item) -> tuple[str, str]:
        """(schema, name) of a table, sequence or materialized view."""
        return split_name(item.name, self.codec)

    def sql(self, item: Item) -> str:
        """The same, quoted for SQL."""
        return qualified(*self.name(item))

    def relations(self, *kinds_wanted: str) -> list[Item]:
        """Items of these kinds, without regard to the choice."""
        return [item for item in self._items if item.kind in kinds_wanted]

    def chosen(self, *kinds_wanted: str) -> list[Item]:
        """Items of these kinds that the patterns mean (a partitioned table means its partitions)."""
        found = self.relations(*kinds_wanted)
        return [item for item in found if self.is_chosen(item)] if self.only else found

    def is_chosen(self, item: Item) -> bool:
        """Whether the patterns mean this item, or the partitioned table it is a part of."""
        if not self.only or matches(self.only, item.label, *self.name(item)):
            return True
        above = self._above.get(self.name(item))
        while above is not None:
            if matches(self.only, f"{quote(above[0])}.{quote(above[1])}", *above):
                return True
            above = self._above.get(above)
        root = (item.notes or {}).get("partition_of")
        if not root:
            return False
        raw = root if isinstance(root, bytes) else str(root).encode()
        return matches(self.only, raw.decode("utf-8", "backslashreplace"), *split_name(raw, self.codec))

    def definitions(self, content: Content) -> Definitions | None:
        """Every definition of the saved database; None for a snapshot that holds rows only."""
        item = self.fixed(kinds.DEFINITIONS)
        if item is None:
            return None
        return read_definitions(block for segment in item.segments for block in content.blocks(segment))

    def roles(self, content: Content) -> str:
        """The script of roles, empty when there is none."""
        item = self.fixed(kinds.ROLES)
        if item is None:
            return ""
        blocks = (block for segment in item.segments for block in content.blocks(segment))
        return b"".join(blocks).decode(self.codec, "replace")

    def choice(self, definitions: Definitions) -> Choice | None:
        """What ``--only`` means in definitions; None when everything is meant."""
        if not self.only:
            return None
        wanted = {self.name(item) for item in self._items if "." in item.label and self.is_chosen(item)}
        for entry in definitions.entries:
            label = f"{quote(entry.namespace)}.{quote(entry.tag)}"
            if entry.desc in RELATIONS and matches(self.only, label, entry.namespace, entry.tag):
                wanted.add((entry.namespace, entry.tag))
        return choose(definitions, wanted)

    def columns(self, item: Item) -> list[str] | None:
        """The columns in COPY order; None when the snapshot does not say."""
        columns = (item.notes or {}).get("columns")
        return None if columns is None else [str(column) for column in columns]

    def copy_target(self, item: Item, into: str = "") -> str:
        """``"schema"."table" ("a", "b")`` for COPY, or another table of the same columns."""
        columns = self.columns(item)
        listed = f" ({', '.join(map(quote, columns))})" if columns else ""
        return f"{into or self.sql(item)}{listed}"

    def copy_options(self, *more: str) -> str:
        """How COPY reads the saved text."""
        return f" ({', '.join([f'ENCODING {literal(self.encoding)}', *more])})"


def has_slices(item: Item) -> bool:
    """Whether some rows of the table were too large for one line."""
    return any(is_sliced(segment) for segment in item.segments)


def total_size(items: Iterable[Item]) -> int:
    """Bytes of several items."""
    return sum(item.size for item in items)
