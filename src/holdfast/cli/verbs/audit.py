"""``holdfast audit``: who did what with backups, and whether that story is whole."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import click
import msgspec

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import Family, verb
from holdfast.model.errors import Exit, UsageError
from holdfast.model.ids import is_id, short
from holdfast.usecases import audit as usecase
from holdfast.usecases.audit import ActQuery
from holdfast.wiring.instants import instant_of

_LIMIT = 50
_STYLES = {"failed": "red", "refused": "yellow"}
_OUTCOMES = ("ok", "begun", "failed", "refused")


@click.group("audit", cls=Family)
def audit() -> None:
    """Tell who did what with backups, and verify that the story is whole.

    Acts are noted in the repository, each bound to the one before it; snapshots carry the newest.
    """


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    several: dict[str, Any] = {"multiple": True}
    options = (
        click.option("--deed", "deeds", **several, metavar="DEED", help="Only restore, data:read …; repeatable."),
        click.option("--who", "who", **several, metavar="NAME", help="Only by this person or token; repeatable."),
        click.option("--via", "via", **several, metavar="FACE", help="Only by cli, api, dashboard, schedule, python."),
        click.option("--source", "sources", **several, metavar="SOURCE", help="Only of this source; repeatable."),
        click.option("--subject", "subjects", **several, metavar="ID", help="Only of this snapshot, run or entity."),
        click.option("--outcome", "outcomes", **several, type=click.Choice(_OUTCOMES), help="Only with this end."),
        click.option("--since", metavar="TIME", help="Only from then on: 2026-11-20, or 36h."),
        click.option("--until", metavar="TIME", help="Only before then."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _query(limit: int | None, since: str | None, until: str | None, **wanted: Any) -> ActQuery:
    return ActQuery(
        limit=limit, since=instant_of(since) or "", until=instant_of(until, "--until") or "", **wanted
    )


@verb("list", examples="holdfast audit list\nholdfast audit list --deed data:read --since 30d --who ada@laptop")
@_filters
@click.option("--limit", type=click.IntRange(min=1), default=_LIMIT, show_default=True, help="Acts at most.")
def list_acts(face: Face, limit: int, **wanted: Any) -> None:
    """List acts, newest first. "begun" without an end was killed."""
    query = _query(limit, **wanted)
    with opened(face) as app:
        found = list(usecase.acts(app.repository, query))
    face.document([msgspec.to_builtins(each) for each in found])
    if not found:
        face.line("nothing was noted" if query == ActQuery(limit=limit) else "none")
        return
    for each in found:
        act = each.act
        subject = short(act.subject) if is_id(act.subject) else ""
        told = " ".join(filter(None, (act.what, f"({subject})" if subject else "")))
        face.line(
            f"{each.id:>6}  {words.instant(act.at)}  {act.outcome:7}  {act.deed:20}  {act.who} ({act.via})  "
            f"{f'{act.source}: ' if act.source else ''}{told}",
            _STYLES.get(act.outcome, ""),
        )
    if len(found) == limit:
        face.note("there may be more: --limit")


@verb("export", examples="holdfast audit export > acts.jsonl\nholdfast audit export --to acts.jsonl --since 2026-01-01")
@_filters
@click.option("--to", "to", type=click.Path(path_type=Path, dir_okay=False), help="A new file; - is stdout.")
def export(face: Face, to: Path | None, **wanted: Any) -> int:
    """Write acts as JSON lines, newest first, one act a line.

    Ends with status 4 when the trail is not whole, with what is wrong on stderr: what is written is then not all.
    """
    query = _query(None, **wanted)
    to = None if to == Path("-") else to
    with opened(face) as app:
        check = usecase.verify(app.repository)
        with _written(to) as stream:
            count = 0
            for each in usecase.acts(app.repository, query):
                stream.write(msgspec.json.encode(each).decode() + "\n")
                count += 1
    for finding in check.found.findings:
        face.loud_note(f"{finding.what} ({finding.where})", "red")
    if to is not None:
        face.document({"acts": count, "to": str(to), "whole": not check.found.findings})
        face.note(f"{words.count(count)} acts in {to}")
    return int(Exit.PROBLEMS_FOUND if check.found.findings else Exit.OK)


@verb("verify", examples="holdfast audit verify")
def verify(face: Face) -> int:
    """Verify that every act is there as it was noted: none changed, missing, reordered, replayed or cut off.

    Exit status 4 when anything is wrong.
    """
    with opened(face) as app:
        check = usecase.verify(app.repository)
    findings = check.found.findings
    face.document(
        {"ok": not findings, "entries": check.entries, "acts": check.acts,
         "head": {"number": check.head.number, "hash": check.head.hash.hex()},
         "findings": [{"what": each.what, "where": each.where, "hint": each.hint} for each in findings]}
    )  # fmt: skip
    for each in findings:
        face.line(each.what, "red")
        face.lines(f"  {title}: {text}" for title, text in (("where", each.where), ("hint", each.hint)) if text)
    told = f"{words.count(check.acts)} acts in {words.count(check.entries)} entries"
    face.line(f"{len(findings)} problem(s); {told} could be read" if findings else f"no problem: {told}", "bold")
    return int(Exit.PROBLEMS_FOUND if findings else Exit.OK)


@contextlib.contextmanager
def _written(to: Path | None) -> Iterator[TextIO]:
    """Where lines go: stdout, or a new file that only its owner reads."""
    if to is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UsageError("there is a file already", where=str(to), hint="name another") from error
    except OSError as error:
        raise UsageError("it cannot be written", where=str(to), why=error.strerror or str(error)) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        yield stream


for _command in (list_acts, export, verify):
    audit.add_command(_command)
