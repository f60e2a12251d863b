"""Numbers as findings tell them."""

from __future__ import annotations

_SIZES = ("", "KiB", "MiB", "GiB", "TiB", "PiB")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def span(seconds: float) -> str:
    """``40 s``, ``14 min``, ``3 h 20 min``, ``4 d 3 h``; never less than it is by more than its last unit."""
    whole = max(0, round(seconds))
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    if whole < 2 * _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < 2 * _DAY:
        return _two(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "min")
    return _two(whole // _DAY, "d", whole % _DAY // _HOUR, "h")


def size(count: float, single: str = "bytes") -> str:
    """``1.4 GiB``; below one KiB in units called ``single``."""
    amount, unit = float(count), 0
    while abs(amount) >= 1024 and unit < len(_SIZES) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.0f} {single}" if unit == 0 else f"{amount:.1f} {_SIZES[unit]}"


def percent(share: float) -> str:
    """``12 %`` of 0.12."""
    return f"{share * 100:.0f} %"


def number(count: float) -> str:
    """``1,234``."""
    return f"{count:,.0f}"


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first} {unit} {second} {smaller}" if second else f"{first} {unit}"
