"""Durations and sizes are read as people mean them."""

from __future__ import annotations

import pytest

from holdfast.model.errors import UsageError
from holdfast.wiring.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15min", 900),
        ("15m", 900),
        ("26h", 93600),
        ("30d", 2592000),
        ("2w", 1209600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1 h 30 min", 5400),
    ],
)
def test_durations(text: str, seconds: int) -> None:
    """Numbers with units, also several."""
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "26", "h", "26 hours ago", "-1h", "1h 30", "1x"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A bare number has no unit that everybody agrees on."""
    with pytest.raises(UsageError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("500", 500),
        ("64KiB", 65536),
        ("1MiB", 1048576),
        ("1M", 1048576),
        ("1MB", 10**6),
        ("1.5 GiB", 3 * 2**29),
        ("20gb", 20 * 10**9),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """Binary and decimal units."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "1XB", "-1", "1 2"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """With an example of what is one."""
    with pytest.raises(UsageError):
        parse_size(text)


def test_what_no_calendar_and_no_store_knows_is_refused() -> None:
    """A hundred years and nine exabytes are the limits: beyond them dates and numbers have no room."""
    assert parse_duration("36525d").days == 36525
    for parse, text in ((parse_duration, "999999999d"), (parse_duration, "9" * 400 + "s"), (parse_size, "9" * 400)):
        with pytest.raises(UsageError, match=r"is longer|is more"):
            parse(text)
