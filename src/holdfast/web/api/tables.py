"""Items of a snapshot, and the tables in them: a database file is one item that holds many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holdfast.model.snapshot import Item
from holdfast.repository.repository import Repository
from holdfast.usecases.show import show


def items_of(repository: Repository, snapshot: str) -> Iterator[dict[str, Any]]:
    """Every item, in the manifest's order."""
    for item in show(repository, snapshot).items:
        yield _told(item)


def tables_of(repository: Repository, snapshot: str) -> Iterator[dict[str, Any]]:
    """Every table, collection or file with its rows; ``rows`` None where the source did not count."""
    for item in show(repository, snapshot).items:
        inner = (item.notes or {}).get("tables") if item.kind == "database" else None
        if not isinstance(inner, list):
            yield _told(item)
            continue
        for each in inner:
            yield {"name": each["name"], "kind": each["kind"], "rows": each["rows"], "bytes": 0}


def _told(item: Item) -> dict[str, Any]:
    return {"name": item.label, "kind": item.kind, "rows": item.rows, "bytes": item.size}
