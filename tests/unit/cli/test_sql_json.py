"""JSON of the database is told as it is."""

from __future__ import annotations

import pytest

from holdfast.cli.verbs import sql


@pytest.mark.parametrize("text", ['{"p": 12345678901234567890.123, "q": 1.10}', '{"a":1,"a":2}', "[1.0]"])
def test_json_is_not_altered(text: str) -> None:
    """Numbers keep their digits and names are repeated as they were, also within lists."""
    assert sql._written(sql._as_json(text, "JSON")) == text
    assert sql._written([sql._as_json(text, "JSON"), "x"]) == f'[{text}, "x"]'
