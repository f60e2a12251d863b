"""A restore as a face sees it: from options to the use case, from its result to a document, lines and a status."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.cli.failure import SEE_DAMAGE
from holdfast.model.errors import Exit
from holdfast.model.events import Reporter
from holdfast.model.ids import short
from holdfast.model.plans import ItemResult
from holdfast.planning import names
from holdfast.system import clock
from holdfast.usecases.restore import RestoreOrder, RestoreResult, gaps, refuse, restore
from holdfast.wiring.build import App
from holdfast.wiring.restoring import RestoreWish, restore_order

_SHOWN_ITEMS = 60


def order_of(app: App, wish: RestoreWish) -> RestoreOrder:
    """The order for a wish, its snapshot found. Reads the log, writes nothing."""
    entries = {entry.info.id: entry for entry in app.repository.snapshots()}
    info = names.one(wish.snapshot, [entry.info for entry in entries.values()], across_sources=False)
    return restore_order(app, entries[info.id], wish, by=clock.user())


def tell_gaps(face: Face, order: RestoreOrder) -> None:
    """What the chosen snapshot does not hold."""
    incomplete = order.entry.info.status != "complete"
    for number, text in enumerate(gaps(order.entry.info)):
        if incomplete and number == 0:
            face.loud_note(f"warning: {text}", "yellow")
        else:
            face.note(text, "yellow")


def carry_out(app: App, order: RestoreOrder, report: Reporter, *, dry_run: bool) -> RestoreResult:
    """Plan, and unless it is a dry run do it."""
    request = replace(order.request, report=report)
    return restore(app.repository, replace(order, request=request, report=report, dry_run=dry_run))


def tell(face: Face, result: RestoreResult) -> int:
    """The document or the lines of a restore or undo, and its exit status."""
    face.document(_document(face, result))
    tell_plan(face, result) if result.dry_run else _tell_outcome(face, result)
    return int(_status(result))


def _document(face: Face, result: RestoreResult) -> dict[str, Any]:
    return {
        "run": result.run,
        "snapshot": result.snapshot,
        "dry_run": result.dry_run,
        "target": result.target,
        "items": [_item(item) for item in result.items],
        "verified": result.verified,
        "seconds": result.seconds,
        "undo": result.undo,
        "warnings": [face.redactor.clean(text) for text in result.warnings],
        "refusals": list(result.plan.refusals),
    }


def _item(item: ItemResult) -> dict[str, Any]:
    return {
        "name": item.name,
        "action": item.action,
        "rows": item.rows,
        "status": item.status,
        "detail": item.detail,
    }


def _status(result: RestoreResult) -> Exit:
    statuses = {item.status for item in result.items}
    if "failed" in statuses or (result.dry_run and result.plan.refusals):
        return Exit.FAILED
    if result.dry_run:
        return Exit.OK
    return Exit.OK if result.verified else Exit.INCOMPLETE


def tell_plan(face: Face, result: RestoreResult) -> None:
    """What a restore would do."""
    face.line(f"into {result.target}", "bold")
    face.lines(_item_lines(face, result.items))
    for text in result.plan.warnings:
        face.warning(text)
    for text in result.plan.refusals:
        face.loud_note(f"refused: {text}", "red")
    counted: dict[str, int] = {}
    for item in result.items:
        counted[item.action] = counted.get(item.action, 0) + 1
    face.line(", ".join(f"{action}: {words.count(number)}" for action, number in counted.items()) or "nothing to do")


def _item_lines(face: Face, items: list[ItemResult]) -> list[str]:
    """All with -v; otherwise what matters first, and how many more there are."""
    ordered = sorted(items, key=lambda item: (item.status in ("ok", "planned", "skipped"), item.action == "leave"))
    shown = ordered if face.verbosity > 0 else ordered[:_SHOWN_ITEMS]
    rows = [(item.action, item.name, words.count(item.rows), item.status, item.detail) for item in shown]
    lines = words.table(("action", "item", "rows", "status", ""), rows, right=(2,)) if rows else []
    return lines if len(shown) == len(ordered) else [*lines, f"and {len(ordered) - len(shown):,} more (-v lists all)"]


def _tell_outcome(face: Face, result: RestoreResult) -> None:
    face.lines(_item_lines(face, result.items))
    for text in result.plan.warnings:
        face.warning(text)
    verified = "verified" if result.verified else "NOT fully restored, see above"
    face.line(
        f"restored {short(result.snapshot)} into {result.target} in {words.seconds(result.seconds)}, {verified}",
        "green" if result.verified else "red",
    )
    if any(item.status == "failed" for item in result.items):
        face.note(f"whether the repository itself is sound: {SEE_DAMAGE}")
    if result.undo:
        face.note(f"to take it back: holdfast undo {short(result.run)}")


def refuse_plan(result: RestoreResult) -> None:
    """TargetError when the plan must not be carried out."""
    refuse(result.plan)
