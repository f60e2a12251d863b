"""What a column becomes in DuckDB: read as text, and cast where that loses nothing; what does not map stays text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from holdfast.model.records import Column

_SIMPLE = {
    "smallint": "BIGINT", "integer": "BIGINT", "bigint": "BIGINT", "int": "BIGINT", "tinyint": "BIGINT",
    "mediumint": "BIGINT", "int2": "BIGINT", "int4": "BIGINT", "int8": "BIGINT", "oid": "BIGINT",
    "real": "DOUBLE", "double precision": "DOUBLE", "double": "DOUBLE", "float": "DOUBLE",
    "boolean": "BOOLEAN", "bool": "BOOLEAN", "date": "DATE", "uuid": "UUID", "json": "JSON", "jsonb": "JSON",
    "time": "TIME", "time without time zone": "TIME", "timestamp": "TIMESTAMP", "datetime": "TIMESTAMP",
    "timestamp without time zone": "TIMESTAMP", "timestamp with time zone": "TIMESTAMPTZ",
}  # fmt: skip
_BYTES = ("bytea", "blob")
_TEXTS = ("", "text", "character varying", "varchar", "character", "char", "bpchar", "name", "citext", "clob", "xml",
          "any")  # fmt: skip
_PARAMETERS = re.compile(r"\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_UNBOUNDED = "DECIMAL(38,10)"
_NO_BYTES = "encode(({0} || ' is no bytes')::BIGINT::VARCHAR)"
"""Fails where a text stands among bytes, as SQLite allows: the column is text then, and a note says so."""


@dataclass(frozen=True, slots=True)
class Cast:
    """``type`` in DuckDB; ``sql`` makes it of the text ``{}``. ``note``: what a person must know, or ""."""

    type: str
    sql: str
    note: str = ""


AS_TEXT = Cast("VARCHAR", "{}")


def cast_of(column: Column) -> Cast:
    """How to read a column. Values that do not fit are found when they come (see session)."""
    declared = column.type.strip().lower()
    if not declared:
        return Cast("VARCHAR", "{}", "it has no type, so whatever it holds is text here")
    if declared.endswith("[]"):
        inner = _scalar(declared[:-2])
        if inner is None or inner.type in ("BLOB", "JSON"):
            return Cast("VARCHAR", "{}", f"{column.type} is text here")
        # one dimension: PostgreSQL's braces become brackets, what stands between is written alike
        return Cast(f"{inner.type}[]", f"('[' || substr({{0}}, 2, length({{0}}) - 2) || ']')::{inner.type}[]")
    found = _scalar(declared)
    if found is None:
        return Cast("VARCHAR", "{}", f"{column.type} is text here")
    return found


def _scalar(declared: str) -> Cast | None:
    parameters = _PARAMETERS.search(declared)
    name = _PARAMETERS.sub("", declared).strip()
    if name in _SIMPLE:
        kind = _SIMPLE[name]
        return Cast(kind, f"{{0}}::{kind}")
    if name in _BYTES:
        return Cast("BLOB", f"CASE WHEN starts_with({{0}}, '\\x') THEN unhex(substr({{0}}, 3)) ELSE {_NO_BYTES} END")
    if name in ("numeric", "decimal"):
        return _numeric(parameters)
    return AS_TEXT if name in _TEXTS else None


def _numeric(parameters: re.Match[str] | None) -> Cast | None:
    if parameters is None:
        return Cast(_UNBOUNDED, f"{{0}}::{_UNBOUNDED}", "numeric without precision is rounded to 10 decimals here")
    precision, scale = int(parameters[1]), int(parameters[2] or 0)
    if not 0 < precision <= 38 or scale > precision:
        return None
    kind = f"DECIMAL({precision},{scale})"
    return Cast(kind, f"{{0}}::{kind}")
