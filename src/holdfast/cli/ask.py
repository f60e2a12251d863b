"""Questions to the person at the terminal; without one, nothing is ever waited for."""

from __future__ import annotations

import sys

import click

from holdfast.cli.face import Face
from holdfast.model.errors import UsageError
from holdfast.model.secret import Secret, without_passwords


def at_terminal() -> bool:
    """Whether somebody can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def passphrase_for(face: Face, url: str) -> Secret | None:
    """The passphrase of an existing repository, typed unseen; None without a terminal."""
    if not at_terminal():
        return None
    typed = click.prompt(f"passphrase or recovery key of {without_passwords(url)}", hide_input=True, err=True)
    return face.redactor.learn(Secret(str(typed), "typed"))


def new_passphrase(face: Face, what: str, *, may_be_empty: bool = True) -> Secret | None:
    """A passphrase typed twice; None without a terminal, or when nothing was typed and that is allowed."""
    if not at_terminal():
        return None
    offer = " (empty: one is made for you)" if may_be_empty else ""
    typed = _hidden(what + offer)
    if not typed and may_be_empty:
        return None
    if not typed:
        raise UsageError("an empty passphrase protects nothing")
    if typed != _hidden("the same again"):
        raise UsageError("the two passphrases differ", hint="run the command again")
    return face.redactor.learn(Secret(typed, "typed"))


def _hidden(text: str) -> str:
    return str(click.prompt(text, hide_input=True, default="", show_default=False, err=True))


def confirm(face: Face, question: str) -> None:
    """Return when the answer is yes (or ``-y`` was given); UsageError otherwise."""
    if face.yes:
        return
    if not at_terminal():
        raise UsageError(
            f"this needs a confirmation: {question}", hint="look at --dry-run, then run it again with --yes"
        )
    if not click.confirm(question, err=True):
        raise UsageError("not confirmed; nothing was changed")
