"""``holdfast entity``: one thing of the application with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from holdfast.cli import ask, entity_copy, entity_words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import Family, verb
from holdfast.cli.progress import shown
from holdfast.cli.verbs.entity_delete import delete
from holdfast.entities.restoring import Wishes
from holdfast.model.errors import Exit, UsageError
from holdfast.planning.names import check_label
from holdfast.system import clock
from holdfast.usecases import entity_backup as saving
from holdfast.usecases import entity_clone as cloning
from holdfast.usecases import entity_finding as finding
from holdfast.usecases import entity_map as mapping
from holdfast.usecases import entity_restore as restoring

_LIMIT = click.option(
    "--limit-rows", type=click.IntRange(min=1), help="Stop when more rows would belong to it; the default is 200,000."
)
_NAME = click.argument("name", metavar="ENTITY")
_KEY = click.argument("key", metavar="KEY")


@click.group("entity", cls=Family)
def entity() -> None:
    """Save, find, restore or copy one thing with everything that belongs to it.

    What an entity is stands in holdfast.toml: [entities.event] with source and root; edges are inferred from
    foreign keys, and declared where the database does not know them.
    """


@verb(
    "map",
    examples="holdfast entity map event\nholdfast entity map event 42 --json\nholdfast entity map event --no-suggest",
)
@_NAME
@click.argument("key", metavar="[KEY]", default="")
@click.option("--no-suggest", is_flag=True, help="Do not look for references nobody declared.")
@_LIMIT
def map_(face: Face, name: str, key: str, no_suggest: bool, limit_rows: int | None) -> None:
    """Draw what belongs to an entity: tables, the kind of each edge, row counts; with KEY also that one's rows.

    Samples of all columns are compared with the ids of the entity: what looks like a reference is suggested.
    """
    with opened(face) as app, shown(face):
        subject = entity_words.subject_of(app, name, key, limit_rows)
        found = mapping.entity_map(app.repository, subject, suggest=not no_suggest)
    face.document(entity_words.map_document(found, name))
    if not face.as_json:
        entity_words.tell_map(face, found)


@verb("explain", examples="holdfast entity explain event 42\nholdfast entity explain event 42 --json")
@_NAME
@_KEY
@click.option("--limit", type=click.IntRange(min=0), default=200, show_default=True, help="Rows to list for people.")
@_LIMIT
def explain(face: Face, name: str, key: str, limit: int, limit_rows: int | None) -> None:
    """Say for each row why it belongs to the entity: the path of references that leads to it."""
    with opened(face) as app:
        rows = mapping.entity_explain(app.repository, entity_words.subject_of(app, name, key, limit_rows))
    face.document(entity_words.explain_document(rows))
    if not face.as_json:
        entity_words.tell_explained(face, rows, limit)


@verb(
    "backup",
    examples="holdfast entity backup event 42\nholdfast entity backup event summer-fair --name before-merge --pin",
)
@_NAME
@_KEY
@click.option("--name", "label", help="A name for the snapshot, to find it by.")
@click.option("--pin", is_flag=True, help="Protect it from being forgotten.")
@_LIMIT
def backup(face: Face, name: str, key: str, label: str | None, pin: bool, limit_rows: int | None) -> None:
    """Take a snapshot of one entity: all of its rows, from one consistent point."""
    if label is not None:
        check_label(label)
    with opened(face) as app, shown(face) as report:
        app.hasten()
        subject = replace(entity_words.subject_of(app, name, key, limit_rows), report=report)
        order = saving.EntityBackupOrder(
            subject=subject, name=label, pin=pin, created_by=clock.user(), config=app.configuration.text,
            run=face.run_id,
        )
        result = saving.entity_backup(app.repository, order)
    face.document(entity_words.backup_document(result))
    if not face.as_json:
        entity_words.tell_backup(face, result, subject)


@verb("versions", examples="holdfast entity versions event 42\nholdfast entity versions event 42 --json")
@_NAME
@_KEY
def versions(face: Face, name: str, key: str) -> int:
    """List every snapshot that has it: those of the entity alone first, then full ones, newest first."""
    with opened(face) as app:
        found = list(finding.versions(app.repository, entity_words.subject_of(app, name, key)))
    face.document([entity_words.version_document(version) for version in found])
    face.lines(entity_words.version_lines(found) if found else [f"no snapshot has {name} {key}"])
    return int(Exit.OK if found else Exit.FAILED)


@verb(
    "restore",
    plans=True,
    examples="holdfast entity restore event 42 --dry-run\nholdfast entity restore event 42 --yes\n"
    "holdfast entity restore event 42 --from 2026-11-20T04:00 --only registrations --skip-existing\n"
    "holdfast entity restore event 42 --as 1042 --yes",
)
@_NAME
@_KEY
@click.option("--from", "from_", metavar="SNAPSHOT|TIME", help="Where from; the default is the newest that has it.")
@click.option("--only", multiple=True, metavar="TABLE", help="Only rows of these tables; repeatable.")
@click.option("--skip-existing", is_flag=True, help="Leave rows alone that are there and differ.")
@click.option("--overwrite", is_flag=True, help="Make rows that are there as they were.")
@click.option("--merge", is_flag=True, help="Fill what is NULL now in rows that are there.")
@click.option("--create-parents", is_flag=True, help="Also make rows again that the entity needs and that are gone.")
@click.option(
    "--users",
    type=click.Choice(["null", "refuse", "keep"]),
    help="References to users that are gone: NULL where that is allowed (default), refuse, or keep as they are.",
)
@click.option("--drop-columns", is_flag=True, help="Leave out columns that do not exist any more.")
@click.option("--as", "as_", metavar="NEW_ID", help="Under a new id, beside what is there: a clone of what was saved.")
@_LIMIT
def restore(
    face: Face, name: str, key: str, from_: str | None, only: Sequence[str], skip_existing: bool, overwrite: bool,
    merge: bool, create_parents: bool, users: str | None, drop_columns: bool, as_: str | None, limit_rows: int | None,
) -> int:  # fmt: skip
    """Bring one entity back into the application, with all of its rows, in one transaction.

    Rows that are there as they were are left alone; rows that differ are refused unless told what to do with them.
    holdfast undo RUN takes it back.
    """
    existing = [word for word, given in _modes(skip_existing, overwrite, merge) if given]
    if len(existing) > 1:
        raise UsageError("--skip-existing, --overwrite and --merge exclude each other")
    if as_ is not None and (existing or only or drop_columns):
        raise UsageError("--as makes a new one: --only, --drop-columns and what becomes of existing rows do not apply")
    with opened(face) as app:
        app.hasten()
        subject = entity_words.subject_of(app, name, key, limit_rows)
        if as_ is not None:
            wanted = cloning.EntityCloneOrder(
                subject=subject, users=users or subject.declaration.users, create_parents=create_parents
            )
            return entity_copy.copy(face, app, entity_copy.from_snapshot(app, subject, from_, as_, wanted))
        wishes = Wishes(
            only=tuple(only),
            existing=existing[0] if existing else "refuse",
            users=users or subject.declaration.users,
            create_parents=create_parents,
            drop_columns=drop_columns,
        )
        order = restoring.EntityRestoreOrder(
            subject=subject, from_=from_, wishes=wishes, created_by=clock.user(), run=face.run_id
        )
        if not face.dry_run and not face.yes:
            with shown(face):
                plan = restoring.entity_restore(app.repository, replace(order, dry_run=True))
            entity_words.tell_restore(face, plan, subject)
            restoring.refuse(plan.decision, subject)
            ask.confirm(face, f"change {plan.target}?")
        with shown(face) as report:
            order = replace(order, dry_run=face.dry_run, subject=replace(subject, report=report))
            result = restoring.entity_restore(app.repository, order)
    face.document(entity_words.restore_document(face, result))
    if not face.as_json:
        entity_words.tell_restore(face, result, subject)
    return int(Exit.FAILED if result.dry_run and result.decision.refusals else Exit.OK)


def _modes(skip: bool, overwrite: bool, merge: bool) -> list[tuple[str, bool]]:
    return [("skip", skip), ("overwrite", overwrite), ("merge", merge)]


@verb(
    "clone",
    plans=True,
    examples="holdfast entity clone event 42 --set title='Summer fair 2027' --set slug=summer-fair-2027 --yes\n"
    "holdfast entity clone event 42 --as 1042 --json --yes\nholdfast entity clone event 42 --dry-run",
)
@_NAME
@_KEY
@click.option("--as", "as_", metavar="NEW_ID", help="The id of the copy; the default is a new one.")
@click.option("--set", "values", multiple=True, metavar="COLUMN=VALUE", help="Set a column of the copy; repeatable.")
@click.option("--from", "from_", metavar="SNAPSHOT|TIME", help="Copy what a snapshot holds, not what is there now.")
@click.option("--users", type=click.Choice(["null", "refuse", "keep"]), help="As for restore.")
@click.option("--create-parents", is_flag=True, help="As for restore.")
@_LIMIT
def clone(
    face: Face, name: str, key: str, as_: str | None, values: Sequence[str], from_: str | None, users: str | None,
    create_parents: bool, limit_rows: int | None,
) -> int:  # fmt: skip
    """Copy one entity: new ids for every row, every reference inside rewritten, the original untouched.

    What must be unique follows [entities.NAME.unique], secrets and payments [entities.NAME.side_effects].
    The copy is proven within the transaction; a dry run makes and proves it too, and takes it back.
    """
    setting = dict(_pair(text) for text in values)
    with opened(face) as app:
        app.hasten()
        subject = entity_words.subject_of(app, name, key, limit_rows)
        order = cloning.EntityCloneOrder(
            subject=subject, as_=as_, values=setting, from_=from_, users=users or subject.declaration.users,
            create_parents=create_parents,
        )  # fmt: skip
        return entity_copy.copy(face, app, order)


def _pair(text: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not equals or not column:
        raise UsageError(f"--set {text} is no COLUMN=VALUE", hint="--set title='Summer fair'")
    return column, value


for _command in (map_, explain, backup, versions, restore, clone, delete):
    entity.add_command(_command)
