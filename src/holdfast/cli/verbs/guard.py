"""``holdfast guard``: triggers that keep what anybody deletes."""

from __future__ import annotations

from collections.abc import Sequence

import click

from holdfast.cli import ask, shapes, words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import Family, verb
from holdfast.cli.progress import shown
from holdfast.model.errors import Exit
from holdfast.sources.guarding import Guarding
from holdfast.system import clock
from holdfast.usecases import guard as guards
from holdfast.usecases import guard_state as standing
from holdfast.usecases.entity_finding import entity_named
from holdfast.usecases.guard_state import Standing

_ENTITY = click.argument("name", metavar="ENTITY")
_SOURCES = click.argument("sources", metavar="[SOURCE]...", nargs=-1)


@click.group("guard", cls=Family)
def guard() -> None:
    """Keep whatever anybody deletes from the tables of an entity.

    Triggers copy each deleted row, in the transaction that deletes it, into a table of holdfast's own beside the
    application's; from MongoDB deletes come out of the change stream. guard ship moves what was kept into the
    repository, trash shows it and brings it back.
    """


@verb("install", plans=True, examples="holdfast guard install event --dry-run\nholdfast guard install event --yes")
@_ENTITY
def install(face: Face, name: str) -> None:
    """Put every table of an entity under guard; also to repair a guard. --dry-run prints the SQL and the rights."""
    with opened(face) as app:
        declaration = entity_named(app.settings.entities, name)
        source = app.source(declaration.source)
        if not face.dry_run:
            plan = guards.install(source, name, declaration, dry_run=True)
            ask.confirm(face, f"put {', '.join(plan.tables)} under guard in {source.url}?")
        done = guards.install(source, name, declaration, dry_run=face.dry_run)
    face.document(
        {"entity": name, "source": declaration.source, "tables": done.tables, "statements": done.statements,
         "rights": done.rights, "dry_run": face.dry_run}
    )  # fmt: skip
    if face.dry_run:
        face.lines(f"{statement};" for statement in done.statements)
        face.lines(f"-- needed: {right}" for right in done.rights)
        return
    face.line(f"under guard: {', '.join(done.tables)}", "green")
    face.note("move what it keeps into the repository now and then: holdfast guard ship")


@verb("status", examples="holdfast guard status\nholdfast guard status shop --json")
@_SOURCES
def status(face: Face, sources: Sequence[str]) -> int:
    """Say what is under guard, what waits to be shipped, and what the guard cannot see.

    What stands is compared with what the entities need now. Ends with status 4 when a table of an entity that was put
    under guard is not under guard any more, or its triggers are gone, disabled or out of date.
    """
    with opened(face) as app:
        found = standing.status(app.sources(sources), app.settings.entities)
    face.document({name: _document(each) for name, each in found.items()})
    for name, each in found.items():
        _tell(face, name, each)
    gaps = any(table.gaps for each in found.values() for table in each.state.watched)
    return int(Exit.PROBLEMS_FOUND if gaps else Exit.OK)


@verb("ship", examples="holdfast guard ship\nholdfast guard ship shop --json")
@_SOURCES
def ship(face: Face, sources: Sequence[str]) -> None:
    """Move what the guard kept into the repository. Killed anywhere, nothing is lost and nothing is there twice."""
    with opened(face) as app, shown(face) as report:
        chosen = app.sources(sources)
        if not sources:
            chosen = {name: source for name, source in chosen.items() if isinstance(source, Guarding)}
        done = guards.ship(
            app.repository,
            guards.ShipOrder(sources=chosen, created_by=clock.user(), report=report, run=face.run_id),
        )
    face.document(
        {"run": done.run, "rows": done.rows, "snapshots": [shapes.snapshot_document(info) for info in done.snapshots]}
    )
    face.lines(shapes.snapshot_lines(done.snapshots) if done.snapshots else [])
    face.line(f"{words.count(done.rows)} deleted rows shipped" if done.rows else "nothing was deleted since")


@verb("remove", asks=True, examples="holdfast guard remove event --yes\nholdfast guard remove --source shop --yes")
@click.argument("name", metavar="[ENTITY]", default="")
@click.option("--source", "source_name", metavar="SOURCE", help="Take the whole guard of this source away.")
def remove(face: Face, name: str, source_name: str | None) -> None:
    """Take the triggers of an entity away, or with --source the guard's table too, once it is empty."""
    if bool(name) == bool(source_name):
        raise click.UsageError("say ENTITY, or --source SOURCE")
    with opened(face) as app:
        declaration = entity_named(app.settings.entities, name) if name else None
        source = app.source(declaration.source if declaration else source_name or "")
        ask.confirm(face, f"remove the guard from {source.url}?")
        named = declaration.source if declaration else source_name
        entities = {each: told for each, told in app.settings.entities.items() if told.source == named}
        done = standing.remove(source, entities, name or None)
    face.document({"statements": done.statements, "kept": dict(done.kept)})
    face.lines(f"{table} stays under guard, for {other}" for table, other in done.kept.items())
    face.line("the guard is gone" if done.statements else "there was no guard")


def _document(each: Standing) -> dict[str, object]:
    state = each.state
    return {
        "installed": state.installed,
        "tables": [
            {"table": table.table, "guarded": table.guarded, "gaps": list(table.gaps)} for table in state.watched
        ],
        "never_guarded": list(each.apart),
        "waiting": {"rows": state.waiting.rows, "oldest": state.waiting.oldest},
        "cannot_see": list(state.blind),
    }


def _tell(face: Face, name: str, standing: Standing) -> None:
    state = standing.state
    if not state.installed:
        face.line(f"{name}: no guard")
        return
    bare = sum(not each.guarded for each in state.watched)
    missing = f", {bare} not" if bare else ""
    face.line(f"{name}: {len(state.watched) - bare} tables under guard{missing}", "bold")
    for each in state.watched:
        face.line(f"  {each.table}", "yellow" if each.gaps else "")
        face.lines(f"    {gap}" for gap in each.gaps)
    face.lines(f"  entity {each} was never put under guard: guard install {each}" for each in standing.apart)
    oldest = f", the oldest from {words.instant(state.waiting.oldest)} UTC" if state.waiting.oldest else ""
    face.line(f"  {words.count(state.waiting.rows)} deleted rows wait for guard ship{oldest}")
    face.line("  it cannot see:")
    face.lines(f"    {text}" for text in state.blind)


for _command in (install, status, ship, remove):
    guard.add_command(_command)
