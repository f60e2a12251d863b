"""Times, bytes and floats as PostgreSQL writes them, whatever form they were typed in."""

from __future__ import annotations

import math
import re
import struct
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal

_CLOCK = r"(\d\d?):(\d\d)(?::(\d\d)(\.\d+)?)?"
_ZONE = r"\s*(Z|UTC|GMT|[+-]\d\d?(?::?\d\d(?::\d\d)?)?)?"
_MOMENT = re.compile(rf"(\d{{4}})-(\d\d?)-(\d\d?)(?:[T ]\s*{_CLOCK}{_ZONE})?", re.IGNORECASE)
_TIME = re.compile(_CLOCK)
_DAY = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)")
_ENDLESS = {"infinity": "infinity", "inf": "infinity", "+infinity": "infinity", "-infinity": "-infinity",
            "-inf": "-infinity"}  # fmt: skip
_FIXED = {4: 6, 8: 15}
_DIGITS = {4: 9, 8: 17}


def moment(text: str, *, zoned: bool, places: int = 6) -> str | None:
    """A timestamp; one without a zone is in UTC. Forms that only a server knows stay as they are; None: no time."""
    text = text.strip()
    found = _MOMENT.fullmatch(text)
    if text.lower() in _ENDLESS or found is None:
        return _ENDLESS.get(text.lower(), text)
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        at = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC)
        at += timedelta(microseconds=_micros(fraction, places))
        if zoned:
            at = at.replace(tzinfo=_offset(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return f"{at:%m-%d %H:%M:%S}".join((f"{at.year:04}-", _tail(at.microsecond))) + ("+00" if zoned else "")


def clock(text: str, places: int = 6) -> str | None:
    """A time of day without a zone."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return text
    hour, minute, second, fraction = found.groups()
    try:
        at = time(int(hour), int(minute), int(second or 0), min(_micros(fraction, places), 999_999))
    except ValueError:
        return "24:00:00" if hour == "24" and not (int(minute) or int(second or 0) or _micros(fraction, 6)) else None
    return f"{at:%H:%M:%S}{_tail(at.microsecond)}"


def day(text: str) -> str | None:
    """A date; None for one that no calendar has."""
    found = _DAY.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return date(*map(int, found.groups())).isoformat()
    except ValueError:
        return None


def binary(text: str) -> str | None:
    """Bytes in hex; typed so, or as text in which ``\\\\`` and ``\\nnn`` are escapes."""
    if text.startswith("\\x"):
        try:
            return "\\x" + bytes.fromhex(text[2:]).hex()
        except ValueError:
            return None
    data = re.sub(
        rb"\\(\\|[0-3][0-7][0-7])",
        lambda one: b"\\" if one[1] == b"\\" else bytes([int(one[1], 8)]),
        text.encode("utf-8", "surrogateescape"),
    )
    return "\\x" + data.hex()


def floating(text: str, size: int) -> str | None:
    """The shortest digits that mean the same number of ``size`` bytes."""
    try:
        number = float(text.strip())
        packed = struct.pack("d" if size == 8 else "f", number)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    format_ = "d" if size == 8 else "f"
    shortest = next(
        told
        for told in (f"{number:.{digits - 1}e}" for digits in range(1, _DIGITS[size] + 1))
        if struct.pack(format_, float(told)) == packed
    )
    exponent = int(shortest.partition("e")[2])
    if -4 <= exponent < _FIXED[size]:
        return format(Decimal(shortest), "f")
    digits, _, _ = shortest.partition("e")
    return f"{digits}e{exponent:+03}"


def _micros(fraction: str | None, places: int) -> int:
    unit = Decimal(1).scaleb(-places)
    return int(Decimal(f"0{fraction or '.0'}").quantize(unit, ROUND_HALF_EVEN).scaleb(6))


def _tail(micros: int) -> str:
    return f".{micros:06}".rstrip("0") if micros else ""


def _offset(zone: str | None) -> timezone:
    if zone is None or zone.upper() in ("Z", "UTC", "GMT"):
        return UTC
    digits = zone[1:] if ":" in zone or len(zone) < 4 else f"{zone[1:-2]}:{zone[-2:]}"
    hours, minutes, seconds = (int(each) for each in [*digits.split(":"), "0", "0"][:3])
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timezone(-offset if zone[0] == "-" else offset)
