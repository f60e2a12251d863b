"""Is a backup due? Judged by the newest good snapshot in the repository, so the answer survives any restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.model.environments import elsewhere
from holdfast.planning.names import is_good
from holdfast.repository.repository import SnapshotEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Dueness:
    """``age`` of the newest good snapshot, None when there is none: then it is always due."""

    source: str
    every: timedelta
    age: timedelta | None
    due: bool


def dueness(
    entries: Sequence[SnapshotEntry], every: Mapping[str, timedelta], now: datetime, last: datetime | None = None
) -> list[Dueness]:
    """One for each source in ``every``. ``last``: when another tool last did it, by its own records.

    A snapshot from the future was made by a clock that was wrong, and proves nothing.
    """
    found = []
    for source, interval in every.items():
        times = [
            datetime.fromisoformat(entry.info.data_at)
            for entry in entries
            if entry.info.source == source and is_good(entry.info) and not elsewhere(entry.info)
        ]
        past = [each for each in [*times, *([last] if last else [])] if each <= now]
        age = now - max(past) if past else None
        found.append(Dueness(source=source, every=interval, age=age, due=age is None or age >= interval))
    return found
