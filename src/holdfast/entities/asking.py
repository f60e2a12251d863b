"""Which row is meant by which key, as the database itself compares them: ``A`` may be ``a``, and ``1`` be ``1.00``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

from holdfast.entities.sameish import alike
from holdfast.model.records import Key, Row, Table
from holdfast.model.sameness import typed

Find = Callable[[Table, tuple[str, ...], Collection[Key]], Iterator[Row]]
Same = Callable[[Key], Key]


def rows_by_key(
    find: Find, table: Table, columns: tuple[str, ...], wanted: Collection[Key], same: Same = typed
) -> dict[Key, list[Row]]:
    """Rows by ``same`` of the key they were found by, whatever they write it like themselves."""
    keys = {same(key): key for key in wanted}
    found: dict[Key, list[Row]] = {}
    strange: list[Row] = []
    for row in find(table, columns, list(keys.values())) if keys else ():
        own = same(row.key(columns))
        if own in keys:
            found.setdefault(own, []).append(row)
        else:
            strange.append(row)
    for key, row in attributed(find, table, columns, (list(keys.values()), strange)):
        found.setdefault(same(key), []).append(row)
    return found


def attributed(
    find: Find, table: Table, columns: tuple[str, ...], open_: tuple[Sequence[Key], Sequence[Row]]
) -> Iterator[tuple[Key, Row]]:
    """(key, row) for rows the database found by one of the keys although none of them is written so.

    Where only one key could be meant, nobody is asked; else the server is, by halves.
    """
    keys, rows = open_
    if not rows:
        return
    likely: dict[Key, list[Key]] = {}
    for key in keys:
        likely.setdefault(alike(key), []).append(key)
    left: list[Row] = []
    for row in rows:
        candidates = likely.get(alike(row.key(columns)), ())
        if len(candidates) == 1:
            yield candidates[0], row
        else:
            left.append(row)
    if left:
        yield from _halved(find, table, columns, keys, {_image(row) for row in left})


def _halved(
    find: Find, table: Table, columns: tuple[str, ...], keys: Sequence[Key], images: set[str]
) -> Iterator[tuple[Key, Row]]:
    rows = [row for row in find(table, columns, keys) if _image(row) in images]
    if not rows:
        return
    if len(keys) == 1:
        yield from ((keys[0], row) for row in rows)
        return
    middle = len(keys) // 2
    for part in (islice(keys, middle), islice(keys, middle, None)):
        yield from _halved(find, table, columns, list(part), images)


def _image(row: Row) -> str:
    return repr(sorted(row.values.items(), key=lambda item: item[0]))
