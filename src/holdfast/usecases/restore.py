"""Bring a snapshot back: plan, protect what is there, write, verify, tell."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from holdfast.flow.content import SnapshotContent
from holdfast.model.errors import HoldfastError, TargetError
from holdfast.model.events import Event, Reporter, Warned, silent
from holdfast.model.ids import new_id, short
from holdfast.model.keeping import FROM, WHOLE
from holdfast.model.plans import Action, ItemResult, RestorePlan
from holdfast.model.secret import split_password
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.manifest import ManifestReader
from holdfast.repository.reader import ChunkReader
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.base import Creating, Previewing, RestoreRequest, Source, Target
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.nothing import Nothing
from holdfast.usecases.protection import protected
from holdfast.usecases.settling import Settle, anything, of_plan

# Every reader of the log carries what stands in it: longer lists of patterns go into the manifest.
_FEW_PATTERNS = 4096
_NAMED = 10
_GAPS = 3
# what marks snapshots of rows: of an entity, before a delete, of a guard, before rows were changed
_CHOSEN = {"entity", "deleted", "guard", "rows_undo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOrder:
    """What to bring back. ``source`` knows how to write its kind of target; ``request`` says where to and how."""

    entry: SnapshotEntry
    source: Source
    request: RestoreRequest
    dry_run: bool = False
    created_by: str = ""
    run: str = field(default_factory=new_id)
    report: Reporter = silent
    settle: Settle = anything


@dataclass(slots=True, kw_only=True)
class RestoreResult:
    """``verified``: every item was written and compared. ``undo``: the pre-restore snapshot, when one was needed.

    ``warnings``: what the snapshot does not hold and what could not be kept, in the words that were reported.
    """

    run: str
    snapshot: str
    dry_run: bool
    target: str
    plan: RestorePlan
    items: list[ItemResult] = field(default_factory=list)
    verified: bool = False
    seconds: float = 0.0
    undo: str | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def rows(self) -> dict[str, int | None]:
        """By item, how many rows were restored or, in a dry run, would be; None where they are not counted."""
        return {item.name: item.rows for item in self.items}


def restore(repository: Repository, order: RestoreOrder) -> RestoreResult:
    """Carry out ``order``. TargetError when the plan is refused; then nothing was changed."""
    started = time.monotonic()
    heard: list[str] = []
    order = _listening(order, heard)
    with _reading(repository, order) as reader:
        manifest = repository.manifest(order.entry, reader)
        content = SnapshotContent(reader, local=repository.storage.traits.local)
        try:
            target = order.source.target(order.request)
            plan = _nothing_else(order, _plan(target, manifest, content))
            result = RestoreResult(
                run=order.run, snapshot=order.entry.info.id, dry_run=order.dry_run, target=plan.target, plan=plan
            )
            if not order.dry_run:
                refuse(plan)
            order.settle(of_plan(plan))
            if order.dry_run:
                result.items = planned(plan)
            else:
                _carry_out(repository, order, target, result, manifest, content)
        finally:
            content.close()
    result.seconds = round(time.monotonic() - started, 3)
    result.warnings = list(dict.fromkeys([*gaps(order.entry.info), *plan.warnings, *heard]))
    return result


def gaps(info: SnapshotInfo) -> list[str]:
    """What a snapshot does not hold, in words."""
    told = [f"not in this snapshot: {text}" for text in info.not_protected]
    if info.status != "complete":
        told.insert(0, f"snapshot {short(info.id)} is incomplete: {'; '.join(info.warnings[:_GAPS])}")
    return told


def _listening(order: RestoreOrder, heard: list[str]) -> RestoreOrder:
    """The same order, with the warnings on its way collected."""

    def kept(report: Reporter) -> Reporter:
        def listen(event: Event) -> None:
            if isinstance(event, Warned):
                heard.append(event.text)
            report(event)

        return listen

    request = replace(order.request, report=kept(order.request.report))
    return replace(order, request=request, report=kept(order.report))


def _reading(repository: Repository, order: RestoreOrder) -> AbstractContextManager[ChunkReader]:
    """A reader that nothing is deleted under; a dry run writes nothing, so it goes without that."""
    if order.dry_run:
        return nullcontext(repository.reader())
    return protected(repository, "restore", order.report, [order.entry.info.id])


def _plan(target: Target, manifest: ManifestReader, content: SnapshotContent) -> RestorePlan:
    """What will happen; with rows compared where the target can."""
    if isinstance(target, Previewing):
        return target.preview(manifest, content)
    return target.plan(manifest)


def _nothing_else(order: RestoreOrder, plan: RestorePlan) -> RestorePlan:
    """A snapshot of chosen rows knows nothing of the others of their tables: they are not made equal to it."""
    info = order.entry.info
    # an SQLite database is one item: what is overwritten there is everything
    taking = {Action.REPLACE, Action.DELETE, *([Action.OVERWRITE] if order.source.kind == "sqlite" else [])}
    removing = any(step.action in taking for step in plan.steps)
    if not (plan.in_place and removing and _CHOSEN & (info.more or {}).keys()):
        return plan
    told = (
        f"snapshot {short(info.id)} holds chosen rows only, and the other rows of their tables would be deleted: "
        "restore it with holdfast entity restore, trash restore or undo"
    )
    return replace(plan, refusals=(told, *plan.refusals))


def planned(plan: RestorePlan) -> list[ItemResult]:
    """The plan as item results, for a dry run."""
    return [
        ItemResult(
            name=step.label,
            action=step.action.value,
            rows=step.rows,
            status="blocked" if step.action is Action.BLOCKED else "planned",
            detail=_counted(step.detail, step.counts),
        )
        for step in plan.steps
    ]


def refuse(plan: RestorePlan) -> None:
    """TargetError when the plan must not be carried out."""
    if plan.refusals:
        first, *others = plan.refusals
        raise TargetError(first, where=plan.target, why="; ".join(others), hint="nothing was changed")


def _carry_out(
    repository: Repository,
    order: RestoreOrder,
    target: Target,
    result: RestoreResult,
    manifest: ManifestReader,
    content: SnapshotContent,
) -> None:
    with target.hold(result.plan):
        result.undo = _protect(repository, order, target, result.plan, manifest)
        result.items = target.apply(result.plan, manifest, content)
    if order.request.verify == "content":
        result.items += target.verify(result.plan, manifest, content)
    result.verified = all(item.status in ("ok", "skipped") for item in result.items)


def _protect(
    repository: Repository, order: RestoreOrder, target: Target, plan: RestorePlan, manifest: ManifestReader
) -> str | None:
    """Take the snapshot that ``undo`` goes back to; the restore does not begin without it."""
    creates = any(step.action is Action.CREATE for step in plan.steps)
    touched = target.touched_source(plan)
    if not plan.in_place or (touched is None and not creates):
        return None
    source, only = touched if touched is not None else (Nothing(order.source), ())
    few = sum(map(len, only)) <= _FEW_PATTERNS
    undo = {"to": _printable(order.request.to), "only": list(only) if few else []}
    request = BackupRequest(
        sources={order.entry.info.source: source},
        name=f"undo-{short(order.run)}",
        trigger="pre-restore",
        only=only,
        created_by=order.created_by,
        run=order.run,
        report=order.report,
        undo=undo,
        more={FROM: order.entry.info.id, WHOLE: order.request.to is None and _of_everything(order, plan)},
        touched=() if few else only,
        created=_created(target, plan, manifest) if creates else (),
    )
    made = backup(repository, request)
    for error in made.failures.values():
        error.what = f"the snapshot for undo failed, so nothing was restored: {error.what}"
        raise error
    for missing in made.missing.values():
        with contextlib.suppress(HoldfastError):  # it serves no undo: nothing was restored
            repository.forget([made.snapshots[0].id])
        raise TargetError(
            "what the restore would change cannot be saved whole, so nothing was restored",
            where=plan.target,
            why="; ".join(missing[:_NAMED]) + (f"; and {len(missing) - _NAMED} more" if missing[_NAMED:] else ""),
            hint="make it readable, or move it away and restore again, or restore into a new place with --to",
        )
    return made.snapshots[0].id


def _created(target: Target, plan: RestorePlan, manifest: ManifestReader) -> Iterator[bytes]:
    if isinstance(target, Creating):
        return target.created(plan, manifest)
    return (step.item for step in plan.steps if step.action is Action.CREATE)


def _counted(detail: str, counts: dict[str, int]) -> str:
    told = ", ".join(f"{amount:,} {what}" for what, amount in counts.items() if amount)
    return "; ".join(part for part in (told, detail) if part)


def _of_everything(order: RestoreOrder, plan: RestorePlan) -> bool:
    """Whether the restore changes all there is as far as the snapshot knows it, so that all of it is saved first."""
    held = (step for step in plan.steps if step.rows is not None or step.size)
    return not order.request.only and all(step.action not in (Action.LEAVE, Action.BLOCKED) for step in held)


def _printable(place: str | None) -> str | None:
    return split_password(place)[0] if place is not None else None
