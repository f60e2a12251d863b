"""Entities as a face shows them: documents for scripts, lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.cli import shapes, words
from holdfast.cli.face import Face
from holdfast.entities.graph import Edge
from holdfast.entities.restoring import Step
from holdfast.model.ids import short
from holdfast.usecases.entity_backup import EntityBackupResult
from holdfast.usecases.entity_clone import EntityCloneResult
from holdfast.usecases.entity_finding import Subject, Version, key_text
from holdfast.usecases.entity_map import EntityMap, Explained
from holdfast.usecases.entity_restore import EntityRestoreResult
from holdfast.wiring.build import App

_SHOWN = 40
_BLOBS_SHOWN = 1000


def subject_of(app: App, name: str, key: str, limit_rows: int | None = None) -> Subject:
    """The entity that a command names."""
    from holdfast.usecases.entity_finding import entity_named

    declaration = entity_named(app.settings.entities, name)
    return Subject(
        name=name, key=key, declaration=declaration, source=app.source(declaration.source), limit_rows=limit_rows
    )


# -- map and explain


def map_document(found: EntityMap, name: str) -> dict[str, Any]:
    """What ``entity map --json`` says."""
    return {
        "entity": name,
        "root": found.graph.root.name,
        "edges": [
            {
                "from": f"{edge.reference.table}.{'+'.join(edge.reference.columns)}",
                "to": f"{edge.reference.to}.{'+'.join(edge.reference.to_columns)}",
                "kind": edge.kind,
                "declared": edge.declared,
                "followed": edge.down or edge.up,
                "on_delete": edge.reference.on_delete,
                "rows": found.sizes[edge.reference.table],
                "about": edge.reference.table in found.guessed,
            }
            for edge in found.graph.edges
        ],
        "blobs": [f"{table}.{column}" for table, column in found.graph.blobs],
        "rows": found.rows,
        "suggestions": [
            {"from": each.from_, "to": each.to, "matches": each.matches, "seen": each.seen}
            for each in found.suggestions
        ],
    }


def tell_map(face: Face, found: EntityMap) -> None:
    """The graph as a tree of what belongs to the root, then what it names."""
    face.line(f"{found.graph.root.name} ({_size(found, found.graph.root.name)} rows)", "bold")
    _tell_below(face, found, found.graph.root.name, "  ", {found.graph.root.name})
    upward = [edge for edge in found.graph.edges if edge.up and not edge.down]
    if upward:
        face.line()
    rows = [
        (edge.kind, edge.name, _size(found, edge.reference.to), _declared(edge))
        for edge in sorted(upward, key=lambda edge: (edge.kind, edge.name))
    ]
    if rows:
        face.lines(words.table(("needs", "reference", "rows", ""), rows, right=(2,)))
    for table, column in found.graph.blobs:
        face.line(f"blob: {table}.{column}")
    for role, counts in found.rows.items():
        if counts:
            face.line(f"{role}: " + ", ".join(f"{words.count(number)} {table}" for table, number in counts.items()))
    if found.suggestions:
        face.line()
        face.line("values that look like references nobody declared:", "yellow")
        for each in found.suggestions:
            face.line(f"  {each.toml}   ({each.matches} of {each.seen} values are ids there)")


def _size(found: EntityMap, table: str) -> str:
    return f"{'about ' if table in found.guessed else ''}{words.count(found.sizes[table])}"


def _tell_below(face: Face, found: EntityMap, table: str, indent: str, shown: set[str]) -> None:
    for edge in found.graph.below(table):
        child = edge.reference.table
        rows = _size(found, child)
        kind = "owned" if edge.down == "owned" else f"{edge.kind}, set again when restored"
        face.line(f"{indent}{child} ({rows} rows)  {edge.name}  {kind}{_declared(edge)}")
        if edge.down == "owned" and child not in shown:
            shown.add(child)
            _tell_below(face, found, child, indent + "  ", shown)


def _declared(edge: Edge) -> str:
    return "  declared" if edge.declared else ""


def explain_document(rows: list[Explained]) -> list[dict[str, Any]]:
    """What ``entity explain --json`` says."""
    return [{"table": each.table, "key": each.key, "role": each.role, "path": each.path} for each in rows]


def tell_explained(face: Face, rows: list[Explained], limit: int) -> None:
    """The path of each row."""
    for each in rows[:limit]:
        face.line(f"{each.role:7} {'  >  '.join(each.path)}")
    if len(rows) > limit:
        face.note(f"and {len(rows) - limit:,} more: --limit {len(rows)}")


# -- backup and versions


def backup_document(result: EntityBackupResult) -> dict[str, Any]:
    """What ``entity backup --json`` says."""
    return {
        "run": result.run,
        "snapshot": shapes.snapshot_document(result.snapshot),
        "entity": (result.snapshot.more or {})["entity"],
        "rows": result.counts,
        "beside": result.beside,
        "users": result.users,
        **blobs_document(result.blobs),
    }


def blobs_document(blobs: list[tuple[str, str, str]]) -> dict[str, Any]:
    """What is named and kept elsewhere: how many, and the first thousand of them."""
    told = [{"table": table, "column": column, "value": value} for table, column, value in blobs[:_BLOBS_SHOWN]]
    return {"blob_count": len(blobs), "blobs": told}


def tell_backup(face: Face, result: EntityBackupResult, subject: Subject) -> None:
    """What was saved."""
    info = result.snapshot
    title = ((info.more or {})["entity"]).get("title")
    named = f" “{title}”" if title else ""
    total = sum(result.counts.values())
    face.line(
        f"snapshot {short(info.id)}: {subject.spoken}{named}, {words.count(total)} rows in {len(result.counts)} tables,"
        f" {words.seconds(info.seconds)}",
        "green",
    )
    face.lines(words.table(("table", "rows"), _rows(result.counts), right=(1,)))
    for role, counts in result.beside.items():
        face.note(f"{role}: " + ", ".join(f"{words.count(number)} {table}" for table, number in counts.items()))
    if result.users:
        face.note(f"{words.count(result.users)} references to users, who are not taken along")
    if result.blobs:
        face.note(f"{_elsewhere(result.blobs)}: they are not in this snapshot")


def _elsewhere(blobs: list[tuple[str, str, str]]) -> str:
    return f"{words.count(len(blobs))} values name objects that are kept elsewhere"


def _rows(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(table, words.count(number)) for table, number in counts.items()]


def version_document(version: Version) -> dict[str, Any]:
    """One line of ``entity versions --json``."""
    info = version.entry.info
    return {
        "snapshot": info.id,
        "created_at": info.created_at,
        "data_at": info.data_at,
        "of": "entity" if version.is_entity else "everything",
        "trigger": info.trigger,
        "title": version.title,
        "rows": version.counts,
        "row": version.row,
    }


def version_lines(versions: list[Version]) -> list[str]:
    """A table of them."""
    rows = []
    for version in versions:
        info = version.entry.info
        total = words.count(sum(version.counts.values())) if version.counts else "-"
        what = "entity" if version.is_entity else "everything"
        rows.append((short(info.id), words.instant(info.data_at), what, total, info.trigger, version.title or ""))
    return words.table(("snapshot", "created (UTC)", "of", "rows", "trigger", "title"), rows, right=(3,))


# -- restore


def restore_document(face: Face, result: EntityRestoreResult) -> dict[str, Any]:
    """What ``entity restore --json`` says; rows are listed where there is something to say of them."""
    return {
        "run": result.run,
        "snapshot": result.entry.info.id,
        "target": result.target,
        "title": result.title,
        "dry_run": result.dry_run,
        "tables": result.counts(),
        "rows": [_step(step) for step in result.decision.steps if step.reason],
        "refusals": result.decision.refusals,
        "warnings": [face.redactor.clean(text) for text in result.decision.warnings],
        "changed": len(result.applied.changes) if result.applied else 0,
        "verified": result.applied is not None or (not result.dry_run and not result.decision.changes),
        **blobs_document(result.blobs),
        "undo": result.undo,
        "seconds": result.seconds,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "table": step.table, "key": [str(value) for value in step.key], "role": step.role,
        "action": step.action, "reason": step.reason,
    }  # fmt: skip


def tell_restore(face: Face, result: EntityRestoreResult, subject: Subject) -> None:
    """What was done, or would be."""
    named = f" “{result.title}”" if result.title else ""
    face.line(f"{subject.spoken}{named} from snapshot {short(result.entry.info.id)} into {result.target}", "bold")
    rows = [
        (table, action, words.count(number))
        for table, counts in result.counts().items()
        for action, number in counts.items()
    ]
    face.lines(words.table(("table", "", "rows"), rows, right=(2,)))
    told = [step for step in result.decision.steps if step.reason]
    for step in told[: len(told) if face.verbosity > 0 else _SHOWN]:
        face.line(f"{step.action}: {step.table} {','.join(map(str, step.key))}: {step.reason}")
    if len(told) > _SHOWN and face.verbosity <= 0:
        face.line(f"and {len(told) - _SHOWN:,} more (-v lists all)")
    for text in result.decision.warnings:
        face.warning(text)
    for text in result.decision.refusals:
        face.loud_note(f"refused: {text}", "red")
    if result.blobs:
        face.note(f"{_elsewhere(result.blobs)}: they are not restored")
    if result.dry_run:
        return
    changed = len(result.applied.changes) if result.applied else 0
    face.line(
        f"{words.count(changed)} rows written and read back in {words.seconds(result.seconds)}"
        if changed
        else "nothing was changed; rows that differ were left as they are"
        if any(step.action == "skip" for step in result.decision.steps)
        else "everything is there as it was; nothing had to be changed",
        "green",
    )
    if result.undo:
        face.note(f"to take it back: holdfast undo {short(result.run)}")


# -- clone


def _texts(key: Sequence[Any]) -> list[str]:
    """A key as the other documents of entities have it, whatever its columns hold."""
    return [key_text(value) for value in key]


def clone_document(face: Face, result: EntityCloneResult) -> dict[str, Any]:
    """What ``entity clone --json`` says; ``ids`` maps every old key to the new one."""
    return {
        "run": result.run,
        "target": result.target,
        "dry_run": result.dry_run,
        "key": _texts(result.key),
        "rows": result.counts,
        "excluded": result.excluded,
        "ids": {
            table: [{"old": _texts(old), "new": _texts(new)} for old, new in pairs]
            for table, pairs in result.ids.items()
        },
        "proofs": result.proofs,
        "warnings": [face.redactor.clean(text) for text in result.warnings],
        **blobs_document(result.blobs),
        "undo": result.undo,
        "seconds": result.seconds,
    }


def tell_clone(face: Face, result: EntityCloneResult, subject: Subject) -> None:
    """What was made."""
    key = ",".join(map(str, result.key))
    made = "would be copied to" if result.dry_run else "copied to"
    face.line(f"{subject.spoken} {made} {subject.name} {key} in {words.seconds(result.seconds)}", "green")
    face.lines(words.table(("table", "rows"), _rows(result.counts), right=(1,)))
    for table, number in result.excluded.items():
        face.note(f"left out: {words.count(number)} rows of {table}")
    for text in result.proofs:
        face.line(f"proven: {text}")
    if face.verbosity > 0:
        for table, pairs in result.ids.items():
            for old, new in pairs:
                face.line(f"{table} {','.join(map(str, old))} -> {','.join(map(str, new))}")
    for text in result.warnings:
        face.warning(text)
    if result.undo:
        face.note(f"to take it back: holdfast undo {short(result.run)}")
