"""What living snapshots rely on: one copy of each chunk, its base included, at two bytes a chunk."""

from __future__ import annotations

import pytest
from tests.faults.world import World
from tests.unit.repository.opened import cheap, memory, room, rows, touched, world

from holdfast.chunking import codec
from holdfast.model.errors import Damaged
from holdfast.repository.needs import Needs, pack_facts
from holdfast.repository.rebuild import packs_present
from holdfast.storage.memory import MemoryStorage

__all__ = ["cheap", "memory", "room", "world"]


def test_bases_of_needed_deltas_are_needed(world: World) -> None:
    """With the older snapshot forgotten its chunk stays, because the newer one is a delta of it."""
    world.back_up("one", {"t": [rows(1)]})
    world.back_up("two", {"t": [touched(rows(1))]})
    world.forget("one")
    with world.opened() as repository:
        reader = repository.reader()
        needs = Needs(repository.vault, reader)
        chosen = [place for place, _base in needs.chosen(needs.live)]
        bases = {base for _place, base in needs.chosen(needs.live) if base}
        assert bases
        assert bases <= {place.id for place in chosen if place.codec != codec.DELTA}
        assert {place.id for place in chosen if place.codec == codec.DELTA}


def test_memory_is_two_bytes_a_chunk(world: World) -> None:
    """Two arrays with a byte for each row of the index, and a count for each pack."""
    world.back_up("one", {f"t{n}": [rows(n, 500)] for n in range(40)})
    with world.opened() as repository:
        needs = Needs(repository.vault, repository.reader())
        rows_held, _ = repository.index.merged()
        assert rows_held.count > 40
        assert len(needs._chosen) + len(needs._settled) == 2 * rows_held.count
        facts = list(pack_facts(repository.vault, packs_present(repository.vault), needs.live))
        assert all(0 < fact.live <= fact.size for fact in facts)


def test_nothing_is_counted_when_something_needed_is_missing(world: World, memory: MemoryStorage) -> None:
    """A chunk no fragment tells of: prune is refused, and says how it is found."""
    world.back_up("one", {"t": [rows(1)]})
    for stat in list(memory.list("index/")):
        memory.delete(stat.name)
    with world.opened() as repository:
        reader = repository.reader()
        with pytest.raises(Damaged) as caught:
            Needs(repository.vault, reader)
    assert "repair-index" in caught.value.hint
