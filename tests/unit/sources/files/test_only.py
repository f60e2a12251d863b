"""Choosing entries by pattern."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.sources.files.names import ROOT, order_key
from holdfast.sources.files.only import Only, exactly, with_parents

_TREE = sorted(
    [ROOT, b"a", b"a/b", b"a/b/c.txt", b"a/d.txt", b"e.txt", b"f", b"f/[x]", b"f/*", b"f/y", b"-n\n"], key=order_key
)


def _chosen(*patterns: str) -> list[tuple[bytes, bool]]:
    return list(with_parents(((name, name) for name in _TREE), Only(patterns, root="/srv/tree")))


@pytest.mark.parametrize("pattern", ["a/b", "./a/b/", "/srv/tree/a/b", "a/b/"])
def test_a_folder_brings_everything_in_it_and_its_parents(pattern: str) -> None:
    """However a person writes the folder."""
    assert _chosen(pattern) == [(ROOT, False), (b"a", False), (b"a/b", True), (b"a/b/c.txt", True)]


def test_a_wildcard_crosses_folders() -> None:
    """fnmatch on the whole path."""
    assert [name for name, chosen in _chosen("*.txt") if chosen] == [b"a/b/c.txt", b"a/d.txt", b"e.txt"]


def test_everything_is_chosen_without_patterns_and_by_a_star() -> None:
    """The root included."""
    assert [name for name, chosen in _chosen() if chosen] == _TREE == [name for name, _ in _chosen("*")]


def test_a_pattern_that_matches_nothing_gives_nothing() -> None:
    """Not even the root."""
    assert _chosen("nowhere") == []


@given(st.sampled_from(_TREE))
def test_an_exact_pattern_chooses_one_entry_only(name: bytes) -> None:
    """Also when its name is full of signs that patterns use, and when it is a folder."""
    assert [found for found, chosen in _chosen(exactly(name)) if chosen] == [name]


@given(st.lists(st.sampled_from(["a", "*.txt", "f/*", "a/b/.", "./.", "e.txt"])), st.sampled_from(_TREE))
def test_asking_out_of_order_gives_the_same_answer(patterns: list[str], name: bytes) -> None:
    """covers() and chosen() agree."""
    expected = dict(_chosen(*patterns)).get(name, False)
    assert Only(patterns, root="/srv/tree").covers(name) is expected


def test_a_folder_is_entered_only_when_something_chosen_may_lie_in_it() -> None:
    """Literal patterns do not make the walk go everywhere."""
    only = Only(["a/b/c.txt"])
    assert only.on_the_way(b"a") and only.on_the_way(b"a/b") and not only.on_the_way(b"f")
