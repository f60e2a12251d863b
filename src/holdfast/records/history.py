"""The versions of a row, from what successive snapshots hold of it: equal neighbours are one version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from holdfast.model.records import Row

Place = TypeVar("Place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting(Generic[Place]):
    """What one snapshot (``place``) holds: ``row``, and ``plain``, the same as JSON values; None: it is not there."""

    place: Place
    row: Row | None
    plain: dict[str, Any] | None


@dataclass(slots=True, kw_only=True)
class Version(Generic[Place]):
    """``status`` "added", "changed" or "removed"; held from ``first`` to ``last``, in ``count`` snapshots.

    ``changed``: column -> (before, after) as JSON values.
    """

    status: str
    first: Place
    last: Place
    count: int
    row: dict[str, Any] | None
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)


def versions(sightings: Iterable[Sighting[Place]]) -> list[Version[Place]]:
    """The versions, oldest first; ``sightings`` in the order of time. Before it first appears there is none."""
    found: list[Version[Place]] = []
    last: Sighting[Place] | None = None
    for sighting in sightings:
        if last is None and sighting.row is None:
            continue
        if last is not None and is_same(last.row, sighting.row):
            found[-1].last = sighting.place
            found[-1].count += 1
            continue
        before = last.plain if last is not None else None
        status = "removed" if sighting.row is None else "changed" if before is not None else "added"
        version = Version(
            status=status, first=sighting.place, last=sighting.place, count=1, row=sighting.plain,
            changed=_changed(before, sighting.plain),
        )  # fmt: skip
        found.append(version)
        last = sighting
    return found


def is_same(one: Row | None, two: Row | None) -> bool:
    """Equal in every column, types included; documents in every byte."""
    if one is None or two is None:
        return one is two
    if one.raw and two.raw:
        return one.raw == two.raw
    names = dict.fromkeys((*one.values, *two.values))
    return all(name in one.values and name in two.values for name in names) and all(
        repr(one.values[name]) == repr(two.values[name]) for name in names
    )


def _changed(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, tuple[Any, Any]]:
    if before is None or after is None:
        return {}
    names = dict.fromkeys((*before, *after))
    return {
        name: (before.get(name), after.get(name))
        for name in names
        if name not in before or name not in after or repr(before[name]) != repr(after[name])
    }
