"""``holdfast entity delete``."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import click

from holdfast.cli import ask, entity_words, words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.model.errors import Exit, TargetError, UsageError
from holdfast.model.ids import short
from holdfast.system import clock
from holdfast.usecases import entity_delete as deleting

_EXAMPLES = """
holdfast entity delete event 42 --dry-run
holdfast entity delete event 42 --yes
holdfast entity delete event 42 --at 2026-12-01T03:00 --yes
"""


@verb("delete", plans=True, examples=_EXAMPLES)
@click.argument("name", metavar="ENTITY")
@click.argument("key", metavar="KEY")
@click.option("--at", metavar="TIME", help="Wait until then (UTC unless it says otherwise), and delete what is there.")
@click.option("--force", is_flag=True, help="Make rows outside that refer to it, and forbid it, refer to nothing.")
@click.option("--limit-rows", type=click.IntRange(min=1), help="Stop when more rows would belong to it.")
def delete(face: Face, name: str, key: str, at: str | None, force: bool, limit_rows: int | None) -> int:
    """Delete one entity with everything that belongs to it, once that is safe in the repository.

    Captured, stored and read back before anything is deleted; deleted in the same transaction, and only if the
    database deletes exactly what was captured. holdfast trash restore brings it back.
    """
    moment = _moment(at) if at else None
    with opened(face) as app:
        app.hasten()
        subject = entity_words.subject_of(app, name, key, limit_rows)
        order = deleting.EntityDeleteOrder(
            subject=subject, force=force, dry_run=face.dry_run, created_by=clock.user(), config=app.configuration.text,
            run=face.run_id,
        )
        if not face.dry_run and not face.yes:
            with shown(face):
                plan = deleting.entity_delete(app.repository, replace(order, dry_run=True))
            _tell(face, plan, subject.spoken)
            if plan.blocked:
                raise TargetError(f"other rows refer to {subject.spoken}", why="; ".join(plan.blocked), hint="--force")
            ask.confirm(face, f"delete {subject.spoken} from {plan.target}?")
        if moment is not None and not face.dry_run:
            _wait_until(moment)
        with shown(face) as report:
            order = replace(order, subject=replace(subject, report=report))
            result = deleting.entity_delete(app.repository, order)
    face.document(
        {"run": result.run, "entity": name, "key": key, "target": result.target, "dry_run": result.dry_run,
         "deleted": dict(result.deleted), "unlinked": dict(result.unlinked), "touched": dict(result.touched),
         "blocked": list(result.blocked),
         "snapshot": result.snapshot.id if result.snapshot else None, "seconds": result.seconds}
    )  # fmt: skip
    _tell(face, result, subject.spoken)
    return int(Exit.FAILED if result.blocked else Exit.OK)


def _tell(face: Face, result: deleting.EntityDeleteResult, spoken: str) -> None:
    done = "would be deleted" if result.snapshot is None else "deleted"
    face.lines(f"{words.count(number):>8} {table} {done}" for table, number in result.deleted.items())
    face.lines(f"{words.count(number):>8} {table} refer to it no more" for table, number in result.unlinked.items())
    for table, number in result.touched.items():
        face.line(f"{words.count(number):>8} {table} changed by triggers; what they were is not captured", "yellow")
    for text in result.blocked:
        face.line(f"forbidden: {text}", "red")
    if result.snapshot is not None:
        face.line(f"{spoken} is safe in snapshot {short(result.snapshot.id)}", "green")
        face.note(f"bring it back: holdfast trash restore {short(result.snapshot.id)}")


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--at {text} is no time", hint="--at 2026-12-01T03:00, or with +01:00 behind it") from error
    moment = found if found.tzinfo else found.replace(tzinfo=UTC)
    if moment < clock.now():
        raise UsageError(f"--at {text} is in the past", hint="without --at it is deleted now")
    return moment


def _wait_until(moment: datetime) -> None:
    """In short sleeps, so that a clock that is set, or a machine that slept, is noticed."""
    while (left := (moment - clock.now()).total_seconds()) > 0:
        time.sleep(min(left, 30))
