"""What went wrong, as a document or as lines, and the exit status that stands for it. The one place for both."""

from __future__ import annotations

from dataclasses import dataclass

import click

from holdfast.cli import words
from holdfast.model.errors import Damaged, Exit, HoldfastError, UsageError

SEE_DAMAGE = "holdfast check --read-data tells what is damaged, whom it hurts and what heals it"
SEE_TRACE = "run again with -vv to see where it happened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error ready to be shown. ``trace``: only for what should never have happened."""

    code: str
    what: str
    where: str = ""
    why: str = ""
    hint: str = ""
    status: int
    trace: bool = False

    def document(self) -> dict[str, dict[str, str]]:
        """For ``--json``."""
        fields = {"code": self.code, "what": self.what, "where": self.where, "why": self.why, "hint": self.hint}
        return {"error": fields}

    def lines(self) -> list[str]:
        """For people; the first line says it all."""
        rest = (("where", self.where), ("why", self.why))
        hint, *more = words.statements(self.hint)
        told = [f"error: {self.what}", *(f"  {name}: {text}" for name, text in rest if text)]
        return [*told, f"  hint: {hint}", *(f"    {line}" for line in more)] if self.hint else told


def failure_of(error: BaseException) -> Failure:
    """Any exception, told as a failure."""
    if isinstance(error, HoldfastError):
        return Failure(
            code=error.code,
            what=error.what,
            where=error.where,
            why=error.why,
            hint=error.hint or (SEE_DAMAGE if isinstance(error, Damaged) else ""),
            status=int(error.exit),
        )
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return Failure(
            code="interrupted",
            what="interrupted; nothing unfinished was committed",
            hint="run the same command again, work already stored is used",
            status=int(Exit.INTERRUPTED),
        )
    if isinstance(error, click.ClickException):
        return _usage(error)
    return _unexpected(error)


def _usage(error: click.ClickException) -> Failure:
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "holdfast"
    what = error.format_message()
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and context and isinstance(context.command, click.Group):
        what = f"{command} goes on with one of: {', '.join(context.command.list_commands(context))}"
    return Failure(
        code=UsageError.code,
        what=what,
        hint=f"{command} --help",
        status=int(Exit.USAGE),
    )


def _unexpected(error: BaseException) -> Failure:
    if isinstance(error, MemoryError):
        return Failure(code="failed", what="out of memory", hint=SEE_TRACE, status=int(Exit.FAILED), trace=True)
    if isinstance(error, OSError):
        return Failure(
            code="failed",
            what=error.strerror or type(error).__name__,
            where=str(error.filename or ""),
            hint=SEE_TRACE,
            status=int(Exit.FAILED),
            trace=True,
        )
    return Failure(
        code="unexpected",
        what=f"holdfast failed in a way it should not: {type(error).__name__}",
        why=str(error),
        hint=f"{SEE_TRACE}, and report it",
        status=int(Exit.FAILED),
        trace=True,
    )
