"""A negative number on the command line is a value."""

from __future__ import annotations

from typing import Any

import click
import pytest

from holdfast.cli.face import Face
from holdfast.cli.options import verb


def _read(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    @verb("look", examples="")
    @click.argument("item")
    @click.argument("key", nargs=-1)
    @click.option("--limit", type=int)
    def look(_face: Face, **given: Any) -> None:
        found.update(given)

    look.main([*words], standalone_mode=False, obj=Face())
    return found


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("t", "-5"), ("-5",)), (("t", "-5,-3", "--limit", "2"), ("-5,-3",)),
        (("t", "--limit", "2", "-1.5"), ("-1.5",)),
        (("t", "-.5"), ("-.5",)), (("t", "--", "-x"), ("-x",)), (("t", "id=-5"), ("id=-5",)),
    ],
)  # fmt: skip
def test_negative_keys_need_no_dashes_before_them(words: tuple[str, ...], key: tuple[str, ...]) -> None:
    """Of one column or several, wherever they stand."""
    assert _read(*words)["key"] == key


def test_an_option_takes_a_negative_value_and_unknown_ones_are_refused() -> None:
    """As before."""
    assert _read("t", "--limit", "-5")["limit"] == -5
    with pytest.raises(click.NoSuchOption):
        _read("t", "-x")
