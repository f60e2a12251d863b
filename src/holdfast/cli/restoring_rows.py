"""A restore of chosen rows as a face sees it: options to the use case, its result to a document, lines and a status."""

from __future__ import annotations

from typing import Any

from holdfast.cli import ask, words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.progress import shown
from holdfast.cli.rows import shown_value
from holdfast.model.errors import Exit, UsageError
from holdfast.model.ids import short
from holdfast.records.preview import Fate
from holdfast.system import clock
from holdfast.usecases.restore_rows import RowsOrder, RowsResult, restore_rows
from holdfast.wiring.build import App
from holdfast.wiring.restoring import RestoreWish, rows_target

_SHOWN = 60
_STYLES = {Fate.CONFLICT: "yellow", Fate.BLOCKED: "red"}


def carry_out(face: Face, wishes: RestoreWish) -> int:
    """Restore rows: look, ask, do, tell."""
    if len(wishes.only) != 1 or wishes.exact or wishes.verify != "counts":
        raise UsageError(
            "--where and --keys choose rows of one table: give it with --only",
            why="--exact and --verify do not go with them; every row is read back anyway",
        )
    with opened(face) as app:
        if not face.dry_run and not face.yes:
            with shown(face) as report:
                planned = restore_rows(app.repository, _order(face, app, wishes, report))
            _tell_rows(face, planned)
            ask.confirm(face, f"change {planned.target}?")
        with shown(face) as report:
            result = restore_rows(app.repository, _order(face, app, wishes, report, dry_run=face.dry_run))
    face.document(_document(result))
    if result.not_found:
        shown_keys = [",".join(shown_value(value) or "''" for value in key.values()) for key in result.not_found]
        more = f" and {len(shown_keys) - _SHOWN:,} more" if len(shown_keys) > _SHOWN else ""
        face.loud_note(f"not in the snapshot: {'; '.join(shown_keys[:_SHOWN])}{more}", "yellow")
    if result.dry_run:
        _tell_rows(face, result)
    else:
        _tell_outcome(face, result)
    if result.refusals:
        return int(Exit.FAILED)
    blocked = result.counts[Fate.BLOCKED.value]
    if blocked:
        return int((Exit.OK if wishes.skip_blocked else Exit.FAILED) if result.dry_run else Exit.INCOMPLETE)
    return int(Exit.OK)


def _order(face: Face, app: App, wishes: RestoreWish, report: Any, *, dry_run: bool = True) -> RowsOrder:
    return RowsOrder(
        snapshot=wishes.snapshot,
        item=wishes.only[0],
        keys=wishes.keys,
        where=wishes.where,
        overwrite=wishes.overwrite,
        skip_blocked=wishes.skip_blocked,
        drop_columns=wishes.drop_columns,
        source=app.reader_of,
        target=rows_target(app, wishes.to),
        to=wishes.to,
        dry_run=dry_run,
        created_by=clock.user(),
        report=report,
        run=face.run_id,
    )


def _document(result: RowsResult) -> dict[str, Any]:
    return {
        "run": result.run,
        "snapshot": result.snapshot.id,
        "newest": result.newest.id if result.newest else None,
        "target": result.target,
        "table": result.table,
        "dry_run": result.dry_run,
        "counts": result.counts,
        "rows": result.documents,
        "not_found": result.not_found,
        "warnings": result.warnings,
        "refusals": result.refusals,
        "undo": result.undo,
        "seconds": result.seconds,
    }


def _tell_rows(face: Face, result: RowsResult) -> None:
    face.line(f"rows of {result.table} into {result.target}", "bold")
    wide = face.verbosity > 0
    order = list(Fate)[::-1]
    ranked = sorted(zip(result.rows, result.documents, strict=True), key=lambda pair: order.index(pair[0].fate))
    for row, document in ranked if wide else ranked[:_SHOWN]:
        key = document["key"]
        told = ",".join(shown_value(value) for value in key.values()) if isinstance(key, dict) else ""
        face.line(f"{row.fate.value:10} {told}  {row.reason}", _STYLES.get(row.fate, ""))
    if not wide and len(ranked) > _SHOWN:
        face.line(f"and {len(ranked) - _SHOWN:,} more (-v lists all)")
    face.line(_counted(result))
    for text in (*result.refusals, *result.warnings):
        face.warning(text)


def _tell_outcome(face: Face, result: RowsResult) -> None:
    for row in result.rows:
        if row.fate in _STYLES:
            face.line(f"{row.fate.value}: {','.join(map(str, row.key))}: {row.reason}", _STYLES[row.fate])
    face.line(
        f"rows of {result.table} from {short(result.snapshot.id)} into {result.target}: {_counted(result)};"
        f" read back and compared, {words.seconds(result.seconds)}",
        "green",
    )
    for text in result.warnings:
        face.warning(text)
    if result.undo:
        face.note(f"to take it back: holdfast undo {short(result.run)}")


def _counted(result: RowsResult) -> str:
    return ", ".join(f"{fate}: {number:,}" for fate, number in result.counts.items() if number) or "nothing to do"
