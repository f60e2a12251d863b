"""Production and preview may share a repository and a name of a source: which snapshots are those of here."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from holdfast.model.snapshot import SnapshotInfo

_ELSEWHERE = "elsewhere"


def environment_of(info: SnapshotInfo, otherwise: str = "") -> str:
    """The environment a snapshot was made in; ``otherwise`` for one that does not say."""
    return str((info.more or {}).get("environment") or otherwise)


def placed(info: SnapshotInfo, environments: Mapping[str, str]) -> SnapshotInfo:
    """The same, marked when it was not made in the environment that its source has here."""
    here = environments.get(info.source)
    if not here or environment_of(info, here) == here:
        return info
    return msgspec.structs.replace(info, more={**(info.more or {}), _ELSEWHERE: True})


def elsewhere(info: SnapshotInfo) -> bool:
    """Whether it was marked as made in another environment than that of here."""
    return bool((info.more or {}).get(_ELSEWHERE))
