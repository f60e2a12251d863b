"""``holdfast trash``: what was deleted, by whom, and back again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from holdfast.cli import ask, words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import Family, shared_options, verb
from holdfast.cli.progress import shown
from holdfast.cli.recorded import VERBS
from holdfast.cli.recording import recording
from holdfast.model.events import Reporter
from holdfast.model.ids import short
from holdfast.system import clock
from holdfast.usecases import trash as listing
from holdfast.usecases import trash_restore as restoring
from holdfast.wiring.build import App

_LIMIT = 50


@click.group("trash", cls=Family, invoke_without_command=True, params=list(shared_options(plans=False, asks=False)))
@click.option("--source", "sources", multiple=True, metavar="SOURCE", help="Only of this source; repeatable.")
@click.option("--limit", type=click.IntRange(min=1), default=_LIMIT, show_default=True, help="Entries at most.")
@click.pass_context
def trash(context: click.Context, sources: Sequence[str], limit: int) -> None:
    """List what was deleted, newest first: what guards kept, and entities that holdfast deleted.

    One entry for each transaction, with the database user, the application and the time, as far as known.
    """
    if context.invoked_subcommand is not None:
        return
    face = context.ensure_object(Face)
    with recording(face, VERBS["trash"], context.params), opened(face) as app, shown(face) as report:
        found = _all(app, report, sources)
    face.document([_document(each) for each in found[:limit]])
    if not found:
        face.line("nothing was deleted, as far as is known")
        return
    titles = ("trash", "deleted (UTC)", "source", "by", "rows", "what", "")
    rows = [
        (short(each.id), words.instant(each.at), each.source, _doer(each), words.count(each.rows), _what(each),
         "restored" if each.restored else "is there" if each.there else "not shipped" if each.waiting else "")
        for each in found[:limit]
    ]  # fmt: skip
    face.lines(words.table(titles, rows, right=(4,)))
    face.note("bring it back: holdfast trash restore ID")


@verb(
    "restore",
    plans=True,
    examples="holdfast trash restore 3f9c12aa --dry-run\nholdfast trash restore 3f9c12aa --yes\n"
    "holdfast trash restore 3f9c12aa --only registrations --overwrite",
)
@click.argument("id_", metavar="ID")
@click.option("--only", multiple=True, metavar="TABLE", help="Only rows of these tables; repeatable.")
@click.option("--overwrite", is_flag=True, help="Replace rows that are there again and differ; else they stay.")
@click.option("--drop-columns", is_flag=True, help="Leave out columns that do not exist any more.")
def restore(face: Face, id_: str, only: Sequence[str], overwrite: bool, drop_columns: bool) -> None:
    """Bring back what one transaction deleted, in one transaction. holdfast undo RUN takes it back."""
    with opened(face) as app:
        with shown(face) as report:
            chosen = listing.one(_all(app, report), id_)
        order = restoring.TrashRestoreOrder(
            discarded=chosen, source=app.source(chosen.source), entities=lambda: dict(app.settings.entities),
            only=tuple(only), overwrite=overwrite, drop_columns=drop_columns, dry_run=face.dry_run,
            created_by=clock.user(), run=face.run_id,
        )  # fmt: skip
        if not face.dry_run:
            ask.confirm(face, f"bring {_what(chosen)} back into {order.source.url}?")
        with shown(face) as report:
            result = restoring.trash_restore(app.repository, replace(order, report=report))
    counts = _counts(result)
    warnings = [*(result.entity.decision.warnings if result.entity else ()), *result.warnings]
    face.document(
        {"trash": chosen.id, "run": result.run, "target": result.target, "dry_run": result.dry_run, **counts,
         "warnings": warnings, "undo": result.undo}
    )  # fmt: skip
    for word, tables in counts.items():
        face.lines(f"{words.count(number):>8} {table} {_SAID[word]}" for table, number in tables.items())
    for text in warnings:
        face.warning(text)
    if result.undo is not None:
        face.note(f"to take it back: holdfast undo {short(result.run)}")


_SAID = {
    "created": "brought back",
    "replaced": "made as they were",
    "there": "were there as they were",
    "left": "left alone: others are there now (--overwrite)",
}


def _all(app: App, report: Reporter, sources: Sequence[str] = ()) -> list[listing.Discarded]:
    return listing.trash(app.repository, listing.TrashOrder(sources=app.sources(sources), report=report))


def _counts(result: restoring.TrashRestoreResult) -> Mapping[str, Mapping[str, int]]:
    if result.entity is None:
        return {"created": result.created, "replaced": result.replaced, "there": result.there, "left": result.left}
    told = result.entity.counts()
    actions = {"created": "create", "replaced": "update", "there": "unchanged", "left": "skip"}
    return {
        word: {table: counts[action] for table, counts in told.items() if action in counts}
        for word, action in actions.items()
    }


def _document(each: listing.Discarded) -> dict[str, Any]:
    return {
        "id": each.id, "source": each.source, "at": each.at, "user": each.by.user, "role": each.by.role,
        "application": each.by.application, "address": each.by.address, "transaction": each.transaction,
        "operations": list(each.operations), "rows": each.rows, "tables": dict(each.tables),
        "entity": {"name": each.entity[0], "key": each.entity[1], "title": each.title} if each.entity else None,
        "there": each.there,
        "waiting": each.waiting, "snapshots": list(each.snapshots), "restored": list(each.restored),
    }  # fmt: skip


def _doer(each: listing.Discarded) -> str:
    by = each.by
    return " ".join(filter(None, (by.user, by.application and f"({by.application})", by.address))) or "unknown"


def _what(each: listing.Discarded) -> str:
    if each.entity is not None:
        return " ".join(filter(None, (*each.entity, each.title and f"“{each.title}”")))
    tables = [f"{words.count(number)} {name}" for name, number in each.tables.items()]
    emptied = "TRUNCATE: " if "truncate" in each.operations else ""
    if each.operations == ("move",):
        emptied = "moved to another partition: "
    return emptied + ", ".join(tables[:4]) + (f" and {len(tables) - 4} more" if len(tables) > 4 else "")


trash.add_command(restore)
