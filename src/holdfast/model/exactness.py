"""Whether two values are one and the same to whoever stored them: 1 and 1.0 are two, and so are 0.0 and -0.0."""

from __future__ import annotations

from collections.abc import Mapping

_CLEAR = frozenset({str, int, bytes, bool, type(None)})


def same_value(one: object, two: object) -> bool:
    """Of the same type, and written the same; a number that is none (NaN) is itself. Documents field by field."""
    if type(one) in _CLEAR:
        return type(one) is type(two) and one == two
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return list(one) == list(two) and all(same_value(value, two[name]) for name, value in one.items())
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        return len(one) == len(two) and all(map(same_value, one, two))
    return type(one) is type(two) and repr(one) == repr(two)
