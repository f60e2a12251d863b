"""Snapshots that a person called right as they are, kept in the repository itself: no journal has to be there for it.

Losing them costs a question and no data: what looked suspicious does so again.
"""

from __future__ import annotations

import msgspec

from holdfast.repository.numbered import Numbered
from holdfast.repository.repository import Repository
from holdfast.system import clock

ACCEPTED = "accepted/"


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """``snapshots`` by id, each with who said so and when (ISO 8601 UTC)."""

    version: int = 1
    snapshots: dict[str, tuple[str, str]] = {}


_KEPT = Numbered(ACCEPTED, "accepted", Accepted, "what people called right")


def read_accepted(repository: Repository) -> frozenset[str]:
    """Their ids; none when what is kept cannot be read. NewerFormat."""
    found = _KEPT.newest(repository)
    return frozenset(found.snapshots) if found else frozenset()


def remember_accepted(repository: Repository, snapshot: str, by: str) -> None:
    """From now on ``snapshot`` is one of them. Those that are gone from the repository are not kept any longer."""

    def change(known: Accepted | None) -> Accepted | None:
        before = known.snapshots if known else {}
        if snapshot in before:
            return None
        there = repository.log.state.snapshots.keys()
        kept = {identifier: said for identifier, said in before.items() if identifier in there}
        return Accepted(snapshots={**kept, snapshot: (by, clock.stamp())})

    _KEPT.keep(repository, change)
