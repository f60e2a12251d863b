"""The date in a custom archive's head is the only thing that differs between equal definitions."""

from __future__ import annotations

from holdfast.sources.postgres.dump import exact_pattern, without_date


def head(version: tuple[int, int], date: int) -> bytes:
    compression = b"\0" if version >= (1, 15) else b"\0" + (0).to_bytes(4, "little")
    dates = b"".join(b"\0" + (date + n).to_bytes(4, "little") for n in range(7))
    return b"PGDMP" + bytes((*version, 0, 4, 8, 1)) + compression + dates + b"the rest of the archive" * 4


def test_only_the_date_is_taken_out() -> None:
    """For both layouts of the head."""
    for version in ((1, 14), (1, 15), (1, 16)):
        assert head(version, 1) != head(version, 2)
        assert without_date(head(version, 1)) == without_date(head(version, 2))
        assert without_date(head(version, 1)).endswith(b"the rest of the archive")
        assert without_date(b"something else" * 20) == b"something else" * 20


def test_a_pattern_means_exactly_one_table() -> None:
    """Stars and quotes in a name stand for themselves."""
    assert exact_pattern("a", 'b*"c') == '"a"."b*""c"'
