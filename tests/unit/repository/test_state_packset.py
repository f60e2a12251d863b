"""The set of swept packs against a plain set."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.repository.layout import pack_name
from holdfast.repository.packset import PackSet

names = st.builds(pack_name, st.sampled_from(["a" * 32, "b" * 32]), st.integers(0, 12) | st.just(2**32 - 1))


@given(st.lists(names), names)
def test_it_holds_what_was_put_in_and_nothing_else(added: list[bytes], other: bytes) -> None:
    """In any order, with repetitions; ranges are never empty and never touch."""
    packs, plain = PackSet(), set(added)
    for name in added:
        packs.add(name)
    assert set(packs) == plain
    assert len(list(packs)) == len(plain)
    assert bool(packs) == bool(plain)
    assert (other in packs) == (other in plain)
    for edges in packs.runs.values():
        assert edges == sorted(set(edges))
        assert len(edges) % 2 == 0


def test_a_swept_session_takes_two_numbers() -> None:
    """However many packs it had."""
    packs = PackSet()
    for number in [*range(0, 5000, 2), *range(1, 5000, 2)]:
        packs.add(pack_name("a" * 32, number))
    assert packs.runs == {bytes.fromhex("a" * 32): [0, 5000]}


def test_a_session_held_whole_holds_packs_that_nobody_has_seen() -> None:
    """However its packs came in before; other sessions are not touched, and copies go their own way."""
    packs = PackSet()
    packs.add(pack_name("a" * 32, 3))
    twin = packs.copy()
    packs.add_all_of(bytes.fromhex("a" * 32))
    packs.add(pack_name("a" * 32, 7))
    assert all(pack_name("a" * 32, number) in packs for number in (0, 3, 7, 2**32 - 1))
    assert packs.holds_all_of(bytes.fromhex("a" * 32))
    assert not packs.holds_all_of(bytes.fromhex("b" * 32))
    assert pack_name("b" * 32, 3) not in packs
    assert list(packs) == []
    assert list(twin) == [pack_name("a" * 32, 3)]
