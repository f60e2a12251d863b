"""Names are quoted so that neither the server nor psql reads anything into them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.sources.postgres.names import escaped, literal, matches, quote


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1))
def test_an_escaped_name_is_one_line_of_harmless_letters(name: str) -> None:
    """Nothing psql gives a meaning to is left, and the name can be read back."""
    text = escaped(name)
    assert re.fullmatch(r'(U&)?"[A-Za-z0-9_ \\+]+"', text)
    body = text.removeprefix("U&")[1:-1]
    restored = re.sub(r"\\\+([0-9A-F]{6})|\\([0-9A-F]{4})", lambda m: chr(int(m[1] or m[2], 16)), body)
    assert restored == name


def test_quotes_and_backslashes_are_doubled_where_they_must_be() -> None:
    """Identifiers and constants."""
    assert quote('a"b') == '"a""b"'
    assert literal("it's") == "'it''s'"
    assert literal("a\\b") == " E'a\\\\b'"


@pytest.mark.parametrize(("pattern", "expected"), [
    ("public.events", True), ("public.*", True), ("events", True), ("ev*", True), ("other.events", False),
    ("publi?.events", True), ("event", False),
])
def test_patterns_mean_labels_or_bare_names(pattern: str, expected: bool) -> None:
    """With a dot the schema counts, without it does not."""
    assert matches([pattern], "public.events", "public", "events") is expected
