"""How a table lies in the pages of a file (https://www.sqlite.org/fileformat2.html, sections 1.5 and 1.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from holdfast.model.errors import SourceError
from holdfast.sources.sqlite import header
from holdfast.sources.sqlite.records.pages import Pages

INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE = 2, 5, 10, 13
TREE_PAGES = frozenset((INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE))
_DEEPEST = 24
_PAGE_SIZES = frozenset(1 << n for n in range(9, 17))
_MOST_RESERVED = 32
_LOCK_BYTE = 1 << 30


@dataclass(frozen=True, slots=True)
class Node:
    """An interior page: ``children`` in order; ``keys`` one fewer, the highest row number below each of them."""

    page: int
    children: tuple[int, ...]
    cells: tuple[int, ...]
    raw: bytes

    def key(self, number: int) -> int:
        """The highest row number below child ``number``."""
        return _number(self.raw, self.cells[number] + 4)


class Trees:
    """The trees of one database. A page that is not what it should be raises SourceError: nothing is guessed."""

    def __init__(self, pages: Pages) -> None:
        first = pages.read(0, header.SIZE)
        told = header.parse(first)
        if told is None or told.page_size not in _PAGE_SIZES or first[20] > _MOST_RESERVED:
            raise SourceError("the snapshot holds no database that can be looked into", why="its header makes no sense")
        self.pages = pages
        self.page_size = told.page_size
        self.usable = told.page_size - first[20]
        self.count = pages.size // told.page_size
        self._first_trunk = int.from_bytes(first[32:36], "big")
        self._maps = int.from_bytes(first[52:56], "big") > 0
        self._nodes: dict[int, Node | None] = {}

    def raw(self, page: int) -> bytes:
        """The bytes of a page."""
        return self.pages.read((page - 1) * self.page_size, self.page_size)

    def node(self, page: int) -> Node | None:
        """An interior page, or None for a leaf. Remembered, and kept near for SQLite's own reading."""
        if page not in self._nodes:
            if not 1 <= page <= self.count:
                raise self._odd(page)
            self._nodes[page] = self._parsed(page, self.raw(page))
        return self._nodes[page]

    def learn(self, other: Trees, is_same: Callable[[int], bool]) -> None:
        """Take over what another database knows of pages that are the same in both."""
        for page, node in other._nodes.items():
            if page not in self._nodes and is_same(page):
                self._nodes[page] = node
                if node is not None:
                    self.pages.keep((page - 1) * self.page_size, node.raw)

    def cells(self, page: int) -> tuple[dict[bytes, int], list[int]] | None:
        """(rows of a leaf as they are stored -> their numbers, numbers of those that go on elsewhere).

        None where that cannot be told.
        """
        raw = self.raw(page)
        if page == 1 or len(raw) < self.page_size or raw[0] != LEAF_TABLE:
            return None
        found: dict[bytes, int] = {}
        long: list[int] = []
        most = self.usable - 35
        count = raw[3] << 8 | raw[4]
        if 8 + 2 * count > self.page_size:
            return None
        for at in range(8, 8 + 2 * count, 2):
            start = raw[at] << 8 | raw[at + 1]
            size, after = _varint(raw, start)
            number, after = _varint(raw, after)
            if size <= most:
                found[raw[start : after + size]] = _signed(number)
            else:
                long.append(_signed(number))
        return found, long

    def depth(self, root: int) -> int:
        """Levels of interior pages above the leaves."""
        page = root
        for level in range(_DEEPEST):
            node = self.node(page)
            if node is None:
                return level
            page = node.children[0]
        raise self._odd(root)

    def free(self) -> set[int]:
        """Pages that belong to no table now."""
        found: set[int] = set()
        trunk = self._first_trunk
        while trunk and trunk not in found and trunk <= self.count:
            found.add(trunk)
            raw = self.raw(trunk)
            held = min(int.from_bytes(raw[4:8], "big"), self.usable // 4 - 2)
            found.update(int.from_bytes(raw[8 + 4 * n : 12 + 4 * n], "big") for n in range(held))
            trunk = int.from_bytes(raw[:4], "big")
        return found

    def is_map(self, page: int) -> bool:
        """Whether a page only tells where others are referred to, or is never used."""
        if page == _LOCK_BYTE // self.page_size + 1:
            return True
        return self._maps and page >= 2 and (page - 2) % (self.usable // 5 + 1) == 0

    def parents(self, root: int, depth: int) -> Iterator[tuple[Node, int | None, int | None]]:
        """The interior pages just above the leaves, with the row numbers below: above the first, up to the second."""
        stack: list[tuple[int, int, int | None, int | None]] = [(root, depth, None, None)]
        while stack:
            page, level, low, high = stack.pop()
            node = self.node(page)
            if node is None:
                raise self._odd(page)
            if level == 1:
                yield node, low, high
                continue
            stack += [
                (node.children[number], level - 1, *self.between(node, number, low, high))
                for number in reversed(range(len(node.children)))
            ]

    @staticmethod
    def between(node: Node, number: int, low: int | None, high: int | None) -> tuple[int | None, int | None]:
        """The row numbers below one child."""
        return (
            node.key(number - 1) if number else low,
            node.key(number) if number < len(node.cells) else high,
        )

    def _parsed(self, page: int, raw: bytes) -> Node | None:
        at = header.SIZE if page == 1 else 0
        kind = raw[at]
        if kind in (LEAF_INDEX, LEAF_TABLE):
            return None
        if kind not in (INTERIOR_INDEX, INTERIOR_TABLE):
            raise self._odd(page)
        count = int.from_bytes(raw[at + 3 : at + 5], "big")
        table = raw[at + 12 : at + 12 + 2 * count]
        cells = tuple([table[n] << 8 | table[n + 1] for n in range(0, len(table), 2)])
        if len(cells) != count or any(cell + 5 > self.page_size for cell in cells):
            raise self._odd(page)
        from_bytes = int.from_bytes
        children = [from_bytes(raw[cell : cell + 4], "big") for cell in cells]
        children.append(from_bytes(raw[at + 8 : at + 12], "big"))
        self.pages.keep((page - 1) * self.page_size, raw)
        return Node(page, tuple(children), cells, raw)

    def _odd(self, page: int) -> SourceError:
        return SourceError(
            "the database in the snapshot is damaged in itself",
            why=f"page {page} is not what it should be",
            hint="it was so when it was saved; look into an older snapshot",
        )


def _number(raw: bytes, at: int) -> int:
    return _signed(_varint(raw, at)[0])


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """(number, where the next thing begins): seven bits a byte, the ninth byte whole; past the end are zeros."""
    value = 0
    for end in range(at + 1, at + 9):
        byte = raw[end - 1] if end <= len(raw) else 0
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, end
    return value << 8 | (raw[at + 8] if at + 8 < len(raw) else 0), at + 9


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
