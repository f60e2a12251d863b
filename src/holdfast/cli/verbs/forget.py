"""``holdfast forget`` and ``holdfast unforget``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from holdfast.cli import ask, retaining
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.shapes import snapshot_document
from holdfast.cli.words import instant
from holdfast.model.errors import Exit, UsageError
from holdfast.model.ids import short
from holdfast.usecases import forget as usecase
from holdfast.wiring.build import App

_EXAMPLES = """
holdfast forget 3f9c12aa --dry-run
holdfast forget 3f9c12aa 81d2e0b4 --yes
holdfast forget --policy --dry-run
holdfast forget --policy --yes shop
holdfast forget --keep-last 5 --keep-daily 14 shop --dry-run
"""


@verb("forget", examples=_EXAMPLES, plans=True)
@click.argument("names", nargs=-1, metavar="[ID | SOURCE]...")
@click.option("--policy", is_flag=True, help="By the keep rules of the configuration; names are sources then.")
@click.option("--confirm", is_flag=True, help="With --policy: agree to what a change of the rules drops.")
@click.option("--environment", metavar="NAME", help="With rules: decide on what was taken in this environment.")
@retaining.keep_options
def forget(
    face: Face, names: Sequence[str], policy: bool, confirm: bool, environment: str | None, **keep: Any
) -> Exit:
    """Drop snapshots: those named, or what the keep rules do not want.

    unforget brings them back until prune frees their space, by default 14 days later. With --policy or --keep-… each
    snapshot is told why it stays or goes. Rules that drop much more than before are held until --confirm.
    """
    rules = retaining.rules_of(keep)
    by_rules = policy or rules is not None
    _check(names, policy=policy, typed=rules is not None, others=confirm or environment is not None)
    with opened(face) as app:
        if by_rules:
            plan = retaining.plan_for(app, tuple(names), rules, environment)
            return retaining.follow(face, app, plan, confirm=confirm)
        _named(face, app, names)
    return Exit.OK


def _check(names: Sequence[str], *, policy: bool, typed: bool, others: bool) -> None:
    if policy and typed:
        raise UsageError("the rules are either those of the configuration or those typed", hint="leave out --policy")
    if not policy and not typed and others:
        raise UsageError("--confirm and --environment belong to rules", hint="holdfast forget --policy …")
    if not policy and not typed and not names:
        raise UsageError("say which snapshots", hint="holdfast forget ID…, or by the rules: holdfast forget --policy")


def _named(face: Face, app: App, names: Sequence[str]) -> None:
    plan = usecase.plan_forget(app.repository, names)
    for info in plan.drop:
        named = f" “{info.name}”" if info.name else ""
        face.line(f"forget {short(info.id)}  {info.source}  {instant(info.created_at)}{named}")
    for info in plan.last_good:
        face.loud_note(f"warning: after this {info.source} has no complete snapshot left", "yellow")
    if not face.dry_run:
        ask.confirm(face, f"forget {len(plan.drop)} snapshot(s)?")
        usecase.forget(app.repository, plan)
    face.document(
        {
            "dry_run": face.dry_run,
            "forgotten": [snapshot_document(info) for info in plan.drop],
            "sources_left_without_snapshot": sorted({info.source for info in plan.last_good}),
        }
    )
    if not face.dry_run:
        retaining.tell_space(face, app)


@verb("unforget", examples="holdfast unforget 3f9c12aa")
@click.argument("snapshots", nargs=-1, required=True, metavar="ID...")
def unforget(face: Face, snapshots: Sequence[str]) -> None:
    """Bring forgotten snapshots back. See: holdfast list --forgotten."""
    with opened(face) as app:
        back = usecase.unforget(app.repository, snapshots)
    face.document({"unforgotten": [snapshot_document(info) for info in back]})
    for info in back:
        face.line(f"back: {short(info.id)}  {info.source}  {instant(info.created_at)}")
