"""What the documents tell people to type exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from tests.architecture.tree import ROOT

from holdfast.cli import reference
from holdfast.cli.main import ALIASES, VERBS, table

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "ARCHITECTURE.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def _typed(path: Path, program: str) -> list[str]:
    """Commands in code blocks and inline code that begin with ``program``; continued lines joined."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()] + inline
    commands = [command.strip() for line in lines for command in line.split("&&")]
    return [command for command in commands if command.split(" ")[0] == program]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)[1:]
    except ValueError:
        return line.split()[1:]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_the_documents_exists(path: Path) -> None:
    """A command that a reader copies is a verb with those options."""
    if path.name == "cli.md":
        return
    group = table()
    context = click.Context(group, info_name="holdfast")
    wrong = []
    for line in _typed(path, "holdfast"):
        command: click.Command | None = group
        options = {name for param in group.params for name in (*param.opts, *param.secondary_opts)}
        for word in _words(line):
            if word == "--":
                break
            if word.startswith("-") and len(word) > 1:
                if word.split("=")[0] not in options | {"--help", "-h"}:
                    wrong.append(f"{line}: {word}")
            elif isinstance(command, click.Group):
                command = command.get_command(context, word)
                if command is None:
                    wrong.append(f"{line}: no verb {word}")
                    break
                options |= {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    assert not wrong


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_in_the_documents_exists(path: Path) -> None:
    """A target that a reader copies is in the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {word for line in _typed(path, "make") for word in _words(line) if "=" not in word and word.isalpha()}
    assert asked <= targets


def test_the_reference_of_the_command_line_is_current() -> None:
    """docs/cli.md holds every verb as it is now; `make docs` writes it."""
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == reference.page()


def test_every_verb_shows_an_example() -> None:
    """Help without an example is half a help."""
    group = table()
    context = click.Context(group, info_name="holdfast")
    for name in VERBS:
        command = group.get_command(context, name)
        assert command is not None
        shown = [command] if not isinstance(command, click.Group) else list(command.commands.values())
        for each in shown:
            assert "Examples:" in each.get_help(click.Context(each, info_name=name)), name


def test_every_old_name_stands_for_a_verb() -> None:
    """Aliases lead somewhere."""
    assert {alias.verb for alias in ALIASES.values()} <= set(VERBS)
