"""Cursors."""

from __future__ import annotations

import base64

import pytest

from holdfast.model.errors import UsageError
from holdfast.web.api import paging


def test_a_cursor_tells_the_place_it_was_made_of() -> None:
    """What goes in comes out, and it survives a URL."""
    made = paging.cursor("é/?&", 17)
    assert paging.place(made, str, int) == ("é/?&", 17)
    assert set(made) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(
    "told", ["", "x", "%%%", "a" * 5, paging.cursor(1), paging.cursor("a", "b"), paging.cursor(None), "é", "W1tbW1tb",
             base64.urlsafe_b64encode(b"[" * 5000).decode()]
)
def test_what_nobody_made_is_refused(told: str) -> None:
    """UsageError, whatever it is."""
    with pytest.raises(UsageError, match="no cursor"):
        paging.place(told, str, int)


def test_a_flag_is_no_number() -> None:
    """Kinds are exact."""
    with pytest.raises(UsageError):
        paging.place(paging.cursor(*[True]), int)
