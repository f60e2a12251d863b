"""Keeps triggers and rules of living tables still while rows are written, and nothing else from changing meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from holdfast.model.errors import TargetError
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.inplace_living import Catalog, Living, Name
from holdfast.sources.postgres.inplace_locks import lock
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_place import Place

_ON = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}
_ALONE = "ACCESS EXCLUSIVE"  # what the server takes to switch a rule
_COUNTED = (
    "SELECT pg_catalog.set_config('track_counts', 'on', false) FROM pg_catalog.pg_roles"
    " WHERE rolname = current_user AND rolsuper AND pg_catalog.current_setting('track_counts') = 'off'"
)
_WRITTEN = (
    "SELECT relid::bigint FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stillness:
    """The session that holds the locks, in its transaction; ``tables`` are those whose rows are written."""

    connection: Connection
    catalog: Catalog
    place: Place
    tables: Sequence[Name]

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Inside, no trigger or rule fires for them; afterwards each is switched as it was. TargetError: may not."""
        living = [self.catalog.relations[name] for name in self.tables if name in self.catalog.relations]
        refused = list(unstoppable(living, self.catalog))
        if refused:
            raise TargetError(refused[0], where=self.place.url, why="; ".join(refused[1:]), hint="nothing was changed")
        firing = [(table, found) for table in living if (found := table.firing(may_bypass=self.catalog.may_bypass))]
        ruled = [table for table, found in firing if any(kind == "RULE" for kind, _, _ in found)]
        if ruled:
            lock(self.connection, ruled, _ALONE, self.place)
        for table, found in firing:
            self._switch(table, [f"DISABLE {kind} {quote(name)}" for kind, name, _ in found])
        yield
        if firing and not self.catalog.may_bypass:
            self.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be altered
        for table, found in firing:
            self._switch(table, [f"{_ON[enabled]} {kind} {quote(name)}" for kind, name, enabled in found])

    def _switch(self, table: Living, switches: list[str]) -> None:
        self.connection.execute(f"ALTER TABLE ONLY {table.sql} {', '.join(switches)}")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """TargetError when rows of other tables are written inside, whoever did it (a check's function, a key)."""
        self.connection.execute(_COUNTED)
        before = self._written()
        yield
        allowed = set(self.tables)
        # what had been written before is the work of event triggers: making temporary tables sets them off
        written = self._written() - before
        strays = [
            relation
            for relation in self.catalog.relations.values()
            if relation.oid in written and relation.relkind in "rp" and relation.name not in allowed
        ]
        if strays:
            raise TargetError(
                "tables that are no part of the restore would have changed with it; nothing was changed",
                where=", ".join(".".join(relation.name) for relation in strays[:5]),
                why="writing the restored rows wrote rows of these, too: a function or a foreign key does that",
                hint="look for functions in checks, defaults and generated columns of the restored tables that write, "
                "or restore into a new database and bring the rows over by hand",
            )

    def _written(self) -> set[int]:
        return {oid for (oid,) in self.connection.execute(_WRITTEN).fetchall()}


def unstoppable(tables: Iterable[Living], catalog: Catalog) -> Iterator[str]:
    """What would fire for rows of tables that this role does not own, each with the statement for their owner."""
    for table in tables:
        for kind, name, _ in table.firing(may_bypass=catalog.may_bypass) if not table.owned else []:
            yield (
                f"{'.'.join(table.name)}: the {kind.lower()} {name} would fire for restored rows, and this role cannot "
                f"keep it still; as the table's owner: ALTER TABLE {_plain(table)} DISABLE {kind} {quote(name)};"
                " and afterwards switch it on again"
            )


def _plain(table: Living) -> str:
    return table.item.decode("utf-8", "replace")
