"""Values that a database may call the same although they are written otherwise: ``1`` and ``1.0``, ``A`` and ``a``.

Only for what does no harm when it is wrong: an order, a value given up for a moment. Whether two values really are the
same is asked of the server.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from holdfast.model.records import Key, Value

_LONGEST_NUMBER = 60
_NUMBERS = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_PART = r"(?:[-+]?\d+ (?:year|mon|day)s?|[-+]?\d+:\d\d:\d\d(?:\.\d+)?)"
_SPAN = re.compile(rf"{_PART}(?: {_PART})*")
_DAYS = {"year": 360, "mon": 30, "day": 1}
_DAY = 86_400


def alike(key: Key) -> Key:
    """Equal for keys that could be the same to a database."""
    return tuple([_alike(value) for value in key])


def _alike(value: Value) -> Value:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return _number(repr(value)) or value
    if isinstance(value, str):
        return _number(value) or _span(value) or _folded(value)
    return repr(value) if isinstance(value, Mapping | list) else value


def _folded(text: str) -> str:
    """Letters without their case; numbers within JSON, arrays and ranges without zeros that mean nothing."""
    folded = unicodedata.normalize("NFKD", text).casefold().rstrip()
    return _NUMBERS.sub(lambda each: str(hash(_number(each[0]))), folded) if folded[:1] in ("{", "[", "(") else folded


def _span(text: str) -> Value:
    """An interval, where a day is 24 hours and a month is 30 days."""
    if not text[-1:].isalnum() or not _SPAN.fullmatch(text):
        return None
    seconds, words = Decimal(0), text.split()
    while words:
        word = words.pop(0)
        if ":" in word:
            hours, minutes, rest = word.lstrip("+-").split(":")
            sign = -1 if word[0] == "-" else 1
            seconds += sign * (int(hours) * 3600 + int(minutes) * 60 + Decimal(rest))
        else:
            seconds += int(word) * _DAYS[words.pop(0).removesuffix("s")] * _DAY
    return ("span", seconds)


def _number(text: str) -> Value:
    if len(text) > _LONGEST_NUMBER:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return ("number", "nan" if number.is_nan() else number)
