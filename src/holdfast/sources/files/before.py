"""The previous snapshot walked alongside the tree, one step at a time, so that both may be of any size."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.model.snapshot import Item
from holdfast.sources.files.names import order_key


class Before:
    """Previous items in manifest order; asked for names in the same order."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._item = next(items, None)

    def at(self, name: bytes) -> Item | None:
        """The previous item of that name, passing by those that no longer exist."""
        item = self._item
        if item is None:
            return None
        if item.name != name:
            key = order_key(name)
            while order_key(item.name) < key:
                item = next(self._items, None)
                if item is None:
                    break
            self._item = item
            if item is None or item.name != name:
                return None
        self._item = next(self._items, None)
        return item
