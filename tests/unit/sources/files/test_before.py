"""The previous snapshot walked alongside the tree."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.snapshot import Item
from holdfast.sources.files.before import Before
from holdfast.sources.files.names import order_key

_names = st.sets(st.sampled_from([b"a", b"a/b", b"a-b", b"a/b/c", b"b", b"a\nc", b"a/-", b"\xff", b"z/!"]))


@given(_names, _names)
def test_every_name_that_both_have_is_found_and_no_other(then: set[bytes], now: set[bytes]) -> None:
    """One step at a time, whatever came and went."""
    before = Before(iter([Item(name, "file", 0, 0, []) for name in sorted(then, key=order_key)]))
    found = {name: before.at(name) for name in sorted(now, key=order_key)}
    assert {name for name, item in found.items() if item is not None} == then & now
    assert all(item is None or item.name == name for name, item in found.items())
