"""Which tables, collections or files make a backup large, and what may be done about it."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.model.errors import Damaged
from holdfast.model.snapshot import Item
from holdfast.planning import saying
from holdfast.repository.repository import Repository

_SHOWN = 5
_MUCH = 0.3
_LARGE = 100 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Large:
    """One item: its ``share`` (0-1) of the source's bytes."""

    name: str
    kind: str
    size: int
    rows: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The largest items of a source's newest good snapshot, ``taken_at``, of ``total`` bytes."""

    taken_at: str
    total: int
    largest: Sequence[Large]
    advice: str

    @property
    def lines(self) -> list[str]:
        """For people."""
        return [
            f"{saying.size(each.size)} ({saying.percent(each.share)})"
            f"{f', {saying.number(each.rows)} rows' if each.rows else ''}: {each.name}"
            for each in self.largest
        ]


def sizes_of(repository: Repository, snapshots: Sequence[str]) -> dict[str, Sizes]:
    """By source, for snapshots by id. Reads their manifests; one that is damaged is left out."""
    entries = {entry.info.id: entry for entry in repository.snapshots()}
    found = {}
    for entry in (entries[each] for each in snapshots if each in entries):
        try:
            items = heapq.nlargest(_SHOWN, repository.manifest(entry).items(), key=lambda item: item.size)
        except Damaged:
            continue
        total = entry.info.bytes_source
        largest = [_large(item, total) for item in items if item.size]
        found[entry.info.source] = Sizes(
            taken_at=entry.info.created_at, total=total, largest=largest, advice=_advice(largest, total)
        )
    return found


def _large(item: Item, total: int) -> Large:
    share = item.size / total if total else 0.0
    return Large(name=item.label, kind=item.kind, size=item.size, rows=item.rows, share=share)


def _advice(largest: Sequence[Large], total: int) -> str:
    """What a person may do about the size; every backup stores only what changed, so most need not."""
    if not largest:
        return "nothing in it is large"
    first = largest[0]
    told = f"{first.name} is {saying.percent(first.share)} of {saying.size(total)}"
    if first.share < _MUCH or first.size < _LARGE:
        return f"{told}; nothing to do"
    return (
        f"{told}; if nobody needs it back, add it to exclude of the source, or delete its old rows in the application;"
        " where only few rows change it costs little: unchanged parts are stored once"
    )
