"""``holdfast restore``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from holdfast.cli import ask, entity_copy, recovery, restoring_rows
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.model.errors import UsageError
from holdfast.model.secret import split_password
from holdfast.wiring.restoring import RestoreWish

_EXAMPLES = """
holdfast restore latest:shop                       (into a new database beside the old one)
holdfast restore latest:shop --to postgresql://app@localhost/shop_copy
holdfast restore 3f9c12aa --to /srv/media-from-tuesday --only 'photos/2026/*'
holdfast restore 3f9c12aa --as 1042                (the entity of that snapshot, as a new one)
holdfast restore latest:shop --in-place --only public.orders --dry-run
holdfast restore latest:shop --in-place --only public.orders --yes
holdfast restore 3f9c12aa --only public.orders --keys 4711,4712 --dry-run
holdfast restore 3f9c12aa --only public.orders --where "status = 'open' and total > 100" --overwrite
"""


@verb("restore", examples=_EXAMPLES, plans=True)
@click.argument("snapshot", metavar="ID")
@click.option("--to", metavar="URL|PATH", help="Where to; the default is a new place beside the source.")
@click.option("--only", multiple=True, metavar="PATTERN", help="Only tables or paths that match; repeatable.")
@click.option("--in-place", is_flag=True, help="Into the source itself (or --to): adds what is missing.")
@click.option("--overwrite", is_flag=True, help="With --in-place: also replace what differs.")
@click.option("--exact", is_flag=True, help="With --in-place: as --overwrite, and delete what was not there.")
@click.option(
    "--verify",
    type=click.Choice(["counts", "content"]),
    default="counts",
    show_default=True,
    help="content reads everything back and compares.",
)
@click.option("--keys", multiple=True, metavar="KEY,…", help="Only rows with these keys, into the source (or --to).")
@click.option("--where", metavar="CONDITION", help="Only rows for which this is true, into the source (or --to).")
@click.option("--skip-blocked", is_flag=True, help="With rows: restore the others when some cannot be written.")
@click.option("--drop-columns", is_flag=True, help="With rows: leave out columns the table has no more.")
@click.option("--as", "as_", metavar="NEW_ID", help="A snapshot of one entity: as a new one under this id.")
@click.option("--no-owner", is_flag=True, help="Do not restore owners.")
@click.option("--no-acl", is_flag=True, help="Do not restore access rights.")
def restore(face: Face, snapshot: str, only: Sequence[str], keys: Sequence[str], **wanted: Any) -> int:
    """Get a snapshot back, into a new place unless told otherwise.

    --where and --keys bring single rows of one table back: those that are missing, with --overwrite also those that
    differ; --dry-run tells of each row what would become of it, and why.

    --in-place takes a snapshot of what it will touch first; holdfast undo RUN brings that back.

    With --json, warnings lists what the snapshot does not hold and what could not be kept (owners, grants, roles).
    """
    as_ = wanted.pop("as_")
    if as_ is not None:
        if only or keys or any(wanted[name] for name in ("to", "in_place", "where")):
            raise UsageError("--as copies the whole entity within its source: nothing else can be chosen")
        with opened(face) as app:
            return entity_copy.copy(face, app, entity_copy.of_snapshot(app, snapshot, as_))
    wanted["owner"], wanted["acl"] = not wanted.pop("no_owner"), not wanted.pop("no_acl")
    wishes = RestoreWish(snapshot=snapshot, only=tuple(only), keys=tuple(keys), **wanted)
    if wishes.keys or wishes.where is not None:
        return restoring_rows.carry_out(face, wishes)
    if wishes.skip_blocked or wishes.drop_columns:
        raise UsageError("--skip-blocked and --drop-columns belong to --where and --keys")
    if (wishes.overwrite or wishes.exact) and not wishes.in_place:
        raise UsageError("--overwrite and --exact belong to --in-place", hint="a new place is always exact")
    if wishes.to and split_password(wishes.to)[1]:
        face.note("the password in --to shows in the process list; better: PGPASSWORD or ~/.pgpass", "yellow")
    with opened(face) as app:
        order = replace(recovery.order_of(app, wishes), run=face.run_id)
        recovery.tell_gaps(face, order)
        if wishes.in_place and not face.dry_run and not face.yes:
            with shown(face) as report:
                plan = recovery.carry_out(app, order, report, dry_run=True)
            recovery.tell_plan(face, plan)
            recovery.refuse_plan(plan)
            ask.confirm(face, f"change {plan.target}?")
        with shown(face) as report:
            result = recovery.carry_out(app, order, report, dry_run=face.dry_run)
    return recovery.tell(face, result)
