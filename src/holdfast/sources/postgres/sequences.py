"""Where sequences stand. They are not part of any snapshot: what is read is never behind the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.sources.postgres.names import qualified

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.sources.postgres.catalog import Relation
    from holdfast.sources.postgres.connection import Connection

_BATCH = 400
_READS_ALL_AT_ONCE = 180000


def read_sequences(
    connection: Connection, sequences: Sequence[Relation]
) -> Iterator[tuple[Relation, int, bool]]:
    """(sequence, last value, whether nextval was called) of each."""
    for start in range(0, len(sequences), _BATCH):
        batch = sequences[start:start + _BATCH]
        question = _question(connection, batch)
        for number, last, called in connection.execute(question.encode(connection.info.encoding)):
            yield batch[number], last, called


def _question(connection: Connection, batch: Sequence[Relation]) -> str:
    if connection.info.server_version >= _READS_ALL_AT_ONCE:
        oids = ", ".join(str(one.oid) for one in batch)
        return (
            f"SELECT (u.place - 1)::int, s.last_value, s.is_called FROM unnest(ARRAY[{oids}]::oid[]) "
            "WITH ORDINALITY AS u(oid, place), LATERAL pg_get_sequence_data(u.oid::regclass) s"
        )
    return " UNION ALL ".join(
        f"SELECT {number}, last_value, is_called FROM {qualified(one.schema, one.name)}"
        for number, one in enumerate(batch)
    )
