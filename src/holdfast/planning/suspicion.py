"""Snapshots that look unlike those before them: encrypted, rewritten, emptied, or of another database.

Each is compared with those of its own source that looked right, back to the last one a person accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from holdfast.model.ids import short
from holdfast.model.policy import HealthRules
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names, saying
from holdfast.planning.baseline import baseline
from holdfast.planning.losses import Losses

WINDOW = 20
_LEAST_NEW = 1 << 20
_NEARLY_ALL, _USUALLY_LESS = 0.8, 0.4
_HARDER = 0.35
_MUCH = 0.1
_ALIKE = 0.1


@dataclass(frozen=True, slots=True)
class Suspect:
    """A snapshot, and in words what is unlike it. ``clean``: the newest before all suspicious ones, if there is.

    ``against``: those it was compared with.
    """

    info: SnapshotInfo
    why: str
    clean: SnapshotInfo | None
    against: tuple[SnapshotInfo, ...] = ()


def comparable(snapshots: Iterable[SnapshotInfo], accepted: Collection[str]) -> list[SnapshotInfo]:
    """Good ones of ``snapshots`` (newest first), back to the newest that a person accepted (with it)."""
    found = []
    for info in snapshots:
        if names.is_good(info):
            found.append(info)
            if info.id in accepted:
                break
    return found


@dataclass(frozen=True, slots=True)
class Judged:
    """What comparable snapshots come to. ``suspects`` newest first: until somebody decides on one, it stays so.

    ``past``: what the newest is compared with, those before it that look right, newest first. ``lost``: it lacks what
    they had, and with every one like it that follows nothing of that becomes usual.
    """

    suspects: list[Suspect]
    past: list[SnapshotInfo]
    lost: bool


def judge(snapshots: Iterable[SnapshotInfo], accepted: Collection[str], rules: HealthRules) -> Judged:
    """Of one source's ``snapshots``, newest first, however many. ``accepted``: ids a person called right as they are.

    What is like an accepted one is as right as that.
    """
    good = [info for info in snapshots if names.is_good(info)]
    familiar = [info for info in good if info.id in accepted]
    found: list[Suspect] = []
    before: list[SnapshotInfo] = []
    clean: SnapshotInfo | None = None
    losses, past, lost = Losses(rules, WINDOW), list[SnapshotInfo](), False
    for info in reversed(comparable(good, accepted)):
        past = before[-WINDOW:]
        right = info.id in accepted
        lost = not right and losses.lost(info, past)
        why = "" if right or info.bytes_new < _LEAST_NEW else _rewritten(info, past, familiar)
        if why:
            found.append(Suspect(info, why, clean, tuple(past)))
        elif not lost:
            before.append(info)
            losses.passed(info)
            clean = clean if found else info  # what follows a suspicious one holds what that one brought
    return Judged(found[::-1], past[::-1], lost)


def undecided(snapshots: Sequence[SnapshotInfo], accepted: Collection[str], rules: HealthRules) -> dict[str, str]:
    """By id, what has to stay until a person decided on doubtful ones of a source, with the reason.

    Those are the suspicious ones and what they were compared with: without these nobody could tell any more. While
    the newest lacks what those before it had, those are kept that had it.
    """
    judged = judge(snapshots, accepted, rules)
    found: dict[str, str] = {}
    for each in judged.suspects:
        why = f"a decision on the suspicious snapshot {short(each.info.id)} (holdfast status)"
        found |= {info.id: why for info in (each.info, *each.against, *filter(None, [each.clean]))}
    if judged.lost:
        why = "a decision on what the newest snapshot lacks (holdfast status)"
        found |= {info.id: why for info in judged.past}
    return found


def origin_before(infos: Sequence[SnapshotInfo]) -> tuple[str, str] | None:
    """(now, before) when the newest of comparable snapshots is of another database than the oldest of them."""
    newest = next((_identity(info) for info in infos[:1]), "")
    if not newest:
        return None
    oldest = next((told for info in reversed(infos) if (told := _identity(info))), "")
    return (newest, oldest) if newest != oldest else None


def _rewritten(info: SnapshotInfo, before: Sequence[SnapshotInfo], familiar: Sequence[SnapshotInfo]) -> str:
    """Why this looks like data that was encrypted or replaced; "" when it does not."""
    if not info.bytes_source:
        return ""
    share, ratio = info.bytes_new / info.bytes_source, info.bytes_stored / info.bytes_new
    if any(_like(share, ratio, each) for each in familiar):
        return ""
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


def _like(share: float, ratio: float, other: SnapshotInfo) -> bool:
    if not other.bytes_source or not other.bytes_new:
        return False
    apart = share - other.bytes_new / other.bytes_source, ratio - other.bytes_stored / other.bytes_new
    return max(map(abs, apart)) <= _ALIKE


def _ratios(infos: Iterable[SnapshotInfo]) -> Iterable[float]:
    return (each.bytes_stored / each.bytes_new for each in infos if each.bytes_new >= 1 << 16)


def _identity(info: SnapshotInfo) -> str:
    """What tells one database from another; "" where nothing does (a folder may move with its machine)."""
    given = (info.more or {}).get("identity")
    if isinstance(given, str) and given:
        return given
    return info.origin if info.kind == "sqlite" else ""
