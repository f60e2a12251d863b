"""Every verb's help as one page: docs/cli.md is written from it, and a test keeps the two equal."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from holdfast.cli.main import ALIASES, VERBS, table

_WIDTH = 100

_HEAD = """# The command line

Written by `make docs` from the verbs themselves.

Exit status: 0 ok, 1 failed, 2 usage or configuration, 3 finished but incomplete, 4 check or doctor found problems,
10 no repository, 11 busy, 12 wrong key, 75 soft skip, 130 interrupted.

With `--json` every verb prints one JSON document on stdout, also for errors:
`{"error": {"code", "what", "where", "why", "hint"}}`. Progress, notes and logs go to stderr.
"""


def page() -> str:
    """Markdown with the help of the program, of every verb and of their sub-verbs."""
    group = table()
    root = click.Context(group, info_name="holdfast", max_content_width=_WIDTH, terminal_width=_WIDTH)
    parts = [_HEAD, _section(root, 2)]
    for name in VERBS:
        command = group.get_command(root, name)
        if command is not None:
            parts += _sections(command, name, root)
    parts.append("## Old names\n\n" + "\n".join(_alias(name) for name in sorted(ALIASES)) + "\n")
    return "\n".join(parts)


def _sections(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH)
    yield _section(context, 2)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                yield _section(click.Context(found, info_name=inner, parent=context, terminal_width=_WIDTH), 3)


def _section(context: click.Context, level: int) -> str:
    return f"{'#' * level} {context.command_path}\n\n```\n{context.command.get_help(context)}\n```\n"


def _alias(name: str) -> str:
    alias = ALIASES[name]
    return f"- `{name}` is `{' '.join((alias.verb, *alias.options))}`"


if __name__ == "__main__":
    sys.stdout.write(page())
