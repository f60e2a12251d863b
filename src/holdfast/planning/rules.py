"""One keep rule at a time: which of a series of snapshots it wants, and what it says of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.model.ids import short
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning.periods import PERIODS, spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A whole snapshot, and when it was made in the source's zone."""

    info: SnapshotInfo
    moment: datetime

    @property
    def good(self) -> bool:
        """Complete; the others are counted beside these."""
        return self.info.status == "complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule says of one snapshot."""

    id: str
    keep: bool
    reason: str


def judge(rule: str, wanted: int, series: Sequence[Judged], reference: datetime) -> Iterator[Verdict]:
    """A verdict for each of ``series`` (newest first). ``wanted`` so many; for "within" seconds before ``reference``.

    The incomplete ones are counted on their own, only where no good one stands for their period, and no further back
    than the rule reaches with good ones once it has all it wants of them.
    """
    if rule == "within":
        return _within(wanted, series, reference)
    return _last(wanted, series) if rule == "last" else _periods(rule, wanted, series)


def _within(seconds: int, series: Sequence[Judged], reference: datetime) -> Iterator[Verdict]:
    since = reference - timedelta(seconds=seconds)
    for each in series:
        keep = each.moment >= since
        words = f"{'within' if keep else 'not within'} {spoken(timedelta(seconds=seconds))} of the newest good one"
        yield Verdict(id=each.info.id, keep=keep, reason=words)


def _last(wanted: int, series: Sequence[Judged]) -> Iterator[Verdict]:
    good = [each for each in series if each.good]
    yield from _counted(good, wanted)
    floor = good[wanted - 1].moment if len(good) >= wanted else None
    incomplete = [each for each in series if not each.good]
    near = [each for each in incomplete if floor is None or each.moment >= floor]
    yield from _counted(near, wanted, " beside them, incomplete")
    for each in incomplete[len(near) :]:
        yield Verdict(id=each.info.id, keep=False, reason=f"incomplete, older than the last {wanted}")


def _counted(series: Sequence[Judged], wanted: int, beside: str = "") -> Iterator[Verdict]:
    for number, each in enumerate(series, 1):
        keep = number <= wanted
        reason = f"last {number} of {wanted}{beside}" if keep else f"older than the last {wanted}{beside}"
        yield Verdict(id=each.info.id, keep=keep, reason=reason)


def _periods(rule: str, wanted: int, series: Sequence[Judged]) -> Iterator[Verdict]:
    good = [each for each in series if each.good]
    newest = _newest_of_each(rule, good)
    yield from _of_periods(rule, wanted, good, newest)
    yield from _oldest(rule, wanted, good, newest)
    yield from _incomplete(rule, wanted, series, newest)


def _newest_of_each(rule: str, series: Sequence[Judged]) -> dict[str, Judged]:
    found: dict[str, Judged] = {}
    for each in series:
        found.setdefault(PERIODS[rule](each.moment), each)
    return found


def _of_periods(rule: str, wanted: int, series: Sequence[Judged], newest: dict[str, Judged]) -> Iterator[Verdict]:
    rank = {period: number for number, period in enumerate(newest, 1)}
    for each in series:
        period = PERIODS[rule](each.moment)
        number = rank[period]
        if number > wanted:
            yield Verdict(id=each.info.id, keep=False, reason=f"{period} is before the {wanted} of {rule}")
        elif newest[period] is each:
            yield Verdict(id=each.info.id, keep=True, reason=f"newest of {period} ({rule} {number} of {wanted})")
        else:
            other = short(newest[period].info.id)
            yield Verdict(id=each.info.id, keep=False, reason=f"{other} is newer in {period} ({rule})")


def _oldest(rule: str, wanted: int, series: Sequence[Judged], newest: dict[str, Judged]) -> Iterator[Verdict]:
    """Until a rule has as many as it wants, the oldest one stays: history reaches back as far as it can."""
    if series and len(newest) < wanted:
        reason = f"the oldest, until {rule} has {wanted} (it has {len(newest)})"
        yield Verdict(id=series[-1].info.id, keep=True, reason=reason)


def _incomplete(rule: str, wanted: int, series: Sequence[Judged], newest: dict[str, Judged]) -> Iterator[Verdict]:
    reached = list(newest.values())[:wanted]
    floor = PERIODS[rule](reached[-1].moment) if len(reached) == wanted else None
    since = next((each.moment for each in reversed(series) if PERIODS[rule](each.moment) == floor), None)
    seen: set[str] = set()
    for each in (each for each in series if not each.good):
        period = PERIODS[rule](each.moment)
        keep = False
        if period in newest:
            reason = f"incomplete, and {period} has a complete one ({rule})"
        elif since is not None and each.moment < since:
            reason = f"incomplete, and {period} is before the {wanted} of {rule}"
        elif period in seen:
            reason = f"incomplete, and there is a newer one of {period} ({rule})"
        elif len(seen) >= wanted:
            reason = f"incomplete, and {rule} has {wanted} of those beside"
        else:
            seen.add(period)
            reason, keep = f"newest of {period}, incomplete: beside the {wanted} of {rule}", True
        yield Verdict(id=each.info.id, keep=keep, reason=reason)
