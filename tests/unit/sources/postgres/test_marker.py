"""One stream of output is cut at its markers, wherever the blocks happen to end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.sources.postgres.marker import MarkedOutput

MARKER = b"holdfast-0123"


def reader(blocks: list[bytes]) -> MarkedOutput:
    waiting = iter(blocks)
    return MarkedOutput(lambda: next(waiting, b""), MARKER)


@settings(deadline=None)
@given(
    outputs=st.lists(st.lists(st.sampled_from([b"row\n", b"hold", b"holdfast-", b"\n", b"x" * 30, b"h"])), max_size=5),
    cuts=st.lists(st.integers(1, 40), min_size=1),
)
def test_every_output_comes_out_whole_however_it_was_cut(outputs: list[list[bytes]], cuts: list[int]) -> None:
    """Blocks may end inside a marker, and rows may look like the beginning of one."""
    whole = [b"".join(parts) for parts in outputs]
    stream = b"".join(b"%s%s %d rows\n" % (text, MARKER, number) for number, text in enumerate(whole))
    blocks, at, turn = [], 0, 0
    while at < len(stream):
        blocks.append(stream[at:at + cuts[turn % len(cuts)]])
        at += cuts[turn % len(cuts)]
        turn += 1
    output = reader(blocks)
    for number, text in enumerate(whole):
        assert b"".join(output.until_marker()) == text
        assert output.answer == b"%d rows" % number


def test_an_output_without_its_marker_is_an_error() -> None:
    """Rows of a reader that died are never taken for all rows."""
    output = reader([b"row\nrow\n", b"holdf"])
    with pytest.raises(EOFError):
        list(output.until_marker())


def test_blocks_far_from_a_marker_are_passed_on_uncopied() -> None:
    """The very objects that were read come out."""
    block = b"row\n" * 1000
    output = reader([block, MARKER + b" 1\n"])
    (found,) = output.until_marker()
    assert found is block
