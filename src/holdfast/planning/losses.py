"""How much of a source is missing in a snapshot, against those before it that look right."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.model.policy import HealthRules
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning.baseline import Baseline, baseline

HALF = 0.5
_LEAST_CHANGE = 1 << 20


def rows_of(past: Sequence[SnapshotInfo]) -> Baseline:
    """What is usual; of snapshots that count rows."""
    return baseline([info.rows for info in past if info.rows is not None])


def sizes_of(past: Sequence[SnapshotInfo]) -> Baseline:
    """What is usual."""
    return baseline([info.bytes_source for info in past])


def is_empty(info: SnapshotInfo, rows: Baseline) -> bool:
    """Nothing in it, or no row where some are usual (of nothing but empty tables no rows are counted)."""
    return not info.item_count or not info.bytes_source or (not info.rows and rows.usual > 0)


def fallen(info: SnapshotInfo, rows: Baseline, rules: HealthRules) -> float:
    """The share of the usual rows that is missing, where that is more than is allowed; else 0."""
    if not info.rows or not rows.usual:
        return 0.0
    fell, most = 1 - info.rows / rows.usual, rules.max_row_drop
    if most is not None:
        return fell if fell * 100 > most else 0.0
    return fell if fell > HALF and rows.far(info.rows, HALF * rows.usual) else 0.0


def resized(info: SnapshotInfo, sizes: Baseline, rules: HealthRules) -> float:
    """By what share of its usual size the data grew or (negative) shrank, if by more than is allowed; else 0."""
    if not info.bytes_source or not sizes.usual:
        return 0.0
    change, most = info.bytes_source / sizes.usual - 1, rules.max_size_change
    if most is not None:
        return change if abs(change) * 100 > most else 0.0
    far = abs(change) > HALF and sizes.far(info.bytes_source, max(HALF * sizes.usual, _LEAST_CHANGE))
    return change if far else 0.0


class Losses:
    """Judges snapshots one after the other, and looks closer only at those far below the largest of late."""

    def __init__(self, rules: HealthRules, window: int) -> None:
        self._rules, self._window = rules, window
        self._rows: list[int] = []
        self._sizes: list[int] = []
        self._row_share = 1 - (HALF if rules.max_row_drop is None else rules.max_row_drop / 100)
        self._size_share = 1 - (HALF if rules.max_size_change is None else rules.max_size_change / 100)

    def lost(self, info: SnapshotInfo, past: Sequence[SnapshotInfo]) -> bool:
        """Whether it lacks what those before it had."""
        if not info.item_count or not info.bytes_source:
            return True
        rows, sizes = self._rows[-self._window :], self._sizes[-self._window :]
        if rows and (info.rows or 0) < self._row_share * max(rows):
            usual = rows_of(past)
            if is_empty(info, usual) or fallen(info, usual, self._rules):
                return True
        if sizes and info.bytes_source < self._size_share * max(sizes):
            return resized(info, sizes_of(past), self._rules) < 0
        return False

    def passed(self, info: SnapshotInfo) -> None:
        """It looks right: the next ones are compared with it."""
        if info.rows is not None:
            self._rows.append(info.rows)
        self._sizes.append(info.bytes_source)
