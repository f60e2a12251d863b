"""Which pages of two databases differ, found from the chunks that do; and which rows stand in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from holdfast.sources.sqlite.records.trees import TREE_PAGES, Node, Trees

Range = tuple[int | None, int | None]
"""Row numbers above the first, up to the second; None: without end."""

Owners = Callable[[set[int]], Iterable[tuple[int, ...]]]
"""The ways down (child numbers) to the leaves whose rows go on in one of these pages."""

_AMBIGUOUS = 0x02000000
_AHEAD = 8
_LEAST = -(1 << 63)


class Differing:
    """Two databases of equal page size, ``one`` seen from ``two``; ``mirror``: what is known the other way round."""

    def __init__(self, one: Trees, two: Trees, mirror: Differing | None = None) -> None:
        self._one, self._two, self._seen = one, two, mirror
        if mirror is not None:
            one.learn(two, mirror.is_shared)

    @cached_property
    def pages(self) -> frozenset[int]:
        """Pages of ``one`` that do not stand in ``two`` at the same place in the same bytes."""
        one, two = self._one, self._two
        if self._seen is not None:
            shared = range(1, min(one.count, two.count) + 1)
            return frozenset({*range(two.count + 1, one.count + 1), *(p for p in self._seen.pages if p in shared)})
        found: list[int] = []
        theirs = dict(zip(two.pages.starts, two.pages.slices, strict=True))
        mine = enumerate(zip(one.pages.starts, one.pages.slices, strict=True))
        odd = [(number, start) for number, (start, piece) in mine if theirs.get(start) != piece]
        for at, (number, start) in enumerate(odd):
            if at % _AHEAD == 0:
                one.pages.expect([number for number, _ in odd[at : at + _AHEAD]])
            found += self._in_piece(number, start)
        return frozenset(found)

    @cached_property
    def continued(self) -> frozenset[int]:
        """Those of ``pages`` in which a long row of ``one`` may go on."""
        one = self._one
        if not self.pages:
            return frozenset()
        free = one.free()
        return frozenset(
            page
            for page in self.pages
            if page != 1 and page not in free and not one.is_map(page)
            and (one.count >= _AMBIGUOUS or one.raw(page)[0] not in TREE_PAGES)
        )  # fmt: skip

    def ranges(self, root: int, other_root: int, owners: Owners) -> list[Range]:
        """Row numbers of a table of ``one`` that hold every row which ``two`` has not in the same bytes."""
        if not self.pages:
            return []
        one, two = self._one, self._two
        depth = one.depth(root)
        if depth == 0:
            return [] if self.is_same_tree(root, other_root, owners) else [(None, None)]
        theirs = _Leaves(two, other_root, self.is_shared, one)
        found = [
            between
            for node, low, high in one.parents(root, depth)
            for between in self._differing(node, low, high, theirs)
        ]
        if self.continued:
            found += [self._at(root, way) for way in owners(set(self.continued))]
        return sorted(set(found), key=lambda each: _LEAST - 1 if each[0] is None else each[0])

    def is_same_tree(self, root: int, other_root: int, owners: Owners) -> bool:
        """Whether a whole table, also one without row numbers, is page for page the same."""
        if not self.pages:
            return True
        if root != other_root or any(page in self.pages for page in self._all(root)):
            return False
        return not self.continued or not any(True for _ in owners(set(self.continued)))

    def _all(self, root: int) -> Iterator[int]:
        one = self._one
        depth = one.depth(root)
        level = [root]
        for below in range(depth, 0, -1):
            yield from level
            nodes = [one.node(page) for page in level]
            level = [child for node in nodes if node is not None for child in node.children]
            if below == 1:
                yield from level
        if depth == 0:
            yield root

    def _differing(self, node: Node, low: int | None, high: int | None, theirs: _Leaves) -> Iterator[Range]:
        pages, is_common, others = self.pages, theirs.has_parent(node.page), theirs.leaves
        for number, child in enumerate(node.children):
            if child in pages:
                within = self._within(child) if is_common or child in others else None
                yield from [Trees.between(node, number, low, high)] if within is None else within
            elif not is_common and child not in others:
                yield Trees.between(node, number, low, high)

    def _within(self, page: int) -> list[Range] | None:
        """The rows of a leaf that the same leaf of the other has not; None where only all can be told."""
        if page > self._two.count:
            return None
        mine, theirs = self._one.cells(page), self._two.cells(page)
        if mine is None or theirs is None:
            return None
        odd = [number for cell, number in mine[0].items() if cell not in theirs[0]]
        return [(number - 1 if number > _LEAST else None, number) for number in sorted([*odd, *mine[1]])]

    def is_shared(self, page: int) -> bool:
        """Whether a page is the same in both."""
        return page <= min(self._one.count, self._two.count) and page not in self.pages

    def _at(self, root: int, way: tuple[int, ...]) -> Range:
        low: int | None = None
        high: int | None = None
        page = root
        for number in way:
            node = self._one.node(page)
            if node is None or number >= len(node.children):
                break
            low, high = Trees.between(node, number, low, high)
            page = node.children[number]
        return low, high

    def _in_piece(self, number: int, start: int) -> Iterator[int]:
        """Compared page by page; what differs is kept near, because it is going to be read."""
        one, two = self._one, self._two
        ours, size = one.pages.piece(number), one.page_size
        theirs = two.pages.read(start, len(ours))
        for at in range(0, len(ours), size):
            page = ours[at : at + size]
            other = theirs[at : at + size]
            if page != other:
                one.pages.keep(start + at, page)
                two.pages.keep(start + at, other)
                yield (start + at) // size + 1


class _Leaves:
    """The leaves of a table in the other database, without reading what both have in common."""

    def __init__(self, trees: Trees, root: int, is_same: Callable[[int], bool], known: Trees) -> None:
        self._is_same = is_same
        self._common: set[int] = set()
        self.leaves: set[int] = set()
        depth = trees.depth(root)
        if depth == 0:
            self.leaves.add(root)
            return
        level = [root]
        for _ in range(depth - 1):
            nodes = [(known if is_same(page) else trees).node(page) for page in level]
            level = [child for node in nodes if node is not None for child in node.children]
        for page in level:
            if is_same(page):
                self._common.add(page)
            elif (node := trees.node(page)) is not None:
                self.leaves.update(node.children)

    def has_parent(self, page: int) -> bool:
        """Whether this page is one above leaves there too, with the same leaves below it."""
        return page in self._common
