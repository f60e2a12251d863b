"""Filters for the server: which documents answer to keys, a few hundred at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from holdfast.model.records import Key
from holdfast.sources.mongodb.records.paths import server_path, sought

_AT_ONCE = 500


def filters(
    columns: tuple[str, ...], wanted: Collection[Key]
) -> Iterator[tuple[dict[str, Any], set[bytes]]]:
    """(filter, what its documents must answer to) for a few hundred keys at a time."""
    keys = list({sought(key): key for key in wanted}.values())
    paths = [server_path(column) for column in columns]
    for at in range(0, len(keys), _AT_ONCE):
        some = keys[at : at + _AT_ONCE]
        if len(paths) == 1:
            condition: dict[str, Any] = {paths[0]: {"$in": [key[0] for key in some]}}
        else:
            condition = {"$or": [dict(zip(paths, ({"$eq": value} for value in key), strict=True)) for key in some]}
        yield condition, set(map(sought, some))
