"""Options every verb has, accepted before and after it, and the decorator that makes a function a verb."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from holdfast.cli.face import Face
from holdfast.cli.recorded import VERBS
from holdfast.model.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])
Parameter = Callable[[Callable[..., Any]], Callable[..., Any]]


HELP = ("-h", "--help")
_NEGATIVE = re.compile(r"-\.?\d")
_MARK = "\0"


class Family(click.Group):
    """Verbs under one name: ``key list``, ``key add``."""

    def get_help_option_names(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """The same everywhere, however the verb is reached."""
        return list(HELP)


class Verb(click.Command):
    """One verb: its examples stand in its help, and it refuses a dry run it cannot give."""

    def __init__(
        self, *arguments: Any, examples: str = "", plans: bool = False, asks: bool = False, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.examples = examples
        self.plans = plans
        self.params.extend(shared_options(plans=plans, asks=plans or asks))

    def get_help_option_names(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """The same everywhere, however the verb is reached."""
        return list(HELP)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Examples, as they would be typed."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples.strip().splitlines():
                    formatter.write(f"  {example.strip()}\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Negative numbers are values: no option is called like one."""
        takes = {name for each in self.params if _takes_value(each) for name in each.opts}
        marked, before, ended = [], "", False
        for word in args:
            ended = ended or word == "--"
            marked.append(_MARK + word if not ended and before not in takes and _NEGATIVE.match(word) else word)
            before = word
        rest = super().parse_args(ctx, marked)
        ctx.params = {name: _unmarked(value) for name, value in ctx.params.items()}
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        face = ctx.find_object(Face)
        if face is not None and face.dry_run and not self.plans:
            raise UsageError(f"{self.name} has no dry run", hint=f"holdfast {self.name} --help")
        recorded = VERBS.get(ctx.command_path.partition(" ")[2])
        if face is None or recorded is None:
            return super().invoke(ctx)
        from holdfast.cli.recording import recording

        with recording(face, recorded, ctx.params) as record:
            status = super().invoke(ctx)
            record.status = int(status or 0)
            return status


def _takes_value(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and not parameter.is_flag and not parameter.count


def _unmarked(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_unmarked, value))
    return value.removeprefix(_MARK) if isinstance(value, str) else value


def verb(name: str, *, examples: str, plans: bool = False, asks: bool = False) -> Callable[[Function], Verb]:
    """Make a function ``(face, **options) -> status | None`` the verb ``name``.

    ``plans``: has a dry run, and asks before it acts. ``asks``: only asks.
    """

    def wrap(function: Function) -> Verb:
        decorate = click.command(name, cls=Verb, examples=examples, plans=plans, asks=asks)
        return decorate(click.pass_obj(function))

    return wrap


def shared_options(*, plans: bool = True, asks: bool = True) -> list[click.Option]:
    """Fresh option objects; each writes what it was given into the Face of this call.

    Where there is no plan or question the options for them are accepted still, but not shown.
    """
    return [
        _option(["-c", "--config"], "config", "The configuration file.", metavar="PATH"),
        _option(["-R", "--repository"], "repository", "Use this repository without a file.", metavar="URL"),
        _flag(["--json"], _set_json, "One JSON document on stdout, also for errors."),
        _flag(["-q", "--quiet"], _set_quiet, "Only the result and errors."),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_set_verbose,
            help="More; -vv shows where an error happened.",
        ),
        _flag(["-n", "--dry-run"], _set_dry_run, "Show what would be done, and do nothing.", hidden=not plans),
        _flag(["-y", "--yes"], _set_yes, "Answer yes to every question.", hidden=not asks),
    ]


def _option(names: Sequence[str], attribute: str, text: str, *, metavar: str) -> click.Option:
    def remember(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            setattr(_face(context), attribute, value)

    return click.Option(names, expose_value=False, callback=remember, help=text, metavar=metavar)


def _flag(names: Sequence[str], act: Callable[[Face], None], text: str, *, hidden: bool = False) -> click.Option:
    def remember(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value:
            act(_face(context))

    return click.Option(names, is_flag=True, expose_value=False, callback=remember, help=text, hidden=hidden)


def _face(context: click.Context) -> Face:
    return context.ensure_object(Face)


def _set_json(face: Face) -> None:
    face.as_json = True


def _set_quiet(face: Face) -> None:
    face.verbosity = -1


def _set_verbose(context: click.Context, _parameter: click.Parameter, value: int) -> None:
    if value:
        _face(context).verbosity = value


def _set_dry_run(face: Face) -> None:
    face.dry_run = True


def _set_yes(face: Face) -> None:
    face.yes = True
