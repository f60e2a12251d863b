"""How many rows a transaction changed in each table, as the server itself counts: cascades and triggers included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from holdfast.model.errors import TargetError
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.records.live_catalog import LiveCatalog

_COUNTS = (
    "SELECT relid::int8, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables "
    "WHERE n_tup_ins + n_tup_upd + n_tup_del > 0"
)


class Counting:
    """For a session that has had no other transaction: the server's counts of those might not be told apart."""

    def __init__(self, connection: Connection, catalog: LiveCatalog) -> None:
        self._connection = connection
        self._names = {one.oid: catalog.roots.get(name, name) for name, one in catalog.living.items()}

    def check(self) -> None:
        """TargetError when the server does not count."""
        row = self._connection.execute("SELECT current_setting('track_counts')").fetchone()
        if row is None or row[0] != "on":
            raise TargetError(
                "the server does not count what a transaction changes", why="track_counts is off",
                hint="set track_counts = on (its default); autovacuum needs it too",
            )

    def told(self) -> Mapping[str, tuple[int, int, int]]:
        """Rows inserted, updated, deleted by table; those of partitions under the partitioned table."""
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for oid, *counts in self._connection.execute(_COUNTS.encode()):
            name = self._names.get(oid)
            if name is not None:
                sums[name] = [one + more for one, more in zip(sums[name], counts, strict=True)]
        return {name: (one[0], one[1], one[2]) for name, one in sums.items()}
