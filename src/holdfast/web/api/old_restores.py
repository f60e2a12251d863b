"""What a restore did, counted and told in the words of the systems before holdfast."""

# ruff: noqa: N815 - the names stand in contracts that others wrote

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from holdfast.model.errors import TargetError
from holdfast.model.ids import short
from holdfast.model.run import Run, RunStatus
from holdfast.model.snapshot import SnapshotInfo
from holdfast.web.api.complete import is_table
from holdfast.wiring.sections import AliasSettings

_ROWS = ("create", "update")
_WRITTEN = ("create", "change")


class OldRestoreAnswer(BaseModel):
    """``restored``: rows that were brought back, or in a dry run would be, by table. ``warnings``: also what differs
    from the backup and is left as it is. ``undo``: the run that POST /api/restores/{undo}/undo takes back.
    """

    success: bool
    message: str
    dryRun: bool
    backupId: str
    run: str
    restored: dict[str, int]
    restoredRowCount: int
    restoredFeaturedCount: int | None
    newEventId: str | None
    warnings: list[str]
    undo: str | None


def told(
    document: dict[str, Any], run: Run, info: SnapshotInfo, aliases: Iterable[AliasSettings], *, dry: bool
) -> dict[str, Any]:
    """The answer. TargetError when it was refused, or the application differs and nothing could be brought back."""
    if refusals := list(document.get("refusals") or ()):
        raise TargetError(refusals[0], why="; ".join(refusals[1:]), hint="nothing was changed")
    rows, left = _rows(document), _left(document)
    total = sum(rows.values())
    if left and not total and _whole_only(document):
        raise TargetError(
            "the application differs from the backup, and was left as it is", where=info.source, why="; ".join(left),
            hint="rows of a table, or overwrite: POST /api/restore-plans",
        )  # fmt: skip
    key, would = document.get("key"), "would be " if dry else ""
    return {
        "success": run.status is RunStatus.SUCCEEDED, "dryRun": dry, "backupId": info.id, "run": run.id,
        "restored": rows, "message": f"{total} rows {would}restored from {short(info.id)}", "restoredRowCount": total,
        "restoredFeaturedCount": _featured(rows, info, aliases),
        "newEventId": ",".join(key) if isinstance(key, list) else None,
        "warnings": list(dict.fromkeys([*(document.get("warnings") or ()), *left])),
        "undo": run.id if document.get("undo") else None,
    }  # fmt: skip


def _featured(rows: dict[str, int], info: SnapshotInfo, aliases: Iterable[AliasSettings]) -> int | None:
    """Rows of the table that stands for the featured entries of this source; None where none does."""
    for alias in aliases:
        table = (alias.counts or {}).get("featuredEntryCount")
        if table is not None and info.source in (alias.sources or (info.source,)):
            return sum(number for name, number in rows.items() if is_table(name, table))
    return None


def _rows(document: dict[str, Any]) -> dict[str, int]:
    """Rows that were written by table, whatever the deed was."""
    if "tables" in document:
        tables = document["tables"]
        return {name: sum(counts.get(word, 0) for word in _ROWS) for name, counts in tables.items()}
    if "items" in document:
        found = {each["name"]: _written(each) for each in document["items"]}
        return {name: number for name, number in found.items() if number}
    return dict(document.get("rows") or {})


def _written(item: dict[str, Any]) -> int:
    if item["action"] in ("leave", "blocked"):
        return 0
    counts = item.get("counts") or {}
    return sum(counts.get(word, 0) for word in _WRITTEN) if counts else item["rows"] or 0


def _left(document: dict[str, Any]) -> list[str]:
    """What differs and is left, in words."""
    items = document.get("items") or ()
    return [f"{each['name']}: {each['detail']}" for each in items if "differ" in (each.get("detail") or "")]


def _whole_only(document: dict[str, Any]) -> bool:
    """Whether its items are brought back whole or not at all, so that what is missing in one is not added."""
    return all(not each.get("counts") for each in document["items"])
