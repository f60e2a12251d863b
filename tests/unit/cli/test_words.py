"""What reaches a terminal is readable and cannot steer it."""

from __future__ import annotations

import pytest

from holdfast.cli import words


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("plain é 漢", "plain é 漢"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("\u2028\ud800", "\\u2028\\ud800"),
    ],
)
def test_control_characters_are_escaped(hostile: str, shown: str) -> None:
    """Escapes, line breaks, direction marks, half characters."""
    assert words.printable(hostile) == shown


def test_columns_line_up_also_with_wide_and_hostile_cells() -> None:
    """A table stays a table."""
    lines = words.table(("name", "n"), [("漢字", "1"), ("a\nb", "22")], right=(1,))
    assert lines == ["name   n", "漢字   1", "a\\nb  22"]


def test_sizes_counts_and_durations_read_well() -> None:
    """Units people know; unknown is a dash."""
    assert [words.size(n) for n in (None, 0, 1023, 1024, 5 << 30)] == ["-", "0 B", "1023 B", "1.0 KiB", "5.0 GiB"]
    assert words.count(1234567) == "1,234,567"
    assert [words.seconds(s) for s in (0.44, 12, 200, 7500, 300000)] == [
        "0.4 s",
        "12 s",
        "3 min 20 s",
        "2 h 5 min",
        "3 d 11 h",
    ]
    assert words.instant("2026-11-20T05:20:07.123+01:00") == "2026-11-20 04:20:07"
    assert words.instant("soon") == "soon"


def test_statements_keep_their_lines_and_names_do_not_make_new_ones() -> None:
    """What is proposed can be pasted; a line break inside a quoted name stays an escape."""
    assert words.statements('GRANT x TO "a\nb";\nALTER ROLE y;') == ['GRANT x TO "a\\nb";', "ALTER ROLE y;"]
