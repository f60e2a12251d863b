"""How many rows a transaction changed in each table, as the server itself counts: cascades and triggers included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from holdfast.model.errors import TargetError
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.records.live_catalog import LiveCatalog

_COUNTS = (
    "SELECT s.relid::int8, s.n_tup_ins, s.n_tup_upd, s.n_tup_del, s.schemaname || '.' || s.relname"
    " FROM pg_catalog.pg_stat_xact_user_tables s JOIN pg_catalog.pg_class c ON c.oid = s.relid "
    "WHERE s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0 AND c.relpersistence <> 't'"
)
_EMPTYING = (
    "SELECT relation::int8 FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid() AND granted"
    " AND locktype = 'relation' AND mode = 'AccessExclusiveLock'"
)


class Counting:
    """For a session that has had no other transaction: the server's counts of those might not be told apart.

    A table made after the catalog was read is told of when rows of it were deleted.
    """

    def __init__(self, connection: Connection, catalog: LiveCatalog) -> None:
        self._connection = connection
        self._names = {one.oid: catalog.roots.get(name, name) for name, one in catalog.living.items()}
        self._held = self._locked()

    def check(self) -> None:
        """TargetError when the server does not count."""
        row = self._connection.execute("SELECT current_setting('track_counts')").fetchone()
        if row is None or row[0] != "on":
            raise TargetError(
                "the server does not count what a transaction changes", why="track_counts is off",
                hint="set track_counts = on (its default); autovacuum needs it too",
            )

    def told(self) -> Mapping[str, tuple[int, int, int]]:
        """Rows inserted, updated, deleted by table; those of partitions under the partitioned table.

        TargetError when a table was locked as TRUNCATE, DROP and ALTER do: what those take away, nobody counts.
        """
        if emptied := sorted({self._names[oid] for oid in self._locked() - self._held if oid in self._names}):
            raise TargetError(
                f"{', '.join(emptied)} was emptied, dropped or altered, and what that deletes is not counted",
                why="the transaction holds an exclusive lock on it, as TRUNCATE, DROP TABLE and ALTER TABLE take it",
                hint="roll back; use DELETE, and lock or alter tables in a transaction of its own",
            )  # fmt: skip
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for oid, *counts, spoken in self._connection.execute(_COUNTS.encode()):
            name = self._names.get(oid, spoken)
            if oid in self._names or counts[2]:
                sums[name] = [one + more for one, more in zip(sums[name], counts, strict=True)]
        return {name: (one[0], one[1], one[2]) for name, one in sums.items()}

    def _locked(self) -> set[int]:
        return {oid for (oid,) in self._connection.execute(_EMPTYING.encode())}
