"""Which tables a comparison is asked for."""

from __future__ import annotations

import pytest
from tests.contracts.memory_book import MemoryBook, table_of

from holdfast.model.errors import UsageError
from holdfast.usecases.diff import _wanted

BOOK = MemoryBook([table_of("public.notes", "id int key"), table_of("app.names", "id int key")], {})


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("n*", ["public.notes", "app.names"]), ("public.*", ["public.notes"]), ("names", ["app.names"]),
        ("*.na*", ["app.names"]),
    ],
)  # fmt: skip
def test_a_pattern_needs_no_schema(item: str, expected: list[str]) -> None:
    """As a name needs none."""
    assert _wanted(BOOK, BOOK, (item,)) == expected


def test_a_pattern_that_fits_nothing_is_refused() -> None:
    """Rather than compared as nothing."""
    with pytest.raises(UsageError):
        _wanted(BOOK, BOOK, ("zz*",))
