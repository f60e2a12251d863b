"""How the size of the data moved: numbers for the bars drawn here, and the same for uPlot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.model.snapshot import SnapshotInfo
from holdfast.web.pages import wording

_POINTS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """``bars``: (what a pointer shows, bytes), oldest first; ``new``: the same of what each brought; ``plot``: JSON
    for plot.js.
    """

    bars: list[tuple[str, float]]
    new: list[tuple[str, float]]
    plot: str

    def __len__(self) -> int:
        return len(self.bars)


def trend_of(snapshots: Sequence[SnapshotInfo]) -> Trend:
    """Of snapshots, oldest first; of very many every so-manieth."""
    every = max(1, -(-len(snapshots) // _POINTS))
    chosen = [info for number, info in enumerate(reversed(snapshots)) if number % every == 0][::-1]
    at = [moment.timestamp() for info in chosen if (moment := wording.moment(info.created_at))]
    plot = {"at": at, "names": ["size"], "values": [[info.bytes_source for info in chosen]]}
    bars = [(f"{wording.instant(i.created_at)}: {wording.size(i.bytes_source)}", float(i.bytes_source)) for i in chosen]
    new = [
        (f"{wording.instant(i.created_at)}: {wording.size(i.bytes_new)} of {wording.size(i.bytes_source)} was new",
         float(i.bytes_new))
        for i in chosen
    ]  # fmt: skip
    return Trend(bars=bars, new=new, plot=json.dumps(plot))
