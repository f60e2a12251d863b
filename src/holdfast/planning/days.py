"""A source's last thirty days, one word for each: what worked, what failed, and what never happened."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from holdfast.model.report import Day
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.planning.standing import Standing, instant

SHOWN = 30


def days_of(standing: Standing) -> list[Day]:
    """Oldest first, today last, in the source's time zone.

    "missed": the day ended (or today has come so far) with the newest good snapshot older than it may be; "covered":
    none was made, and the newest was young enough.
    """
    zone: tzinfo = UTC if standing.policy.zone == "UTC" else ZoneInfo(standing.policy.zone)
    today = standing.now.astimezone(zone).date()
    shown = _shown(standing.policy.zone, today)
    first = shown[0][0]
    made, before, ever = _by_day(standing, zone, first)
    failed: dict[date, int] = defaultdict(int)
    for at in standing.failed_at:
        failed[at.astimezone(zone).date()] += 1
    limit, found, newest = standing.limit[0], [], before
    for day, date_, over in shown:
        infos = made.get(day, ())
        good = [instant(info.created_at) for info in infos if names.is_good(info)]
        if good:
            newest = max([*good, *([newest] if newest else [])])
        bad = failed.get(day, 0)
        state = _state(infos, bool(good), bad)
        if not good and not bad and state != "incomplete":
            state = _without(newest, min(over, standing.now), limit) if ever and day >= ever else "before"
        if day == today and standing.running_since is not None and state != "failed":
            state = "running"
        new = sum(info.bytes_new for info in infos)
        found.append(Day(date=date_, state=state, snapshots=len(infos), failures=bad, bytes_new=new))
    return found


@functools.lru_cache(maxsize=64)
def _shown(zone: str, today: date) -> tuple[tuple[date, str, datetime], ...]:
    """Each day, how it is written, and when it is over: the same for every source of a zone."""
    of: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)
    days = [today - timedelta(days=back) for back in range(SHOWN - 1, -1, -1)]
    ends = [datetime.combine(day + timedelta(days=1), datetime.min.time(), of) for day in days]
    return tuple((day, day.isoformat(), end.astimezone(UTC)) for day, end in zip(days, ends, strict=True))


def _by_day(
    standing: Standing, zone: tzinfo, first: date
) -> tuple[dict[date, list[SnapshotInfo]], datetime | None, date | None]:
    """Snapshots of the days shown; the newest good one before them; the day of the first there is."""
    begin = datetime.combine(first, datetime.min.time(), zone).astimezone(UTC).isoformat()[:19]
    made: dict[date, list[SnapshotInfo]] = defaultdict(list)
    before = ""
    for info in standing.snapshots:
        if info.created_at >= begin:
            made[instant(info.created_at).astimezone(zone).date()].append(info)
        elif info.created_at > before and names.is_good(info):
            before = info.created_at
    oldest = min((info.created_at for info in standing.snapshots), default="")
    ever = instant(oldest).astimezone(zone).date() if oldest else None
    return made, instant(before) if before else None, _earlier(ever, standing.failed_at, zone)


def _earlier(ever: date | None, failed: Sequence[datetime], zone: tzinfo) -> date | None:
    return min([*([ever] if ever else []), *(at.astimezone(zone).date() for at in failed)], default=None)


def _state(infos: Sequence[SnapshotInfo], good: bool, failures: int) -> str:
    """A failure shows even where a good one followed only when nothing good came of the day."""
    if good:
        return "good"
    if failures:
        return "failed"
    return "incomplete" if any(info.status != "complete" for info in infos) else ""


def _without(newest: datetime | None, end: datetime, limit: timedelta) -> str:
    return "missed" if newest is None or end - newest > limit else "covered"
