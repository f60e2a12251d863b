"""``holdfast runs``: what ran, when, with what result."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.cli.opening import configuration, opened
from holdfast.cli.options import Family, shared_options, verb
from holdfast.journal.base import Journal, RunQuery
from holdfast.journal.unfinished import mark_interrupted
from holdfast.model.errors import UsageError
from holdfast.model.ids import short
from holdfast.model.run import Run, RunStatus
from holdfast.system import clock
from holdfast.usecases.rebuilding_runs import runs_of
from holdfast.wiring.instants import instant_of
from holdfast.wiring.journals import open_journal

_LIMIT = 50
_LINES = 10_000
_DIGITS = 4
_STYLES = {RunStatus.FAILED: "red", RunStatus.INTERRUPTED: "red", RunStatus.INCOMPLETE: "yellow"}


@click.group("runs", cls=Family, invoke_without_command=True, params=list(shared_options(plans=False, asks=False)))
@click.option("--source", "sources", multiple=True, metavar="SOURCE", help="Only of this source; repeatable.")
@click.option("--kind", "kinds", multiple=True, metavar="VERB", help="Only backup, restore, check …; repeatable.")
@click.option(
    "--status", "statuses", multiple=True, type=click.Choice([each.value for each in RunStatus]), help="Only these."
)
@click.option("--since", metavar="TIME", help="Only from then on: 2026-11-20, or 36h.")
@click.option("--limit", type=click.IntRange(min=1), default=_LIMIT, show_default=True, help="Runs at most.")
@click.pass_context
def runs(context: click.Context, /, since: str | None, **wanted: Any) -> None:
    """List what ran, newest first, with its result.

    The journal is a convenience: losing it loses no backup. runs rebuild makes it anew from the repository.
    """
    if context.invoked_subcommand is not None:
        return
    face = context.ensure_object(Face)
    with _journal(face) as journal:
        query = RunQuery(since=instant_of(since), **wanted)
        found = journal.runs(query)
    face.document([msgspec.to_builtins(run) for run in found.runs])
    if not found.runs:
        face.line("no run is known" if not any(wanted[name] for name in ("sources", "kinds", "statuses")) else "none")
        return
    titles = ("run", "when (UTC)", "what", "of", "took", "size", "stored", "by", "status")
    face.lines(words.table(titles, [_cells(run) for run in found.runs], right=(4, 5, 6)))
    if found.next:
        face.note("there are more: --limit")


@verb("show", examples="holdfast runs show 3f9c12aa\nholdfast runs show 3f9c12aa --json")
@click.argument("run", metavar="RUN")
def show(face: Face, run: str) -> None:
    """Show one run with its phases, its error and its log."""
    with _journal(face) as journal:
        found = _one(journal, run)
        lines = journal.lines(found.id, limit=_LINES)
    face.document({**msgspec.to_builtins(found), "log": [msgspec.to_builtins(line) for line in lines]})
    face.line(f"{found.kind} {short(found.id)}: {found.status.value}", _STYLES.get(found.status, "bold"))
    face.lines(f"  {title}: {text}" for title, text in _facts(found) if text)
    for text in found.warnings:
        face.line(f"  warning: {text}", "yellow")
    for line in lines:
        face.line(f"  {line.at[11:19]}  {line.text}", {"error": "red", "warning": "yellow"}.get(line.level, ""))


@verb("rebuild", examples="holdfast runs rebuild")
def rebuild(face: Face) -> None:
    """Put the backups of the repository into the journal, as far as it does not know them.

    Runs that failed left no snapshot, and no log is in the repository: those stay lost.
    """
    with _journal(face) as journal, opened(face) as app:
        missing = [run for run in runs_of(app.repository) if journal.get(run.id) is None]
        for run in missing:
            journal.put(run)
    face.document({"runs": [run.id for run in missing]})
    face.line(f"{words.count(len(missing))} runs were put into the journal" if missing else "nothing was missing")


@contextlib.contextmanager
def _journal(face: Face) -> Iterator[Journal]:
    """The journal of the configuration, in which no run goes on for ever."""
    with contextlib.closing(open_journal(configuration(face))) as journal:
        mark_interrupted(journal, clock.now())
        yield journal


def _one(journal: Journal, name: str) -> Run:
    """By id, or the start of one among the runs of the journal."""
    if (found := journal.get(name)) is not None:
        return found
    if len(name) < _DIGITS:
        raise UsageError("that is too little to name a run", hint=f"give at least {_DIGITS} digits: holdfast runs")
    matches, cursor = list[Run](), None
    while len(matches) < 2:
        page = journal.runs(RunQuery(limit=1000, before=cursor))
        matches += [run for run in page.runs if run.id.startswith(name)]
        cursor = page.next
        if cursor is None:
            break
    if not matches:
        raise UsageError(f"the journal knows no run {name}", hint="holdfast runs; after a loss: holdfast runs rebuild")
    if len(matches) > 1:
        raise UsageError(f"several runs begin with {name}", hint="give more digits")
    return matches[0]


def _cells(run: Run) -> Sequence[str]:
    size, stored = (words.size(each) if each is not None else "" for each in (run.bytes_source, run.bytes_stored))
    took = words.seconds(run.seconds) if run.seconds is not None else ""
    what = run.error.what if run.error else ""
    return (
        short(run.id), words.instant(run.created_at), run.kind, ", ".join(run.sources), took, size, stored,
        _by(run), f"{run.status.value}{f': {what}' if what else ''}",
    )  # fmt: skip


def _by(run: Run) -> str:
    """Its appointment, that of the repository without a source, or its trigger."""
    return run.schedule.removeprefix("/") or run.trigger


def _facts(run: Run) -> list[tuple[str, str]]:
    error = run.error
    return [
        ("of", ", ".join(run.sources)),
        ("by", " ".join(filter(None, (_by(run), run.who)))),
        ("begun", f"{words.instant(run.started_at or run.created_at)} UTC"),
        ("took", words.seconds(run.seconds) if run.seconds is not None else ""),
        ("attempt", f"{run.attempt}, again after {short(run.retry_of)}" if run.retry_of else ""),
        ("snapshots", ", ".join(map(short, run.snapshots))),
        ("size", words.size(run.bytes_source) if run.bytes_source is not None else ""),
        ("new", words.size(run.bytes_new) if run.bytes_new is not None else ""),
        ("stored", words.size(run.bytes_stored) if run.bytes_stored is not None else ""),
        ("phases", ", ".join(f"{each.name} {words.seconds(each.seconds)}" for each in run.phases if each.seconds)),
        ("error", error.what if error else ""), ("where", error.where if error else ""),
        ("why", error.why if error else ""), ("hint", error.hint if error else ""),
        ("rebuilt", "from the repository, after the journal was lost" if run.more.get("rebuilt") else ""),
    ]  # fmt: skip


for _command in (show, rebuild):
    runs.add_command(_command)
