"""What programs may ask for of entities and the trash, and the deeds for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import Field
from starlette.concurrency import run_in_threadpool

from holdfast.entities.declared import Declaration
from holdfast.model.errors import UsageError
from holdfast.model.events import silent
from holdfast.planning import names
from holdfast.service.deeds import Deed
from holdfast.service.entity_deeds import EntityClone, EntityDelete, EntityRestore, TrashRestore
from holdfast.service.following import FollowRules
from holdfast.usecases.entity_finding import entity_named
from holdfast.usecases.trash import Discarded, TrashOrder, one, trash
from holdfast.web.api.routes import Body, Name, Text
from holdfast.web.security.identity import Identity
from holdfast.web.security.refusals import NotFound
from holdfast.web.security.sight import own
from holdfast.wiring.build import App

_T = TypeVar("_T")
Users = Literal["null", "refuse", "keep"]


class EntityRestoreBody(Body):
    """``from_snapshot``: a snapshot or a time; None: the newest that has it. ``existing``: rows that differ."""

    from_snapshot: Name | None = None
    only: list[Name] = Field(default_factory=list)
    existing: Literal["refuse", "skip", "overwrite", "merge"] = "refuse"
    users: Users | None = None
    create_parents: bool = False
    drop_columns: bool = False


class EntityCloneBody(Body):
    """``new_id``: of the copy; ``values``: columns of the copy to be set."""

    new_id: Name | None = None
    values: dict[Name, Text | int | float | bool | None] = Field(default_factory=dict)
    from_snapshot: Name | None = None
    users: Users | None = None
    create_parents: bool = False


class EntityRestorePlan(EntityRestoreBody):
    """Bring one entity back."""

    what: Literal["entity-restore"]
    entity: Name
    key: Name


class EntityClonePlan(EntityCloneBody):
    """Copy one entity."""

    what: Literal["entity-clone"]
    entity: Name
    key: Name


class EntityDeletePlan(Body):
    """Delete one entity, once it is stored."""

    what: Literal["entity-delete"]
    entity: Name
    key: Name
    force: bool = False


class TrashBody(Body):
    """``only``: tables. ``overwrite`` replaces rows that are there again and differ."""

    only: list[Name] = Field(default_factory=list)
    overwrite: bool = False
    drop_columns: bool = False


class TrashPlan(TrashBody):
    """Bring back what one transaction deleted."""

    what: Literal["trash"]
    id: Name


class RetentionPlan(Body):
    """Forget what the rules of the source do not keep, each told why."""

    what: Literal["retention"]
    source: Name


def deed_of(app: App, body: Any, who: Identity) -> Deed:
    """The deed that a plan of an entity, the trash or retention asks for. NotFound for what is not there for them."""
    match body:
        case EntityRestorePlan():
            return entity_restore(app, body.entity, body.key, body, who)
        case EntityClonePlan():
            return entity_clone(app, body.entity, body.key, body, who)
        case EntityDeletePlan():
            source = declared(app, body.entity, who).source
            return EntityDelete(name=body.entity, key=body.key, source=source, force=body.force)
        case RetentionPlan():
            if body.source not in app.settings.sources or not own(who, body.source):
                raise NotFound(f"there is no source {body.source!r} in the configuration", hint="GET /api/sources")
            return FollowRules(source=body.source, via="dashboard" if who.kind == "session" else "api")
        case TrashPlan():
            return trash_restore(discarded(app, body.id, who), body)
    raise UsageError("this cannot be planned")


def entity_restore(app: App, name: str, key: str, body: EntityRestoreBody, who: Identity) -> EntityRestore:
    """The deed for it."""
    _require_own_snapshot(app, body.from_snapshot, who)
    return EntityRestore(
        name=name, key=key, source=declared(app, name, who).source, from_=body.from_snapshot, only=tuple(body.only),
        existing=body.existing, users=body.users, create_parents=body.create_parents, drop_columns=body.drop_columns,
    )  # fmt: skip


def entity_clone(app: App, name: str, key: str, body: EntityCloneBody, who: Identity) -> EntityClone:
    """The deed for it."""
    _require_own_snapshot(app, body.from_snapshot, who)
    return EntityClone(
        name=name, key=key, source=declared(app, name, who).source, as_=body.new_id, values=body.values,
        from_=body.from_snapshot, users=body.users, create_parents=body.create_parents,
    )  # fmt: skip


def trash_restore(found: Discarded, body: TrashBody) -> TrashRestore:
    """The deed for it."""
    return TrashRestore(
        id=found.id, source=found.source, only=tuple(body.only), overwrite=body.overwrite,
        drop_columns=body.drop_columns,
    )  # fmt: skip


def declared(app: App, name: str, who: Identity) -> Declaration:
    """What the configuration says of an entity of theirs. NotFound, with the nearest names."""
    theirs = {name: each for name, each in app.settings.entities.items() if own(who, each.source)}
    try:
        return entity_named(theirs, name)
    except UsageError as error:
        raise NotFound(error.what, why=error.why, hint=error.hint) from error


def discarded(app: App, identity: str, who: Identity) -> Discarded:
    """One entry of the trash of theirs. NotFound."""
    mine = [name for name in app.settings.sources if own(who, name)]
    found = trash(app.repository, TrashOrder(sources=app.sources(mine) if mine else {}, report=silent))
    try:
        return one([each for each in found if own(who, each.source)], identity)
    except UsageError as error:
        raise NotFound(error.what, why=error.why, hint="GET /api/trash") from error


def _require_own_snapshot(app: App, name: str | None, who: Identity) -> None:
    """What a name means among all must not be told to somebody who sees some of them only."""
    if name is not None and who.sources:
        infos = [entry.info for entry in app.repository.snapshots()]
        with contextlib.suppress(UsageError):
            if not own(who, names.one(name, infos).source):
                raise NotFound(f"there is no snapshot {name!r}", hint="GET /api/backups")


async def in_thread(work: Callable[[], _T]) -> _T:
    """What would keep the event loop waiting."""
    return await run_in_threadpool(work)
