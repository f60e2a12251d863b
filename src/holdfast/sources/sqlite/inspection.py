"""What a database is and holds, and whether it is sound: asked of one held state."""

from __future__ import annotations

import sqlite3
from typing import Any

from holdfast.sources.sqlite.names import quoted

_PRAGMAS = ("page_size", "page_count", "encoding", "user_version", "application_id", "auto_vacuum",
            "freelist_count", "schema_version")  # fmt: skip
_MOST_FINDINGS = 20
_CANNOT_TELL = ("no such collation", "no such function", "no such module", "unknown function", "unknown tokenizer")


def describe(connection: sqlite3.Connection) -> dict[str, Any]:
    """The header's facts."""
    facts: dict[str, Any] = {}
    for name in _PRAGMAS:
        row = connection.execute(f"PRAGMA {name}").fetchone()
        facts[name] = row[0] if row else None
    return facts


def list_tables(connection: sqlite3.Connection, *, count: bool) -> list[dict[str, Any]]:
    """The tables with what is known of their rows.

    ``rows`` counted exactly, or None; ``estimate`` what ANALYZE once found. Shadow tables of virtual tables and
    SQLite's own are left out; virtual tables are named, not counted. Empty when the schema cannot be read.
    """
    try:
        found = connection.execute("PRAGMA main.table_list").fetchall()
    except sqlite3.Error:
        return []
    estimates = _estimates(connection)
    tables = []
    for _schema, name, kind, _columns, without_rowid, strict in found:
        if kind not in ("table", "virtual") or name.lower().startswith("sqlite_"):
            continue
        rows = _count(connection, name) if count and kind == "table" else None
        tables.append({"name": name, "kind": kind, "rows": rows, "estimate": estimates.get(name),
                       "without_rowid": bool(without_rowid), "strict": bool(strict)})  # fmt: skip
    return sorted(tables, key=lambda table: str(table["name"]))


def check(connection: sqlite3.Connection, *, quick: bool) -> tuple[str, list[str]]:
    """("ok" | "damaged" | "unknown", findings): "unknown" when parts need code that only the application has."""
    outcome, findings = _check(connection, "quick_check" if quick else "integrity_check")
    if outcome == "unknown" and not quick:
        second, more = _check(connection, "quick_check")
        if second != "unknown":
            return ("damaged", more) if second == "damaged" else ("unknown", findings)
    return outcome, findings


def _check(connection: sqlite3.Connection, pragma: str) -> tuple[str, list[str]]:
    try:
        findings = [str(row[0]) for row in connection.execute(f"PRAGMA {pragma}({_MOST_FINDINGS})")]
    except sqlite3.Error as error:
        text = str(error)
        return ("unknown" if text.startswith(_CANNOT_TELL) else "damaged"), [text]
    return ("ok", []) if findings == ["ok"] else ("damaged", findings)


def _count(connection: sqlite3.Connection, table: str) -> int | None:
    try:
        return int(connection.execute(f"SELECT count(*) FROM main.{quoted(table)}").fetchone()[0])
    except (sqlite3.Error, UnicodeError):
        return None


def _estimates(connection: sqlite3.Connection) -> dict[str, int]:
    try:
        rows = connection.execute("SELECT tbl, stat FROM main.sqlite_stat1").fetchall()
    except sqlite3.Error:
        return {}
    known: dict[str, int] = {}
    for table, stat in rows:
        first = str(stat).split(" ", 1)[0]
        if first.isdigit():
            known[str(table)] = max(known.get(str(table), 0), int(first))
    return known
