"""Intervals and times with a zone: in the form PostgreSQL writes them, and by the rules it compares them by."""

from __future__ import annotations

import re
from decimal import Decimal

from holdfast.sources.postgres.records import canonical

_CLOCK = r"(?P<sign>[+-])?(?P<hours>\d+):(?P<minutes>\d\d)(?::(?P<seconds>\d\d(?:\.\d{1,6})?))?"
_PART = re.compile(rf"\s*(?:{_CLOCK}|(?P<count>[+-]?\d+(?:\.\d{{1,6}})?)\s*(?P<unit>[a-z]+))(?![\w:.])", re.IGNORECASE)
_MONTHS = {"year": 12, "yr": 12, "y": 12, "mon": 1, "month": 1}
_DAYS = {"week": 7, "w": 7, "day": 1, "d": 1}
_MICROS = {"hour": 3_600_000_000, "hr": 3_600_000_000, "h": 3_600_000_000, "minute": 60_000_000, "min": 60_000_000,
           "m": 60_000_000, "second": 1_000_000, "sec": 1_000_000, "s": 1_000_000}  # fmt: skip
_DAY = 86_400_000_000
_MONTH = 30 * _DAY
_ZONED = re.compile(r"(.+?)\s*(?:(Z|UTC|GMT)|([+-])(\d\d?)(?::?(\d\d))?(?::(\d\d))?)?", re.IGNORECASE)

Span = tuple[int, int, int]
"""Months, days and microseconds: PostgreSQL keeps them apart."""


def interval(text: str) -> str | None:
    """As COPY writes it; None for what is no interval, or in a form only a server knows."""
    if text.strip().lower() in ("infinity", "-infinity"):
        return text.strip().lower()
    found = _span(text)
    return None if found is None else _written(found)


def length(text: bytes) -> bytes:
    """The same for intervals that PostgreSQL calls equal: a day is 24 hours, a month is 30 days."""
    found = _span(text.decode("utf-8", "surrogateescape"))
    if found is None:
        return text
    months, days, micros = found
    return str(months * _MONTH + days * _DAY + micros).encode()


def zoned_clock(text: str, places: int = 6) -> str | None:
    """A time of day with its zone, UTC where none is given; two are equal when both time and zone are."""
    found = _ZONED.fullmatch(text.strip())
    clock = canonical.clock(found[1], places) if found else None
    if found is None or clock is None or not re.fullmatch(r"\d\d:\d\d:\d\d(\.\d+)?", clock):
        return None
    hours, minutes, seconds = (int(each or 0) for each in found.groups()[3:])
    if hours > 15 or minutes > 59 or seconds > 59:
        return None
    told = f"{found[3] or '+'}{hours:02}"
    if minutes or seconds:
        told += f":{minutes:02}"
    return clock + told + (f":{seconds:02}" if seconds else "")


def _span(text: str) -> Span | None:
    months, days, micros, at = 0, 0, 0, 0
    text = text.strip()
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            return None
        at = part.end()
        if part["unit"] is None:
            micros += _clock(part)
            continue
        unit = part["unit"].lower()
        unit = unit if unit in _MONTHS or unit in _DAYS or unit in _MICROS else unit.removesuffix("s")
        count = Decimal(part["count"])
        if unit in _MICROS:
            micros += int(count * _MICROS[unit])
        elif count != int(count):
            return None  # parts of days and months: how the server divides them is its own
        elif unit in _MONTHS:
            months += int(count) * _MONTHS[unit]
        elif unit in _DAYS:
            days += int(count) * _DAYS[unit]
        else:
            return None
    return (months, days, micros) if text else None


def _clock(part: re.Match[str]) -> int:
    micros = int(part["hours"]) * _MICROS["h"] + int(part["minutes"]) * _MICROS["m"]
    micros += int(Decimal(part["seconds"] or 0) * _MICROS["s"])
    return -micros if part["sign"] == "-" else micros


def _written(span: Span) -> str:
    """PostgreSQL's own style: a plus sign where a positive part follows a negative one."""
    months, days, micros = span
    years = abs(months) // 12 * (1 if months >= 0 else -1)
    told: list[str] = []
    negative = False
    for count, unit in ((years, "year"), (months - years * 12, "mon"), (days, "day")):
        if count:
            told.append(f"{'+' if negative and count > 0 else ''}{count} {unit}{'' if count == 1 else 's'}")
            negative = count < 0
    if micros or not told:
        seconds, rest = divmod(abs(micros), 1_000_000)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        clock += f".{rest:06}".rstrip("0") if rest else ""
        told.append(("-" if micros < 0 else "+" if negative else "") + clock)
    return " ".join(told)
