"""The rules of retention that were followed last, kept in the repository itself.

Losing them is safe: without, whatever would be dropped counts as a change that a person confirms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.repository.numbered import Numbered
from holdfast.repository.repository import Repository
from holdfast.system import clock

RETENTION = "retention/"


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """``rules`` by "source/environment", as ``usecases.retention`` wrote them. ``at`` ISO 8601 UTC."""

    version: int = 1
    at: str = ""
    by: str = ""
    rules: dict[str, dict[str, Any]] = {}


_KEPT = Numbered(RETENTION, "retention", Confirmed, "the rules of retention")


def read_confirmed(repository: Repository) -> Confirmed:
    """What counts now; empty when nothing was ever confirmed or it cannot be read. NewerFormat."""
    return _KEPT.newest(repository) or Confirmed()


def remember_confirmed(repository: Repository, rules: Mapping[str, dict[str, Any]], by: str) -> None:
    """These rules count from now on, beside those remembered under other keys. Writes nothing when they do already."""

    def change(known: Confirmed | None) -> Confirmed | None:
        before = known.rules if known else {}
        wanted = {**before, **rules}
        return Confirmed(at=clock.stamp(), by=by, rules=wanted) if wanted != before else None

    _KEPT.keep(repository, change)
