"""Which snapshot does a person mean: an id, the start of one, ``latest``, ``latest:SOURCE``, a label, or an old id.

``latest`` is of the environment of who asks; ``latest:SOURCE@ENVIRONMENT`` of another.

What was imported keeps the id it had in the system it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from holdfast.model.environments import elsewhere, environment_of
from holdfast.model.errors import UsageError
from holdfast.model.ids import short
from holdfast.model.snapshot import SnapshotInfo

_PREFIX = re.compile(r"[0-9a-f]{4,32}\Z")

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class _Match:
    """Snapshots a name fits, newest first, and how: "id", "latest", "label" or "prefix"."""

    how: str
    found: list[SnapshotInfo]

    @property
    def sources(self) -> list[str]:
        return sorted({info.source for info in self.found})


def newest_first(snapshots: Iterable[SnapshotInfo]) -> list[SnapshotInfo]:
    """Newest first, for ``snapshots`` in log order: what was committed last is newest, whatever clocks said."""
    ordered = list(snapshots)
    ordered.reverse()
    return ordered


def by_data_time(snapshots: Iterable[SnapshotInfo]) -> list[SnapshotInfo]:
    """Oldest data first, for ``snapshots`` in log order: what was imported stands at the time it tells of itself.

    The others keep their order, whatever clocks said.
    """
    made: list[SnapshotInfo] = []
    imported: list[SnapshotInfo] = []
    for info in snapshots:
        (made if info.data_at == info.created_at else imported).append(info)
    imported.sort(key=data_time)
    ordered: list[SnapshotInfo] = []
    for info in made:
        while imported and data_time(imported[0]) <= data_time(info):
            ordered.append(imported.pop(0))
        ordered.append(info)
    return ordered + imported


def data_time(info: SnapshotInfo) -> float:
    """Of what time the data of a snapshot is, in seconds since 1970."""
    return datetime.fromisoformat(info.data_at).timestamp()


def is_good(info: SnapshotInfo) -> bool:
    """Whether this may be "latest": complete, and of everything in its source."""
    return info.status == "complete" and not info.partial


def newest_good(snapshots: Iterable[SnapshotInfo], source: str) -> SnapshotInfo | None:
    """The newest snapshot of ``source`` here that a restore may rely on; None when there is none."""
    mine = (info for info in newest_first(snapshots) if info.source == source and not elsewhere(info))
    return next(filter(is_good, mine), None)


def check_label(label: str) -> None:
    """UsageError for a label that could be mistaken for something else or cannot be typed."""
    if not label or label == LATEST or ":" in label or label.startswith("-") or not label.isprintable():
        raise UsageError(
            f"{label!r} cannot be the name of a snapshot",
            hint="a name is printable, not 'latest', has no colon and does not begin with a dash",
        )


def one(name: str, snapshots: Sequence[SnapshotInfo], *, across_sources: bool = True) -> SnapshotInfo:
    """The one snapshot ``name`` means, or UsageError telling which it could be.

    A label that stands on several snapshots of one source means the newest. ``across_sources`` False is for
    what writes: ``latest`` must then say of which source, when there are several.
    """
    match = _candidates(name, snapshots)
    too_many = (
        (match.how == "prefix" and len(match.found) > 1)
        or (match.how == "label" and len(match.sources) > 1)
        or (match.how == "latest" and len(match.sources) > 1 and not across_sources)
    )
    if too_many:
        raise _ambiguous(name, match)
    return match.found[0]


def every(names: Sequence[str], snapshots: Sequence[SnapshotInfo]) -> list[SnapshotInfo]:
    """All snapshots that ``names`` mean, each once; a label means one snapshot of each source it stands on.

    For forget and pin: a label that stands on several snapshots of one source is refused, so that nothing
    more is dropped than was meant.
    """
    chosen: dict[str, SnapshotInfo] = {}
    for name in names:
        match = _candidates(name, snapshots)
        if match.how == "latest":
            found = [one(name, snapshots, across_sources=False)]
        elif len(match.found) > (len(match.sources) if match.how == "label" else 1):
            raise _ambiguous(name, match)
        else:
            found = match.found
        chosen.update({info.id: info for info in found})
    return list(chosen.values())


def _candidates(name: str, snapshots: Sequence[SnapshotInfo]) -> _Match:
    """What ``name`` fits, never nothing."""
    reserved = name.startswith(f"{LATEST}:")  # whatever a label says, it means what it always means
    match = _Match("prefix", []) if reserved else _matching(name, snapshots)
    head, colon, source = name.rpartition(":")
    if not match.found and colon:
        name_of, _, environment = source.partition("@")
        of_source = [info for info in snapshots if info.source == name_of]
        if environment:
            of_source = [info for info in of_source if environment_of(info) == environment]
        match = _matching(head, of_source, everywhere=bool(environment))
        if not match.found:
            raise _unknown_of_source(head, source, snapshots)
    if not match.found:
        raise _unknown(name, snapshots)
    return match


def _matching(name: str, snapshots: Sequence[SnapshotInfo], *, everywhere: bool = False) -> _Match:
    ordered = newest_first(snapshots)
    if name == LATEST:
        return _Match("latest", [info for info in ordered if is_good(info) and (everywhere or not elsewhere(info))])
    if exact := [info for info in ordered if info.id == name]:
        return _Match("id", exact)
    if labelled := [info for info in ordered if info.name == name]:
        return _Match("label", labelled)
    if known_as := [info for info in ordered if name in ((info.more or {}).get("aliases") or ())]:
        return _Match("label", known_as)
    lowered = name.lower()
    return _Match("prefix", [i for i in ordered if _PREFIX.match(lowered) and i.id.startswith(lowered)])


def _ambiguous(name: str, match: _Match) -> UsageError:
    listed = ", ".join(f"{short(info.id)} ({info.source}, {info.created_at})" for info in match.found[:6])
    by_source = len(match.sources) > 1 and match.how != "prefix"
    return UsageError(
        f"{name!r} means more than one snapshot",
        why=listed,
        hint=f"say which: {' or '.join(f'{name}:{source}' for source in match.sources)}"
        if by_source
        else "use the id, or more digits of it: holdfast list",
    )


def _unknown(name: str, snapshots: Sequence[SnapshotInfo]) -> UsageError:
    if not snapshots:
        return UsageError("the repository holds no snapshot yet", where=name, hint="make one: holdfast backup")
    if name == LATEST:
        return UsageError(
            "there is no complete snapshot that could be the latest",
            hint="holdfast list shows the incomplete ones; name one of them by its id",
        )
    return UsageError(
        f"there is no snapshot {name!r}",
        hint="give at least four digits of an id, latest, latest:SOURCE or a name: holdfast list",
    )


def _unknown_of_source(head: str, source: str, snapshots: Sequence[SnapshotInfo]) -> UsageError:
    known = sorted({info.source for info in snapshots})
    return UsageError(
        f"there is no snapshot {head!r} of a source {source!r}",
        why=f"sources with snapshots: {', '.join(known) or 'none'}",
        hint="holdfast list",
    )
