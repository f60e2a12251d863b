"""Snapshots that look unlike those before them: encrypted, rewritten, emptied, or of another database.

Each is compared with those of its own source that looked right, back to the last one a person accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdfast.model.ids import short
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import saying
from holdfast.planning.baseline import baseline
from holdfast.planning.standing import Standing

WINDOW = 20
_JUDGED = 30
_LEAST_NEW = 1 << 20
_NEARLY_ALL, _USUALLY_LESS = 0.8, 0.4
_HARDER = 0.35
_MUCH = 0.1


@dataclass(frozen=True, slots=True)
class Suspect:
    """A snapshot, and in words what is unlike it. ``clean``: the newest before all suspicious ones, if there is."""

    info: SnapshotInfo
    why: str
    clean: SnapshotInfo | None


def suspects(standing: Standing) -> list[Suspect]:
    """Suspicious snapshots of the last thirty, newest first."""
    found: list[Suspect] = []
    before: list[SnapshotInfo] = []
    clean: SnapshotInfo | None = None
    for info in reversed(standing.comparable[:_JUDGED]):
        why = "" if info.id in standing.accepted else _rewritten(info, before[-WINDOW:])
        if why:
            found.append(Suspect(info, why, clean))
        else:
            before.append(info)
            clean = clean if found else info  # what follows a suspicious one holds what that one brought
    return found[::-1]


def past(standing: Standing) -> list[SnapshotInfo]:
    """What the newest good snapshot is compared with: those before it that look right, newest first."""
    doubtful = {each.info.id for each in suspects(standing)}
    return [info for info in standing.comparable[1 : WINDOW + 1] if info.id not in doubtful]


def origin_before(standing: Standing) -> tuple[str, str] | None:
    """(now, before) when the newest good snapshot is of another database than the oldest it is compared with."""
    newest = next((_identity(info) for info in standing.comparable[:1]), "")
    if not newest:
        return None
    oldest = next((told for info in reversed(standing.comparable) if (told := _identity(info))), "")
    return (newest, oldest) if newest != oldest else None


def _rewritten(info: SnapshotInfo, before: Sequence[SnapshotInfo]) -> str:
    """Why this looks like data that was encrypted or replaced; "" when it does not."""
    if info.bytes_new < _LEAST_NEW or not info.bytes_source:
        return ""
    share, ratio = info.bytes_new / info.bytes_source, info.bytes_stored / info.bytes_new
    if share >= _NEARLY_ALL:
        usual = baseline([each.bytes_new / each.bytes_source for each in before if each.bytes_source])
        if usual.usual <= _USUALLY_LESS and usual.far(share, _USUALLY_LESS):
            told, often = saying.percent(min(share, 1.0)), saying.percent(usual.usual)
            return f"{told} of the data of snapshot {short(info.id)} is new, usual is {often}"
    if share >= _MUCH and ratio > _HARDER:
        kept = baseline(list(_ratios(before)))
        if ratio > kept.usual and kept.far(ratio, _HARDER):
            told, often = saying.percent(ratio), saying.percent(kept.usual)
            return f"new data of snapshot {short(info.id)} shrinks to {told} of its size only, usual is {often}"
    return ""


def _ratios(infos: Iterable[SnapshotInfo]) -> Iterable[float]:
    return (each.bytes_stored / each.bytes_new for each in infos if each.bytes_new >= 1 << 16)


def _identity(info: SnapshotInfo) -> str:
    """What tells one database from another; "" where nothing does (a folder may move with its machine)."""
    given = (info.more or {}).get("identity")
    if isinstance(given, str) and given:
        return given
    return info.origin if info.kind == "sqlite" else ""
