"""Which changes of a column's type would shorten saved values without a word from the server."""

from __future__ import annotations

import re

_MODIFIER = re.compile(r"\((?:\d+,)?(-?\d+)\)")
_LIMITED = ("numeric", "timestamp", "time", "interval")
_WHOLE = frozenset({"smallint", "integer", "bigint"})
_FLOATS = {
    "real": frozenset({"real", "smallint"}),
    "double precision": frozenset({"double precision", "real", "smallint", "integer"}),
}


def rounds(saved: str, now: str) -> bool:
    """Whether text of the type ``saved`` is taken by the type ``now`` with digits or hours lost.

    Both as the server's format_type writes them. Types that refuse what they cannot hold do not round.
    """
    was, becomes = _bare(saved), _bare(now)
    if saved == now or was == becomes:
        return _coarser(saved, now) if becomes.startswith(_LIMITED) else False
    if becomes == "date":
        return was.startswith("timestamp")
    if becomes in _FLOATS:
        return was not in _FLOATS[becomes]
    if becomes == "numeric" and was in _WHOLE:
        return False
    return becomes.startswith(_LIMITED) and _digits(now) is not None


def _coarser(saved: str, now: str) -> bool:
    had, has = _digits(saved), _digits(now)
    return has is not None and (had is None or had > has)


def _bare(kind: str) -> str:
    return _MODIFIER.sub("", kind).replace("[]", "").strip()


def _digits(kind: str) -> int | None:
    found = _MODIFIER.search(kind)
    return int(found[1]) if found else None
