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
_NOT_SO = (
    psycopg.errors.UndefinedFunction, psycopg.DataError, psycopg.errors.IndeterminateDatatype,
    psycopg.errors.FeatureNotSupported,  # rows with a box: no index knows its equality
)
_EQUALITY = (
    b"SELECT 'OPERATOR(' || quote_ident(n.nspname) || '.=)' FROM pg_catalog.pg_operator o"
    b" JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace WHERE o.oprname = '=' AND n.nspname <> 'pg_catalog'"
    b" AND o.oprleft = pg_catalog.to_regtype(%s) AND o.oprright = o.oprleft"
)


class Asking:
    """Within the session's open transaction."""

    def __init__(self, connection: Connection, conninfo: Conninfo) -> None:
        self._connection = connection
        self._conninfo = conninfo
        self._operators: dict[str, str] = {}

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
            equality = self._equality(table, columns)
            try:
                with self._connection.transaction():
                    asked = conditions(table, columns, keys, equality=equality)
                    return [self.copied(select(table, one, lock=lock)) for one in asked]
            except _NOT_SO:
                asked = conditions(table, columns, keys, as_text=True)
                return [self.copied(select(table, one, lock=lock)) for one in asked]

    def _equality(self, table: LiveTable, columns: tuple[str, ...]) -> dict[str, str]:
        """The operator of each type that brought one along (citext), which no search path of ours would find."""
        kinds = {table.columns[name].base for name in columns if name in table.columns}
        for kind in sorted(kind for kind in kinds if "." in kind and kind not in self._operators):
            row = self._connection.execute(_EQUALITY, [kind]).fetchone()
            self._operators[kind] = str(row[0]) if row else ""
        return {kind: found for kind in kinds if (found := self._operators.get(kind))}
