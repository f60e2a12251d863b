"""Values that a database may call the same although they are written otherwise: ``1`` and ``1.0``, ``A`` and ``a``.

Only for what does no harm when it is wrong: an order, a value given up for a moment. Whether two values really are the
same is asked of the server.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from holdfast.model.records import Key, Value

_LONGEST_NUMBER = 60


def alike(key: Key) -> Key:
    """Equal for keys that could be the same to a database."""
    return tuple([_alike(value) for value in key])


def _alike(value: Value) -> Value:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return _number(repr(value)) or value
    if isinstance(value, str):
        return _number(value) or unicodedata.normalize("NFKD", value).casefold().rstrip()
    return repr(value) if isinstance(value, Mapping | list) else value


def _number(text: str) -> Value:
    if len(text) > _LONGEST_NUMBER:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return ("number", "nan" if number.is_nan() else number)
