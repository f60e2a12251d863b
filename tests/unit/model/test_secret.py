"""Secrets do not show."""

from __future__ import annotations

import pytest

from holdfast.model.errors import UsageError
from holdfast.model.secret import Redactor, Secret, split_password, without_passwords

MARKER = "m4rk3r-pa55"


def test_a_secret_has_no_repr() -> None:
    """Neither repr nor str nor formatting give the value."""
    secret = Secret(MARKER, "env:X")
    assert MARKER not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == MARKER


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://app:{MARKER}@db/shop",
        f"postgresql://app:{MARKER}/x@db/shop",
        f"postgresql://app:{MARKER}@x@db/shop",
        f"postgresql://:{MARKER}@db/shop",
        f"postgresql://db/shop?user=app&password={MARKER}",
        f"postgresql://db/shop?sslpassword={MARKER}&x=1",
        f"s3://bucket/x?secret_access_key={MARKER}",
        f"connection to postgresql://app:{MARKER}@db/shop failed",
    ],
)
def test_no_url_shows_its_password(url: str) -> None:
    """Wherever in the URL it stands, also when it was not escaped."""
    assert MARKER not in without_passwords(url)


@pytest.mark.parametrize(
    "text", ["files:/srv/a@b", "postgresql://app@db:5432/shop?table=x", "12:30 me@example.org", "C:/x"]
)
def test_text_without_passwords_stays(text: str) -> None:
    """Nothing is cut from what holds no secret."""
    assert without_passwords(text) == text


def test_a_password_is_split_off_and_decoded() -> None:
    """What remains is the same URL without it."""
    assert split_password("postgresql://app:a%2Fb@db:5432/shop?x=1") == ("postgresql://app@db:5432/shop?x=1", "a/b")
    assert split_password("postgresql://db/shop?password=p%26q&x=1") == ("postgresql://db/shop?x=1", "p&q")
    assert split_password("postgresql://app@h1:1,h2:2/shop") == ("postgresql://app@h1:1,h2:2/shop", None)
    assert split_password("./backups") == ("./backups", None)


def test_an_unescaped_password_is_refused_without_being_repeated() -> None:
    """The hint tells how to escape it."""
    with pytest.raises(UsageError) as caught:
        split_password(f"postgresql://app:{MARKER}/x@db/shop")
    assert MARKER not in str(caught.value)
    assert "%2F" in caught.value.hint


def test_learned_secrets_are_taken_out_of_text_in_every_spelling() -> None:
    """Raw and percent-encoded."""
    redactor = Redactor()
    redactor.learn(Secret("p@ss/word 1"))
    assert "word" not in redactor.clean("it was p@ss/word 1 or p%40ss%2Fword%201 or p%40ss/word%201")


def test_a_short_secret_does_not_tear_words_apart() -> None:
    """Taken out where it stands alone, whatever it is part of stays."""
    redactor = Redactor()
    redactor.learn(Secret("as"))
    assert redactor.clean("last pass: as") == "last pass: ***"
