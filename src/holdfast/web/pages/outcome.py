"""What a plan would do or a run did: how much comes back, is replaced, goes or stays, and of which tables or files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

BACK, REPLACED, REMOVED, STAYS = "Brought back", "Replaced", "Removed", "Untouched"
DIFFERS, BLOCKED = "Left as changed since", "Not possible"
_FATES = {
    "create": BACK, "add": BACK, "created": BACK, "update": REPLACED, "overwrite": REPLACED, "replace": REPLACED,
    "replaced": REPLACED, "delete": REMOVED, "deleted": REMOVED, "unchanged": STAYS, "leave": STAYS, "skip": STAYS,
    "conflict": DIFFERS, "there": STAYS, "left": STAYS, "blocked": BLOCKED,
}  # fmt: skip
_BY_TABLE = ("created", "replaced", "there", "left", "deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What becomes of one table, or one item: ``did`` is one of the words above, or the deed's own."""

    name: str
    did: str
    rows: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``totals``: in rows where they are known, else in items, as ``unit`` says; ``more`` parts were not listed."""

    parts: list[Part]
    totals: dict[str, int]
    unit: str
    more: int = 0

    @property
    def changes(self) -> bool:
        """Whether anything is written or removed at all, as far as it was told."""
        return bool(self.takes_away or self.totals.get(BACK) or not self.totals)

    @property
    def left_different(self) -> int:
        """Rows that are not as the snapshot holds them, and stay so."""
        return self.totals.get(DIFFERS, 0)

    @property
    def takes_away(self) -> bool:
        """Whether something that is there now is replaced or goes."""
        return bool(self.totals.get(REPLACED) or self.totals.get(REMOVED))


def outcome_of(document: Mapping[str, Any]) -> Outcome:
    """Out of what a deed tells, as JSON values."""
    parts = list(_parts(document))
    counted = any(each.rows is not None for each in parts)
    totals = Counter[str]()
    for each in parts:
        if each.did in _FATES.values():
            totals[each.did] += (each.rows or 0) if counted else 1
    ordered = {did: totals[did] for did in dict.fromkeys(_FATES.values()) if totals[did]}
    more = max(0, int(document.get("item_count") or 0) - len(document.get("items") or ()))
    return Outcome(parts=parts, totals=ordered, unit="rows" if counted else "items", more=more)


def _parts(document: Mapping[str, Any]) -> Iterator[Part]:
    for item in _list(document, "items"):
        rows = item.get("rows")
        yield _part(item.get("name") or item.get("table") or "", item.get("action"), rows, item.get("detail"))
    for table, told in _mapping(document, "tables").items():
        for action, number in told.items() if isinstance(told, Mapping) else ((None, told),):
            yield _part(table, action, number)
    if document.get("table"):  # rows of one table
        for action, number in _mapping(document, "counts").items():
            if number:
                yield _part(document["table"], action, number)
    for action in _BY_TABLE:
        for table, number in _mapping(document, action).items():
            yield _part(table, action, number)


def _part(name: Any, action: Any, rows: Any, detail: Any = "") -> Part:
    did = _FATES.get(str(action), str(action or ""))
    return Part(name=str(name), did=did, rows=rows if isinstance(rows, int) else None, detail=str(detail or ""))


def _list(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = document.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}
