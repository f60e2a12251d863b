"""What pages say of times, sizes and shares."""

from __future__ import annotations

import pytest
import time_machine

from holdfast.web.pages import wording


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 seconds"), (1, "1 second"), (59, "59 seconds"), (70, "1 minute"), (110, "110 seconds"), (840, "14 minutes"),
     (3700, "1 hour"), (7199, "119 minutes"), (86400, "1 day"), (3 * 86400, "3 days"), (None, "–")],
)  # fmt: skip
def test_a_span_is_told_in_the_largest_unit_that_does_not_mislead(seconds: float | None, told: str) -> None:
    """Almost two hours are not one hour."""
    assert wording.span(seconds) == told


def test_a_share_is_never_rounded_up_to_all() -> None:
    """One failure in ten thousand is not 100 %."""
    assert wording.percent(9999, 10000) == "99.9 %"
    assert wording.percent(10, 10) == "100 %"
    assert wording.percent(0, 0) == "–"


@time_machine.travel("2026-11-21T04:34:00Z", tick=False)
def test_a_time_is_told_both_ways_with_its_zone() -> None:
    """Relative for people, absolute in UTC for those who compare, the original for programs."""
    told = wording.when("2026-11-21T05:20:00+01:00")
    assert "14 minutes ago" in told
    assert "2026-11-21 04:20:00 UTC" in told
    assert 'datetime="2026-11-21T05:20:00+01:00"' in told
    assert wording.ago("2026-11-21T06:34:00Z") == "in 2 hours"


def test_what_is_no_time_stays_as_it_is_and_harmless() -> None:
    """It is shown as text."""
    assert wording.when("<b>") == "&lt;b&gt;"
    assert wording.when(None) == "never"


def test_a_long_value_is_cut_and_says_so() -> None:
    """Nothing is cut silently."""
    assert wording.value("x" * 1000).endswith("(1,000 characters)")


def test_a_command_is_safe_to_paste() -> None:
    """Words with blanks or quotes are quoted."""
    assert wording.command("find", "latest:shop", "events", "name=it's; rm -rf /") == (
        """holdfast find latest:shop events 'name=it'"'"'s; rm -rf /'"""
    )
