"""What a failure looks like to a program and to a person."""

from __future__ import annotations

import pytest

from holdfast.cli.face import Face
from holdfast.cli.failure import failure_of
from holdfast.cli.main import main
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


def test_a_hint_of_several_statements_is_several_lines() -> None:
    """It is there to be pasted."""
    assert failure_of(Damaged("x", hint="one;\ntwo;")).lines()[1:] == ["  hint: one;", "    two;"]


def test_a_warning_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """While the work goes on, and not again in the summary; another source's own is another."""
    face = Face()
    for source in ("shop", "shop", "media"):
        face.warning("half of it", source)
    assert capsys.readouterr().err.splitlines() == ["warning: shop: half of it", "warning: media: half of it"]


def test_a_group_of_commands_alone_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    """In one readable line, not as a help text squeezed into it."""
    assert main(["audit"]) == 2
    told = capsys.readouterr().err
    assert "export, list, verify" in told
    assert "\\n" not in told
