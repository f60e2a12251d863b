"""Keys told apart by their types where Python calls them equal: true and 1, and 1 and 1.0 where that matters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.model.records import Key

_CLEAR = frozenset({str, int, bytes, type(None)})


def typed(key: Key, *, exact: bool = False) -> Key:
    """Hashable and equal only for keys that a database calls the same; the key itself where nothing is in doubt.

    ``exact``: of all values of a row that has no key, where 1 and 1.0 are two rows. What is returned compares only.
    """
    for value in key:
        if type(value) not in _CLEAR and isinstance(value, bool | float | Mapping | list):
            return tuple([_marked(each, exact) for each in key])
    return key


def _marked(value: Any, exact: bool) -> Any:
    if isinstance(value, bool):
        return bool, value
    if isinstance(value, float) and exact:
        return float, repr(value)
    if isinstance(value, Mapping):
        return dict, tuple([(name, _marked(each, exact)) for name, each in value.items()])
    if isinstance(value, list):
        return list, tuple([_marked(each, exact) for each in value])
    return value
