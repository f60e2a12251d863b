"""Sorted runs: the look-up structure of the index."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.repository import runs

ROWS = st.lists(st.binary(min_size=40, max_size=40), max_size=200)


@given(ROWS, ROWS)
@settings(max_examples=60, deadline=None)
def test_a_merged_run_finds_exactly_what_went_in(one: list[bytes], two: list[bytes]) -> None:
    """Merging is union; every row is found by its key, in order, and others are not."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        merged = runs.merge([runs.build(one, 40), runs.build(two, 40)], 40, Path(folder) / "run")
        rows = sorted({*one, *two})
        assert list(merged.rows()) == rows
        for row in rows:
            assert row in list(merged.find(row[:32]))
            assert rows[merged.position(row)] == row
        absent = bytes(32)
        assert list(merged.find(absent)) == [row for row in rows if row.startswith(absent)]
        merged.close()


def test_rows_that_differ_only_behind_the_key_are_all_found() -> None:
    """Several copies of one chunk have one id and several rows."""
    rows = [b"k" * 32 + bytes([n]) * 8 for n in range(5)]
    run = runs.build(rows, 40)
    assert list(run.find(b"k" * 32)) == rows


def test_a_key_inside_another_row_is_not_mistaken_for_a_row() -> None:
    """Bytes equal to a key at an odd place, across two rows, do not count."""
    key = b"\x00\x00\x00\x01" * 8
    rows = sorted([b"\x00\x00\x00\x00" * 9 + b"\x00\x00\x00\x01", b"\x00\x00\x00\x01" * 7 + b"\xff" * 12])
    run = runs.build(rows, 40)
    assert list(run.find(key)) == []


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "extend"])
def test_a_damaged_run_file_is_refused(tmp_path: Path, damage: str) -> None:
    """The cache is checked whole when it is opened: it is thrown away rather than believed."""
    path = tmp_path / "run"
    runs.merge([runs.build([bytes([n]) * 40 for n in range(50)], 40)], 40, path).close()
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-100] ^= 4
    path.write_bytes({"flip": data, "truncate": data[:-40], "empty": b"", "extend": data + bytes(40)}[damage])
    with pytest.raises(ValueError, match=r"checksum|run file|truncated"):
        runs.load(path, 40)
