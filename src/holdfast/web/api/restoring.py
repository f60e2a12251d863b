"""/api/restore-plans and /api/restores: look first, then do exactly that, and take it back."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from holdfast.journal.base import RunQuery
from holdfast.model.errors import UsageError
from holdfast.service.deeds import Deed, PlanChanged
from holdfast.service.plans import Plan, deed_order
from holdfast.service.restores import restore_deed, undo_deed
from holdfast.service.service import Service
from holdfast.web.api import wishes
from holdfast.web.api.complete import NotComplete
from holdfast.web.api.consenting import AgreedOf
from holdfast.web.api.documents import Document, Failure, RunDocument, Runs, run_fields
from holdfast.web.api.once import Once, OnceInMemory
from holdfast.web.api.plan_shown import being_made, nothing, require_seen, shown
from holdfast.web.api.routes import (
    Body,
    Cursor,
    InPlaceRestorer,
    Limit,
    Name,
    NewsOf,
    PlansOf,
    Restorer,
    ServiceOf,
    SnapshotReader,
    StatusReader,
    Text,
    Wait,
    answer,
    asker_of,
)
from holdfast.web.api.runs import run_named
from holdfast.web.reach import ReachOf
from holdfast.web.security.destinations import require_destination
from holdfast.web.security.identity import Identity
from holdfast.web.security.refusals import Forbidden, NotFound
from holdfast.web.security.sight import own, run_seen
from holdfast.wiring.restoring import RestoreWish

router = APIRouter(prefix="/api", tags=["restores"], route_class=Once)
planning = APIRouter(prefix="/api", tags=["restores"], route_class=OnceInMemory)
KINDS = ("restore", "undo", "entity-restore", "entity-clone", "trash-restore")
_ENOUGH = 10.0


class SnapshotPlan(Body):
    """A snapshot or some of its items, or with ``keys`` or ``where`` rows of the one table in ``only``."""

    what: Literal["snapshot"]
    snapshot: Name
    to: Text | None = None
    only: list[Name] = Field(default_factory=list)
    in_place: bool = False
    overwrite: bool = False
    exact: bool = False
    verify: Literal["counts", "content"] = "counts"
    keys: list[Text] = Field(default_factory=list)
    where: Text | None = None
    skip_blocked: bool = False
    drop_columns: bool = False


class UndoPlan(Body):
    """What the restore ``run`` changed is taken back; ``force``: also where somebody changed rows since."""

    what: Literal["undo"]
    run: Name
    force: bool = False


PlanBody = Annotated[
    SnapshotPlan | UndoPlan | wishes.EntityRestorePlan | wishes.EntityClonePlan | wishes.EntityDeletePlan
    | wishes.TrashPlan | wishes.RetentionPlan,
    Field(discriminator="what"),
]  # fmt: skip


class RestoreBody(Body):
    """``digest`` may be left out: then that of the plan counts."""

    plan: Name
    digest: Name | None = None


class UndoBody(Body):
    """``force``: take rows back also where somebody changed them since."""

    force: bool = False


class PlanDocument(Document):
    """What would happen. ``status`` "making", "ready" or "failed"; ``preview`` as --dry-run --json of ``command``.

    Row values are in it for those who may read data. ``digest`` stands for everything in it that matters.
    """

    id: str
    status: str
    kind: str
    source: str
    command: str
    digest: str | None
    made_at: str | None
    refusals: list[str]
    preview: dict[str, Any] | None
    error: Failure | None


@planning.post("/restore-plans", status_code=201, response_model=PlanDocument, responses={202: {"model": PlanDocument}})
async def plan(
    body: PlanBody, who: SnapshotReader, service: ServiceOf, plans: PlansOf, news: NewsOf, reach: ReachOf,
    wait: Wait = 20.0,
) -> Response:  # fmt: skip
    """Look what a restore, undo or delete would do. 202 when that takes longer than ``wait`` seconds: ask again."""
    async with reach.way() if isinstance(body, wishes.TrashPlan) else contextlib.nullcontext():
        deed = await wishes.in_thread(lambda: _deed(service, body, who))
    if not who.may(deed.scope, deed.source) or not who.may("snapshot:read", deed.source):
        raise Forbidden(deed.scope, deed.source)
    run = service.start(plans.order(deed, asker_of(who)))
    now = await news.until_over(run.id, wait) or run
    made = plans.get(run.id)
    document = await wishes.in_thread(lambda: _plan_document(now.id, deed, made, service, who))
    if made is None and now.status.over:
        raise NotComplete(now)
    return answer(document, 201 if made else 202, Location=f"/api/restore-plans/{run.id}")


def _deed(service: Service, body: Any, who: Identity) -> Deed:
    def seen(source: str) -> bool:
        return own(who, source)

    with service.reading() as app:
        if isinstance(body, SnapshotPlan):
            wish = RestoreWish(
                snapshot=body.snapshot, to=body.to, only=tuple(body.only), in_place=body.in_place,
                overwrite=body.overwrite, exact=body.exact, verify=body.verify, keys=tuple(body.keys),
                where=body.where, skip_blocked=body.skip_blocked, drop_columns=body.drop_columns,
            )  # fmt: skip
            deed = restore_deed(app, wish, seen)
            require_destination(app, who, deed)
            return deed
        if isinstance(body, UndoPlan):
            return undo_deed(app, body.run, force=body.force, seen=seen)
        return wishes.deed_of(app, body, who)


def _plan_document(
    identity: str, deed: Deed, made: Plan | None, service: Service, who: Identity
) -> dict[str, Any]:
    told = made.told if made is not None else None
    preview = shown(service, who, made) if made is not None else None
    return {
        "id": identity, "status": "ready" if made else "making", "kind": deed.kind, "source": deed.source,
        "command": deed.command, "digest": made.digest if made else None, "made_at": made.made_at if made else None,
        "refusals": list(told.refusals) if told else [], "preview": preview, "error": None,
    }  # fmt: skip


@router.get("/restore-plans/{plan}", response_model=PlanDocument)
def planned(plan: Name, who: SnapshotReader, plans: PlansOf, service: ServiceOf) -> Response:
    """A plan, for an hour after it was made."""
    made = plans.get(plan)
    if made is not None:
        require_seen(who, made)
        return answer(_plan_document(plan, made.deed, made, service, who))
    run = being_made(service, who, plan)
    status = "failed" if run.status.over else "making"
    return answer(
        {"id": plan, "status": status, "kind": "", "source": " ".join(run.sources), "command": "", "digest": None,
         "made_at": None, "refusals": [], "preview": None, "error": run.error}
    )  # fmt: skip


@router.post("/restores", status_code=202, response_model=RunDocument)
async def restore(
    body: RestoreBody, who: Restorer, service: ServiceOf, plans: PlansOf, news: NewsOf, agreed: AgreedOf,
    wait: Wait = _ENOUGH,
) -> Response:  # fmt: skip
    """Do what a plan showed. 409 "plan-changed", and nothing was changed, when it would not be the same now.

    In place it needs restore:in-place as well, for a delete the scope delete.
    """
    made = plans.get(body.plan)
    if made is None:
        raise nothing(body.plan)
    require_seen(who, made)
    await wishes.in_thread(lambda: _require_destination(service, who, made.deed))
    if body.digest is not None and body.digest != made.digest:
        raise UsageError("this is not the digest of that plan", where="digest", hint="send that of the plan you saw")
    agreement = await wishes.in_thread(lambda: agreed(who, made.deed, made.digest))
    order = deed_order(made.deed, asker_of(who), plan=made, stayed=agreement.give_back)
    run = agreement.begin(service, order)
    now = await news.until_over(run.id, wait) or run
    if now.error is not None and now.error.code == PlanChanged.code:
        error = now.error
        raise PlanChanged(error.what, where=error.where, why=error.why, hint=error.hint)
    return answer(run_fields(now), 202, Location=f"/api/restores/{run.id}")


def _require_destination(service: Service, who: Identity, deed: Deed) -> None:
    with service.reading() as app:
        require_destination(app, who, deed)


@router.get("/restores", response_model=Runs)
def restores(who: StatusReader, service: ServiceOf, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Restores, undos, entities brought back or copied, newest first."""
    page = service.journal.runs(RunQuery(kinds=KINDS, sources=sorted(who.sources), limit=limit, before=cursor))
    return answer({"runs": [run_fields(run) for run in page.runs if run_seen(who, run)], "next": page.next})


@router.get("/restores/{run}", response_model=RunDocument)
def restored(run: Name, who: StatusReader, service: ServiceOf) -> Response:
    """One of them; ``result`` tells what came of it, once it is over."""
    found = run_named(service, who, run)
    if found.kind not in KINDS:
        raise NotFound(f"run {run!r} is no restore", hint=f"GET /api/runs/{run}")
    return answer(run_fields(found))


@router.post("/restores/{run}/undo", status_code=202, response_model=RunDocument)
def take_back(
    run: Name, who: InPlaceRestorer, service: ServiceOf, agreed: AgreedOf, body: UndoBody | None = None
) -> Response:
    """Take back what an in-place restore changed; an undo can itself be undone."""
    with service.reading() as app:
        try:
            deed = undo_deed(app, run, force=body.force if body else False, seen=lambda source: own(who, source))
        except UsageError as error:
            raise NotFound(error.what, why=error.why, hint=error.hint) from error
    who.require("restore:in-place", deed.source)
    started = agreed(who, deed, "").begin(service, deed_order(deed, asker_of(who)))
    return answer(run_fields(started), 202, Location=f"/api/restores/{started.id}")
