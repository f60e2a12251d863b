"""Values that a database may call the same."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.entities.asking import rows_by_key
from holdfast.entities.sameish import alike
from holdfast.model.records import Row, Table


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1", "1.00", True), ("Fair", "fAIR", True), ("NaN", "nan", True), (1, 1.0, True), ("a", "b", False),
        (None, "", False), ({"a": [1]}, {"a": [1]}, True), ({"a": 1}, {"a": 2}, False), (b"a", b"a", True),
        ("1 day", "24:00:00", True), ("1 mon -1 days", "29 days", True), ("01:00:00", "-01:00:00", False),
        ('{"a": 1.50}', '{"a": 1.5}', True), ("{1.0,2}", "{1,2.00}", True), ("0", "-0", True), ("v1.5", "v1.50", False),
    ],
)  # fmt: skip
def test_what_could_be_the_same_is_alike(one: Any, other: Any, same: bool) -> None:
    """Whatever kind of value it is."""
    assert (alike((one,)) == alike((other,))) is same


def test_rows_are_told_apart_by_asking_where_two_keys_could_be_meant() -> None:
    """A server that strips accents and minds letters: only it knows which of two keys found the row."""
    asked: list[int] = []

    def find(_table: Table, _columns: tuple[str, ...], wanted: Any) -> Any:
        asked.append(len(wanted))
        bare = {key[0].replace("é", "e") for key in wanted}
        return (Row({"name": name}) for name in ("Cafe", "tea") if name in bare)

    wanted = [("Café",), ("cafe",), ("CAFE",), ("tea",)]
    found = rows_by_key(find, Table(name="t"), ("name",), wanted)
    assert {key[0]: rows[0].values["name"] for key, rows in found.items()} == {"Café": "Cafe", "tea": "tea"}
    assert len(asked) > 1
