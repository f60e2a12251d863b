"""Whether the living table is the very one a snapshot read, so that transaction numbers tell which rows still stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.model.snapshot import Notes, Segment
from holdfast.sources.postgres.catalog import (
    Relation,
    Signatures,
    moved,
    read_columns,
    read_relations,
    read_types,
    table_notes,
)
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.continuity import present_tokens
from holdfast.sources.postgres.copying import Reading, Stretch
from holdfast.sources.postgres.facts import Facts, read_facts
from holdfast.sources.postgres.guards import broken_history, same_table
from holdfast.sources.postgres.load_sliced import is_sliced
from holdfast.sources.postgres.records.answers import Question
from holdfast.sources.postgres.records.finding import Part
from holdfast.sources.postgres.work import start_of

_WORTH_ASKING = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One stored table (or partition) and the relation it was read from. ``starts``: its segments by first block."""

    part: Part
    reading: Reading
    starts: dict[int, Segment]
    blocks: int

    def question(self, stretch: Stretch, condition: str) -> Question:
        """The rows of some blocks that meet a condition."""
        return Question(
            statement=self.reading.copy(stretch, condition), about=self.part.item.label, start=stretch.start
        )


class History:
    """What the server says of itself within the state a session holds."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.facts: Facts = read_facts(connection)
        self._present = present_tokens(connection)
        self._relations = read_relations(connection)

    def goes_on_from(self, then: Notes) -> bool:
        """Whether it is the history a snapshot was taken in, and nothing of that was lost."""
        return not broken_history(then, self.facts, self._present)

    def standing(self, oid: int, parts: Sequence[Part]) -> list[Standing]:
        """Stored parts of the table with the relations they were read from; empty unless all are provably the same.

        The relations are locked against being rewritten until the session's transaction ends.
        """
        found = [one for one in self._relations if one.oid == oid or oid in one.ancestors]
        leaves = {one.label: one for one in found if one.kind != "p"}
        by_name = {part.item.label: part for part in parts}
        if leaves.keys() != by_name.keys() or sum([one.size for one in leaves.values()]) < _WORTH_ASKING:
            return []
        if not all(_plain(one) for one in leaves.values()) or not self._locked(list(leaves.values())):
            return []
        oids = [one.oid for one in leaves.values()]
        columns = read_columns(self._connection, oids)
        types = read_types(self._connection, columns.values())
        signatures = Signatures(types)
        standing = []
        for name, relation in leaves.items():
            own, part = columns[relation.oid], by_name[name]
            now = table_notes(relation, own, signatures.of(own), None)
            starts = _starts(part)
            if starts is None or not signatures.stable(own) or not same_table(part.item.notes or {}, now):
                return []
            reading = Reading(
                relation=relation, columns=own, types=types, ascii_only=self.facts.encoding != "SQL_ASCII"
            )
            blocks = -(-relation.size // self.facts.block_size)
            standing.append(Standing(part=part, reading=reading, starts=starts, blocks=blocks))
        return standing

    def _locked(self, relations: Sequence[Relation]) -> bool:
        for one in relations:
            self._connection.execute(f"LOCK TABLE ONLY {one.label} IN ACCESS SHARE MODE".encode())
        return not moved(self._connection, [one.oid for one in relations])


def _plain(relation: Relation) -> bool:
    """Whether its rows lie in a heap whose row versions carry the number of the transaction that wrote them."""
    return (
        relation.kind == "r" and relation.persistence == "p" and relation.access_method == "heap"
        and not relation.rows_hidden and relation.condition is None
    )


def _starts(part: Part) -> dict[int, Segment] | None:
    """Segments by first block; None where one of them is no stretch of blocks."""
    found: dict[int, Segment] = {}
    for segment in part.item.segments:
        start = start_of(segment)
        if start is None or start in found or is_sliced(segment) or not segment.stamp:
            return None
        found[start] = segment
    return found
