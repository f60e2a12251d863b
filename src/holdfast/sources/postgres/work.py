"""What has to be looked at in this capture: every table with its stretches, and what the last snapshot held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.sources.postgres.guards import same_table
from holdfast.sources.postgres.reading import TINY, Read

if TYPE_CHECKING:
    from holdfast.model.snapshot import Item, Notes, Segment
    from holdfast.sources.postgres.copying import Reading, Stretch


@dataclass(slots=True, kw_only=True)
class TableWork:
    """One table (or the large objects' pages). ``first`` is the order of its first stretch.

    ``stampable``: equal fingerprints of it will mean something. ``previous``: its item in the last snapshot.
    """

    item: bytes
    kind: str
    reading: Reading
    stretches: list[Stretch]
    notes: Notes
    stampable: bool
    previous: Item | None = None
    first: int = 0
    before: dict[int, Segment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.previous is not None:
            self.before = {start: one for one in self.previous.segments if (start := start_of(one)) is not None}

    @property
    def untouched(self) -> bool:
        """Whether its stretches are what they were once nothing happened on the whole server."""
        return bool(self.before) and self.previous is not None and same_table(self.previous.notes or {}, self.notes)

    @property
    def comparable(self) -> bool:
        """Whether its fingerprints may be compared with those of the last snapshot."""
        return self.stampable and not self.tiny and self.untouched

    def read(self, place: int, stamp: bytes = b"") -> Read:
        """The stretch at ``place``, to be read."""
        stretch = self.stretches[place]
        blocks = max(1, self.reading.relation.size // max(1, len(self.stretches)))
        toast = self.reading.relation.toast_size // max(1, len(self.stretches))
        return Read(
            item=self.item, kind=self.kind, order=self.first + place, reading=self.reading, stretch=stretch,
            size=blocks + toast, item_notes=self.notes, base=self.before.get(stretch.start), stamp=stamp,
            fold=self.stampable and not stamp and not self.tiny, tiny=self.tiny,
        )

    @property
    def tiny(self) -> bool:
        """Whether it is read every time and compared by content."""
        relation = self.reading.relation
        return relation.size + relation.toast_size <= TINY and not self.reading.selected


def start_of(segment: Segment) -> int | None:
    """The first block of a stored stretch; None for what is not a stretch."""
    start, dash, _ = segment.key.partition("-")
    return int(start) if dash and start.isdigit() else None
