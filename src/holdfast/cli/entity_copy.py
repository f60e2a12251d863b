"""A copy of an entity as a face sees it: asked, made, told; under the verbs clone and restore --as alike."""

from __future__ import annotations

from dataclasses import replace

from holdfast.cli import ask, entity_words
from holdfast.cli.face import Face
from holdfast.cli.progress import shown
from holdfast.model.errors import Exit, UsageError
from holdfast.model.ids import short
from holdfast.planning import names
from holdfast.system import clock
from holdfast.usecases.entity_clone import EntityCloneOrder, entity_clone
from holdfast.usecases.entity_finding import Subject, choose
from holdfast.wiring.build import App


def copy(face: Face, app: App, order: EntityCloneOrder) -> int:
    """Carry it out."""
    subject = order.subject
    order = replace(order, dry_run=face.dry_run, created_by=clock.user(), run=face.run_id)
    if not face.dry_run:
        ask.confirm(face, f"copy {subject.spoken} within {subject.source.url}?")
    with shown(face) as report:
        result = entity_clone(app.repository, replace(order, subject=replace(subject, report=report)))
    face.document(entity_words.clone_document(face, result))
    if not face.as_json:
        entity_words.tell_clone(face, result, subject)
    return int(Exit.OK)


def from_snapshot(app: App, subject: Subject, from_: str | None, as_: str, order: EntityCloneOrder) -> EntityCloneOrder:
    """``order`` as the copy of what a snapshot holds: the one named, else the newest that has it."""
    entry = choose(app.repository, subject, from_)
    return replace(order, as_=as_, from_=entry.info.id)


def of_snapshot(app: App, snapshot: str, as_: str) -> EntityCloneOrder:
    """The copy of the entity that a snapshot was taken of. UsageError when it was taken of something else."""
    info = names.one(snapshot, [entry.info for entry in app.repository.snapshots()])
    told = (info.more or {}).get("entity")
    if not told:
        raise UsageError(
            f"snapshot {short(info.id)} was not taken of one entity, so --as does not say what to copy",
            hint=f"holdfast entity restore ENTITY KEY --from {short(info.id)} --as {as_}",
        )
    subject = entity_words.subject_of(app, str(told["name"]), ",".join(map(str, told["key"])))
    return EntityCloneOrder(subject=subject, as_=as_, from_=info.id, users=subject.declaration.users)
