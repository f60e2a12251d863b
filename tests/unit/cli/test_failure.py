"""What a failure looks like to a program and to a person."""

from __future__ import annotations

from holdfast.cli.face import Face
from holdfast.cli.failure import failure_of
from holdfast.model.errors import Damaged, WrongKey
from holdfast.model.secret import Secret


def test_the_code_of_an_error_stays_whatever_the_secrets_are() -> None:
    """Programs compare it; text is cleaned."""
    face = Face()
    face.redactor.learn(Secret("wrong"))
    told = face.without_secrets(failure_of(WrongKey("the passphrase wrong opens nothing")).document())["error"]
    assert told["code"] == "wrong-key"
    assert told["what"] == "the passphrase *** opens nothing"


def test_damage_without_advice_leads_to_what_heals_it() -> None:
    """Whatever command met it."""
    assert "holdfast check --read-data" in failure_of(Damaged("a chunk is damaged")).hint
    assert failure_of(Damaged("a chunk is damaged", hint="do this")).hint == "do this"
