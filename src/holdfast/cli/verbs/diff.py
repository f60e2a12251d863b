"""``holdfast diff``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from holdfast.cli import shapes, words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.cli.rows import shown_value
from holdfast.model.errors import Exit
from holdfast.model.ids import short
from holdfast.records.schema import SchemaDifference
from holdfast.usecases.diff import DiffOrder, DiffResult, Side, TableDiff
from holdfast.usecases.diff import diff as compare

_EXAMPLES = """
holdfast diff 3f9c12aa latest:shop
holdfast diff latest:shop live --summary
holdfast diff before-migration live public.orders --limit 20 --json
"""
_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


@verb("diff", examples=_EXAMPLES)
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.argument("items", metavar="[ITEM]...", nargs=-1)
@click.option("--summary", is_flag=True, help="Counts only, no rows.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="Rows told of each table.")
@click.option("--exit-code", is_flag=True, help="End with status 1 when anything differs.")
def diff(face: Face, before: str, after: str, items: Sequence[str], **wanted: Any) -> int:
    """Tell what changed from A to B: tables, columns, rows.

    A and B are snapshots or live, the application as it is now; ITEM is a table or a pattern.
    """
    with opened(face) as app, shown(face) as report:
        order = DiffOrder(
            before=before,
            after=after,
            items=tuple(items),
            limit=0 if wanted["summary"] else wanted["limit"],
            source=app.reader_of,
            live=app.source,
            report=report,
        )
        result = compare(app.repository, order)
    face.document(_document(result))
    _tell(face, result)
    return int(Exit.FAILED if wanted["exit_code"] and result.different else Exit.OK)


def _document(result: DiffResult) -> dict[str, Any]:
    return {
        "a": _side(result.before),
        "b": _side(result.after),
        "different": result.different,
        "tables": [_table(table) for table in result.tables],
        "seconds": result.seconds,
    }


def _side(side: Side) -> dict[str, Any]:
    identity, created = (side.info.id, side.info.created_at) if side.info else (None, None)
    return {"snapshot": identity, "source": side.source, "created_at": created}


def _table(table: TableDiff) -> dict[str, Any]:
    schema = table.schema
    return {
        "table": table.table,
        "status": table.status,
        "added": table.added,
        "removed": table.removed,
        "changed": table.changed,
        "same": table.same,
        "schema": {
            "added": list(schema.added),
            "removed": list(schema.removed),
            "changed": {column: list(told) for column, told in schema.changed.items()},
            "key": [list(each) for each in schema.key] if schema.key else None,
            "other": schema.other,
        },
        "without_key": table.counted,
        "rows": table.rows,
        "rows_left_out": table.left_out,
    }


def _tell(face: Face, result: DiffResult) -> None:
    face.line(f"from {_named(result.before)} to {_named(result.after)}", "bold")
    odd = [table for table in result.tables if table.status != "same"]
    counts = [(each.added, each.removed, each.changed, each.same) for each in odd]
    rows = [(each.table, each.status, *map(words.count, told)) for each, told in zip(odd, counts, strict=True)]
    if rows:
        face.lines(words.table(("table", "", "added", "removed", "changed", "same"), rows, right=(2, 3, 4, 5)))
    for table in odd:
        _tell_table(face, table)
    same = len(result.tables) - len(odd)
    face.line(f"{same:,} {'table is' if same == 1 else 'tables are'} the same, {words.seconds(result.seconds)}")


def _named(side: Side) -> str:
    if side.info is None:
        return f"{side.source} now"
    return f"{short(side.info.id)} of {side.source}, {shapes.of_when(side.info)} UTC"


def _tell_table(face: Face, table: TableDiff) -> None:
    told = list(_schema_lines(table.schema))
    if not told and not table.rows:
        return
    face.line()
    face.line(table.table + (" (rows without a key in common)" if table.counted else ""), "bold")
    face.lines(told)
    for row in table.rows:
        sign, style = _SIGNS[row["did"]]
        face.line(f"{sign} {_row_text(row)}", style)
    if table.left_out and table.rows:
        face.note(f"and {table.left_out:,} more: --limit {table.left_out + len(table.rows)}")


def _schema_lines(schema: SchemaDifference) -> list[str]:
    lines = [f"column {name} is new" for name in schema.added] + [f"column {name} is gone" for name in schema.removed]
    lines += [f"column {name}: {before} -> {after}" for name, (before, after) in schema.changed.items()]
    if schema.key:
        lines.append("key: " + " -> ".join(",".join(key) or "none" for key in schema.key))
    return [*lines, "its definition differs"] if schema.other else lines


def _row_text(row: dict[str, Any]) -> str:
    key = ",".join(shown_value(value) for value in row["key"].values())
    if row["did"] == "changed":
        before, after = row["before"], row["after"]
        told = [f"{name}: {shown_value(before.get(name))} -> {shown_value(after.get(name))}" for name in row["columns"]]
        return f"{key}  {', '.join(told) or 'order of its fields'}"
    whole = row["after"] or row["before"]
    told = [f"{name}={shown_value(value)}" for name, value in whole.items() if name not in row["key"]]
    return f"{key}  {', '.join(told)}".strip()
