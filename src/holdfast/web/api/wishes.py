"""What programs may ask for of entities and the trash, and the deeds for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import Field

from holdfast.entities.declared import Declaration
from holdfast.model.errors import UsageError
from holdfast.model.events import silent
from holdfast.service.deeds import Deed
from holdfast.service.entity_deeds import EntityClone, EntityDelete, EntityRestore, TrashRestore
from holdfast.usecases.entity_finding import entity_named
from holdfast.usecases.trash import Discarded, TrashOrder, one, trash
from holdfast.web.api.routes import Body, Name, Text
from holdfast.web.security.refusals import NotFound
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


def deed_of(app: App, body: Any) -> Deed:
    """The deed that a plan of an entity or of the trash asks for. NotFound for what nobody declared or deleted."""
    match body:
        case EntityRestorePlan():
            return entity_restore(app, body.entity, body.key, body)
        case EntityClonePlan():
            return entity_clone(app, body.entity, body.key, body)
        case EntityDeletePlan():
            source = declared(app, body.entity).source
            return EntityDelete(name=body.entity, key=body.key, source=source, force=body.force)
        case TrashPlan():
            return trash_restore(discarded(app, body.id), body)
    raise UsageError("this cannot be planned")


def entity_restore(app: App, name: str, key: str, body: EntityRestoreBody) -> EntityRestore:
    """The deed for it."""
    return EntityRestore(
        name=name, key=key, source=declared(app, name).source, from_=body.from_snapshot, only=tuple(body.only),
        existing=body.existing, users=body.users, create_parents=body.create_parents, drop_columns=body.drop_columns,
    )  # fmt: skip


def entity_clone(app: App, name: str, key: str, body: EntityCloneBody) -> EntityClone:
    """The deed for it."""
    return EntityClone(
        name=name, key=key, source=declared(app, name).source, as_=body.new_id, values=body.values,
        from_=body.from_snapshot, users=body.users, create_parents=body.create_parents,
    )  # fmt: skip


def trash_restore(found: Discarded, body: TrashBody) -> TrashRestore:
    """The deed for it."""
    return TrashRestore(
        id=found.id, source=found.source, only=tuple(body.only), overwrite=body.overwrite,
        drop_columns=body.drop_columns,
    )  # fmt: skip


def declared(app: App, name: str) -> Declaration:
    """What the configuration says of an entity. NotFound, with the nearest names."""
    try:
        return entity_named(app.settings.entities, name)
    except UsageError as error:
        raise NotFound(error.what, why=error.why, hint=error.hint) from error


def discarded(app: App, identity: str) -> Discarded:
    """One entry of the trash. NotFound."""
    found = trash(app.repository, TrashOrder(sources=app.sources(), report=silent))
    try:
        return one(found, identity)
    except UsageError as error:
        raise NotFound(error.what, why=error.why, hint="GET /api/trash") from error


async def in_thread(work: Callable[[], _T]) -> _T:
    """What would keep the event loop waiting."""
    return await asyncio.to_thread(work)
