"""Names: manifest order, and which of them are believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.sources.files.names import ROOT, below, is_sound, order_key, printable

_part = st.binary(min_size=1, max_size=4).filter(lambda b: b"/" not in b and b"\0" not in b and b not in (b".", b".."))
_paths = st.lists(_part, min_size=1, max_size=4).map(b"/".join)


@given(st.lists(_paths))
def test_the_root_comes_before_every_entry(paths: list[bytes]) -> None:
    """Byte order alone would put ``.`` after ``!x``."""
    assert min([*paths, ROOT], key=order_key) == ROOT


@given(_paths, _paths)
def test_a_folder_comes_right_before_what_lies_in_it(folder: bytes, other: bytes) -> None:
    """Nothing sorts between a folder and its content but its content."""
    inside = folder + b"/x"
    if order_key(folder) < order_key(other) < order_key(inside):
        assert below(other, folder)


@pytest.mark.parametrize(
    "name",
    [b"", b"..", b"./.", b"/etc/passwd", b"../x", b"a/../b", b"a/..", b"a//b", b"a/", b"./a", b"a/./b", b"a\0b", b"//"],
)
def test_a_name_that_could_lead_out_of_the_tree_is_not_believed(name: bytes) -> None:
    """Absolute, empty, dotted and NUL names are refused."""
    assert not is_sound(name)


@given(_paths)
def test_every_name_a_file_can_have_is_believed(name: bytes) -> None:
    """Newlines, leading dashes, dots within, bytes that are no text."""
    assert is_sound(name)


def test_a_message_shows_a_name_on_one_line() -> None:
    """A newline in a name cannot forge a line of a report."""
    assert printable(b"a\nb\xff\x1b[31m") == "a\\nb\\xff\\x1b[31m"
