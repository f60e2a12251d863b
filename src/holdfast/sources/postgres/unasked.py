"""What need not even be looked up: everything of the last snapshot, once no transaction ran on the whole server.

Every change of a row, a definition, a right or a role needs a transaction number, in whatever database of the
cluster it is made. Where guards.nothing_happened proves that none was given but our own token's, the catalogs are
what they were, and with them the list of tables, how each is read, and what pg_dump would write. Left to be asked
are the things that move without a number: sequences, unlogged tables (a crash empties them), and the rotating
sample, which tests this very belief. Roles are read anew as well, it costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.sources.postgres.compare import SAMPLE_OF, slot_of
from holdfast.sources.postgres.guards import broken_history, nothing_happened
from holdfast.sources.postgres.items import (
    DEFINITIONS,
    KIND_EXTENSION_CONFIG,
    KIND_MATVIEW,
    KIND_SEQUENCE,
    KIND_TABLE,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from holdfast.model.snapshot import Item, Notes
    from holdfast.sources.base import Previous
    from holdfast.sources.postgres.facts import Facts

_HEAP = "heap"
_IN_CATALOGS = (KIND_TABLE, KIND_EXTENSION_CONFIG, KIND_MATVIEW, KIND_SEQUENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """``asleep`` items are kept whole and unseen; ``awake`` are oids of relations to be looked at as ever.

    ``before``: every item of the last snapshot by name. ``not_protected``: what its inventory could not protect.
    """

    before: dict[bytes, Item]
    asleep: list[Item]
    awake: list[int]
    not_protected: list[str]


def unasked(previous: Previous, wish: Notes, facts: Facts, present: AbstractSet[str]) -> Unasked | None:
    """What may sleep; None when anything at all may have changed, or the last snapshot was taken otherwise.

    ``wish`` is what the capture was told to do; it is stored only by a capture that came to its end.
    """
    notes = previous.notes
    if notes.get("wish") != wish or not nothing_happened(notes, facts) or broken_history(notes, facts, present):
        return None
    before = {item.name: item for item in previous.items()}
    definitions = before.get(DEFINITIONS)
    if definitions is None or not definitions.segments or not _is_whole(definitions):
        return None
    asleep, awake = _sorted(before.values(), int(notes.get("round", -1)) + 1)
    return Unasked(
        before=before, asleep=asleep, awake=awake,
        not_protected=[str(line) for line in notes.get("not_protected", ())],
    )


def _sorted(items: Iterable[Item], turn: int) -> tuple[list[Item], list[int]]:
    known = [item for item in items if item.kind in _IN_CATALOGS]
    sleepy = [item for item in known if _may_sleep(item)]
    sample = [item for item in sleepy if item.kind == KIND_TABLE and _in_turn(item, turn % SAMPLE_OF)]
    if not sample:
        tables = [item for item in sleepy if item.kind == KIND_TABLE and item.segments]
        sample = [tables[turn % len(tables)]] if tables else []  # a sample is never nothing
    chosen = {item.name for item in sample}
    asleep = [item for item in sleepy if item.name not in chosen]
    sleeping = {item.name for item in asleep}
    return asleep, [int((item.notes or {})["oid"]) for item in known if item.name not in sleeping]


def _may_sleep(item: Item) -> bool:
    notes = item.notes or {}
    if item.kind == KIND_SEQUENCE:
        return False
    if item.kind == KIND_MATVIEW:
        return True
    logged = notes.get("persistence") == "p" and notes.get("method") == _HEAP
    return logged and _is_whole(item)


def _in_turn(item: Item, turn: int) -> bool:
    return any(slot_of(item.name, one.key) == turn for one in item.segments)


def _is_whole(item: Item) -> bool:
    """Whether none of its segments was lost since: the counts of an item are those of all of them."""
    return (
        sum([one.rows for one in item.segments]) == item.rows and sum([one.size for one in item.segments]) == item.size
    )
