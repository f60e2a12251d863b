"""Standings for tests of the rules: snapshots an hour apart, the newest half an hour old, unless said otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast.model.policy import HealthRules, SourcePolicy
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning.standing import Reading, Standing

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MIB = 1 << 20


def info(hours: float, **more: Any) -> SnapshotInfo:
    """A snapshot made so many hours before NOW."""
    facts: dict[str, Any] = {
        "id": f"{int(hours * 100) + 10**6:032x}", "run": "r" * 32, "source": "shop", "kind": "postgres",
        "trigger": "schedule", "status": "complete",
        "created_at": (NOW - timedelta(hours=hours)).isoformat(timespec="milliseconds"), "rows": 1000,
        "item_count": 7, "bytes_source": 100 * MIB, "bytes_read": 0, "bytes_new": 2 * MIB, "bytes_stored": MIB // 2,
        "seconds": 30.0, "not_protected": [], "warnings": [], **more,
    }  # fmt: skip
    return SnapshotInfo(**facts)


def history(count: int = 10, **more: Any) -> list[SnapshotInfo]:
    """So many ordinary ones, newest first."""
    return [info(number + 0.5, **more) for number in range(count)]


def standing(snapshots: Sequence[SnapshotInfo], *, health: HealthRules | None = None, **more: Any) -> Standing:
    """Of the source "shop"; ``policy`` facts by name."""
    policy = more.pop("policy", {})
    facts: dict[str, Any] = {
        "policy": SourcePolicy(source="shop", health=health or HealthRules(), **policy), "now": NOW,
        "snapshots": list(snapshots), "numbers": {each.id: 100 - at for at, each in enumerate(snapshots)}, **more,
    }  # fmt: skip
    return Standing(**facts)


def read(days: float = 1, *, share: float = 1.0, problems: int = 0, committed: int = 100) -> Reading:
    """A check that ended so many days before NOW."""
    return Reading(at=NOW - timedelta(days=days), share=share, problems=problems, committed=committed)
