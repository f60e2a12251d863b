"""Asks one session for rows by their values; a question the server cannot put is put another way."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import psycopg

from holdfast.model.records import Key, Row
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.conninfo import Conninfo
from holdfast.sources.postgres.records.live_catalog import LiveTable
from holdfast.sources.postgres.records.live_sql import conditions, select
from holdfast.sources.postgres.refusals import translating

# no such operator, or a value that the type does not take
_NOT_SO = (psycopg.errors.UndefinedFunction, psycopg.DataError, psycopg.errors.IndeterminateDatatype)


class Asking:
    """Within the session's open transaction."""

    def __init__(self, connection: Connection, conninfo: Conninfo) -> None:
        self._connection = connection
        self._conninfo = conninfo

    def find(
        self, table: LiveTable, columns: tuple[str, ...], wanted: Collection[Key], *, lock: bool = False
    ) -> Iterator[Row]:
        """Rows whose ``columns`` equal one of ``wanted``, each once; all are fetched before the first is given."""
        keys = list(dict.fromkeys(wanted))
        for data in self._found(table, columns, keys, lock=lock):
            yield from table.form.rows(data)

    def copied(self, statement: str) -> bytes:
        """What a COPY gives."""
        with self._connection.cursor() as cursor, cursor.copy(statement.encode(self._connection.info.encoding)) as rows:
            return b"".join([bytes(row) for row in rows])

    def _found(
        self, table: LiveTable, columns: tuple[str, ...], keys: list[Key], *, lock: bool
    ) -> list[bytes]:
        with translating(self._conninfo, doing=f"rows of {table.schema}.{table.name} could not be read"):
            try:
                with self._connection.transaction():
                    return [self.copied(select(table, one, lock=lock)) for one in conditions(table, columns, keys)]
            except _NOT_SO:
                asked = conditions(table, columns, keys, as_text=True)
                return [self.copied(select(table, one, lock=lock)) for one in asked]
