"""The command table. A verb's module is loaded when it is called, so that ``holdfast --help`` answers at once."""

from __future__ import annotations

import contextlib
import difflib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from holdfast.cli import defects
from holdfast.cli.face import Face
from holdfast.cli.options import Family, shared_options
from holdfast.model.errors import UsageError

# verb -> (module under cli/verbs, and function in it; one line of help)
VERBS: dict[str, tuple[str, str]] = {
    "init": ("init:init", "Write holdfast.toml and create the repository."),
    "backup": ("backup:backup", "Take a snapshot of every source, or of those named."),
    "run": ("run:run", "Take a snapshot, then run a command."),
    "list": ("listing:list_", "List snapshots, newest first."),
    "show": ("show:show", "Show one snapshot and what is in it."),
    "find": ("find:find", "Find rows in a snapshot, without restoring it."),
    "log": ("log:log", "Tell every version of a row over all snapshots."),
    "sql": ("sql:sql", "Ask a snapshot in SQL, without restoring it."),
    "diff": ("diff:diff", "Tell what changed between two snapshots, or since one."),
    "export": ("export:export", "Write a snapshot in a format that other programs read."),
    "import": ("import_:imported", "Make snapshots of backups that other systems made."),
    "restore": ("restore:restore", "Get a snapshot back, into a new place unless told otherwise."),
    "entity": ("entity:entity", "Save, find, restore or copy one thing with everything that belongs to it."),
    "undo": ("undo:undo", "Take back what a restore changed."),
    "guard": ("guard:guard", "Keep whatever anybody deletes from an application."),
    "trash": ("trash:trash", "List what was deleted, by whom; bring it back."),
    "status": ("status:status", "Say what would be lost now."),
    "serve": ("serve:serve", "Run the scheduler, the HTTP API and the dashboard."),
    "account": ("account:account", "Manage the people who log in to the dashboard."),
    "token": ("token:token", "Manage the tokens of the HTTP API."),
    "secrets": ("secrets:secrets", "Tell how old secrets are, and make new ones."),
    "alerts": ("alerts:alerts", "Show what is told to people, and try the ways to them."),
    "daemon": ("daemon:daemon", "Run the scheduler alone, without a server."),
    "check": ("check:check", "Verify that the repository holds what it should."),
    "runs": ("runs:runs", "List what ran, with its result."),
    "audit": ("audit:audit", "Tell who did what with backups, and verify that."),
    "forget": ("forget:forget", "Drop snapshots; prune frees their space."),
    "unforget": ("forget:unforget", "Bring forgotten snapshots back, until their space was freed."),
    "prune": ("prune:prune", "Free the space nothing needs any more."),
    "pin": ("pin:pin", "Protect snapshots from being forgotten."),
    "unpin": ("pin:unpin", "Take the protection of a pin away."),
    "key": ("key:key", "Manage what opens the repository."),
    "doctor": ("doctor:doctor", "Check what a first user gets wrong, and how to mend it."),
    "config": ("config:config", "Show, check or locate the configuration."),
    "demo": ("demo:demo", "See it all work on a sample application."),
    "completion": ("completion:completion", "Print the completion script of a shell."),
    "version": ("version:version", "Print the version."),
}


@dataclass(frozen=True, slots=True)
class Alias:
    """An old name of a verb, and the options it implies."""

    verb: str
    options: tuple[str, ...] = ()


ALIASES: dict[str, Alias] = {
    "details": Alias("show"),
    "delete": Alias("forget"),
    "snapshots": Alias("list"),
    "ls": Alias("list"),
    "restore-dry": Alias("restore", ("--dry-run",)),
    "restore-new": Alias("restore"),
}


class Table(Family):
    """Verbs by name, loaded when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order of a first acquaintance, not of the alphabet."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """The verb itself; for old names the verb they stand for."""
        alias = ALIASES.get(cmd_name)
        entry = VERBS.get(alias.verb if alias else cmd_name)
        if entry is None:
            return None
        module, _, function = entry[0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"holdfast.cli.verbs.{module}"), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Old names bring their options along; a mistyped name is told the nearest."""
        if args and args[0] not in ALIASES and args[0] not in VERBS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            raise UsageError(
                f"there is no verb {args[0]!r}", hint=f"did you mean: holdfast {near[0]}" if near else "holdfast --help"
            )
        name, command, rest = super().resolve_command(ctx, args)
        alias = ALIASES.get(args[0]) if args else None
        return (alias.verb, command, [*alias.options, *rest]) if alias else (name, command, rest)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """One line each, without loading any."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


_HELP = """Backup and recovery that knows the application.

Snapshots are named by id, the start of one, latest, latest:SOURCE, or the name given to them.

\b
First steps:
  holdfast init --repository ./backups --source shop=postgresql://app@localhost/shop
  holdfast backup
  holdfast restore latest:shop
"""


def table() -> Table:
    """The whole command line."""
    group = Table(
        "holdfast",
        help=_HELP,
        params=[*shared_options()],
        invoke_without_command=True,
        callback=_greet,
        context_settings={"max_content_width": 100},
    )
    group.params.append(
        click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
        )
    )
    return group


@click.pass_context
def _greet(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from holdfast import __version__

        click.echo(f"holdfast {__version__}")
        context.exit()


def program() -> None:
    """Carry out the command line of this process, and end it.

    Everything is closed by then. Taking the interpreter apart object by object would cost a short command a fifth
    of its time, and free nothing that the system does not free at once. Nor is it worth looking for cycles as
    often as the interpreter would: items and rows come by the ten thousand, and nothing in them refers back.
    """
    gc.set_threshold(50_000, 20, 20)
    status = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    face = Face()
    face.as_json = "--json" in _before_command(given)
    _prepare_streams()
    try:
        with _termination_interrupts():
            status: Any = table().main(args=given, prog_name="holdfast", standalone_mode=False, obj=face)
    except BrokenPipeError:
        _let_go_of_stdout()
        return 128 + signal.SIGPIPE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the outermost place: everything becomes a status
        status = face.fail(error)
        defects.tell(face, error)
    return int(status or 0)


def _before_command(arguments: list[str]) -> list[str]:
    """Without what belongs to the command of ``run … -- COMMAND``."""
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


@contextlib.contextmanager
def _termination_interrupts() -> Iterator[None]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does: children stopped, nothing half done committed."""
    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _prepare_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _let_go_of_stdout() -> None:
    """The reader went away (``| head``): nothing more can be said, and the shutdown must not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
