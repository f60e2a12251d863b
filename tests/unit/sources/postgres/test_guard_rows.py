"""Records and arrays as PostgreSQL writes them are read without loss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.sources.postgres.guard.rows import array, record


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("()", [None]),
        ('("")', [""]),
        ("(,)", [None, None]),
        ('(1,"a,b",,"")', ["1", "a,b", None, ""]),
        ('("say ""hi""","back\\\\slash","(x)")', ['say "hi"', "back\\slash", "(x)"]),
        ('("{1,NULL,""a b""}","(1,""x """"y"""""")")', ['{1,NULL,"a b"}', '(1,"x ""y""")']),
        ('("two\nlines",é\U0001f600)', ["two\nlines", "é\U0001f600"]),
    ],
)
def test_fields_of_a_record(text: str, fields: list[str | None]) -> None:
    """NULL, empty, quoted, nested."""
    assert record(text) == fields


@pytest.mark.parametrize(
    ("text", "elements"), [("{}", []), ("{a}", ["a"]), ('{"a,b","q\\"r","b\\\\s",""}', ["a,b", 'q"r', "b\\s", ""])]
)
def test_elements_of_an_array(text: str, elements: list[str]) -> None:
    """Names of columns, however they are quoted."""
    assert array(text) == elements


@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
def test_whatever_is_written_is_read(fields: list[str | None]) -> None:
    """Quoted as record_out does it: always, with quotes and backslashes doubled."""
    written = ",".join(
        "" if each is None else '"' + each.replace("\\", "\\\\").replace('"', '""') + '"' for each in fields
    )
    assert record(f"({written})") == fields
