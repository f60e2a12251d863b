"""Which packs were read whole, when and with what result, so that readings of a part add up to one of everything.

Each check that reads leaves a sealed list ``proofs/<ms>-packs-<hex>``. Of two lists the newer is right about a pack.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

import msgspec

from holdfast.model.errors import Damaged, ObjectMissing, StorageError
from holdfast.repository.fetching import fetch
from holdfast.repository.layout import PROOFS, pack_name
from holdfast.repository.vault import Vault

_PURPOSE = "proof"
_NAME = re.compile(r"\d{13}-packs-[0-9a-f]{16}")
_MOST = 400
_TOLERANCE = timedelta(minutes=2)

Ranges = dict[str, list[tuple[int, int]]]
"""Packs by session: first and last number of each unbroken row."""


class _Packs(msgspec.Struct, frozen=True, kw_only=True):
    kind: str = "packs"
    at: str
    good: Ranges
    bad: Ranges


@dataclass(slots=True, kw_only=True)
class PacksRead:
    """What one check read: ``size`` bytes of the packs named in ``good``, ``bad`` and ``doubtful``.

    ``doubtful``: with deltas whose base cannot be had; good when nothing needs those.
    """

    size: int = 0
    good: list[bytes] = field(default_factory=list)
    bad: list[bytes] = field(default_factory=list)
    doubtful: list[bytes] = field(default_factory=list)


def last_read(vault: Vault, now: datetime) -> dict[bytes, datetime]:
    """When each pack was last read well. One that was bad since then is not in it, nor what a clock ahead claims."""
    known: dict[bytes, datetime | None] = {}
    for each in _lists(vault):
        at = datetime.fromisoformat(each.at)
        for name in _names(each.bad):
            known.setdefault(name, None)
        if at - now <= _TOLERANCE:
            for name in _names(each.good):
                known.setdefault(name, at)
    return {name: at for name, at in known.items() if at is not None}


def keep(vault: Vault, at: str, read: PacksRead, *, problems: bool, everything: bool) -> None:
    """Remember a reading. ``problems``: the check found some, so that doubtful packs are bad.

    ``everything``: it read all there was, so that older lists say nothing any more. StorageError when the store does
    not take it.
    """
    good, bad = (read.good, [*read.bad, *read.doubtful]) if problems else ([*read.good, *read.doubtful], read.bad)
    told = _Packs(at=at, good=_ranges(good), bad=_ranges(bad))
    millis = max(0, int(datetime.fromisoformat(at).timestamp() * 1000))
    name = f"{PROOFS}{millis:013d}-packs-{secrets.token_hex(8)}"
    older = [each for each in _list_names(vault) if each < name]
    vault.storage.put_new(name, vault.sealer.seal(_PURPOSE, name, msgspec.msgpack.encode(told)))
    with contextlib.suppress(StorageError, ObjectMissing):
        for each in older if everything else older[_MOST:]:
            vault.storage.delete(each)


def _lists(vault: Vault) -> Iterator[_Packs]:
    """Newest first by name. What does not open says nothing."""
    for name in _list_names(vault)[:_MOST]:
        with contextlib.suppress(Damaged, ObjectMissing, msgspec.MsgspecError):
            plain = vault.sealer.open(_PURPOSE, name, fetch(vault.storage, name))
            yield msgspec.msgpack.decode(plain, type=_Packs)


def _list_names(vault: Vault) -> list[str]:
    names = (stat.name for stat in vault.storage.list(PROOFS))
    return sorted((name for name in names if _NAME.fullmatch(name[len(PROOFS) :])), reverse=True)


def _ranges(names: Iterable[bytes]) -> Ranges:
    found: Ranges = {}
    for session, group in groupby(sorted(names), key=lambda name: name[:16]):
        rows: list[tuple[int, int]] = []
        for number in (int.from_bytes(name[16:], "big") for name in group):
            if rows and rows[-1][1] == number - 1:
                rows[-1] = (rows[-1][0], number)
            else:
                rows.append((number, number))
        found[session.hex()] = rows
    return found


def _names(ranges: Ranges) -> Iterator[bytes]:
    for session, rows in ranges.items():
        for first, last in rows:
            for number in range(first, last + 1):
                yield pack_name(session, number)
