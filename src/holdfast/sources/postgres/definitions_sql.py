"""Turns definitions into the statements that make, own and name them; and quotes names so that nothing can hide."""

from __future__ import annotations

import re

from holdfast.sources.postgres.definitions import Definition
from holdfast.sources.postgres.names import literal, qualified, quote

_OWNED_PLAIN = frozenset(
    {
        "DATABASE",
        "PROCEDURAL LANGUAGE",
        "SCHEMA",
        "EVENT TRIGGER",
        "FOREIGN DATA WRAPPER",
        "SERVER",
        "PUBLICATION",
        "SUBSCRIPTION",
    }
)
_OWNED_QUALIFIED = frozenset(
    {
        "COLLATION",
        "CONVERSION",
        "DOMAIN",
        "FOREIGN TABLE",
        "MATERIALIZED VIEW",
        "SEQUENCE",
        "STATISTICS",
        "TABLE",
        "TEXT SEARCH DICTIONARY",
        "TEXT SEARCH CONFIGURATION",
        "TYPE",
        "VIEW",
    }
)
_OWNED_BY_SIGNATURE = frozenset(
    {
        "AGGREGATE",
        "FUNCTION",
        "OPERATOR",
        "OPERATOR CLASS",
        "OPERATOR FAMILY",
        "PROCEDURE",
    }
)
_QUOTED = re.compile(
    r"""(?P<string>(?<![\w$])[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*') | (?P<name>"(?:[^"]|"")*") | (?P<line>--[^\n]*)
      | (?P<block>/\*.*?\*/) | (?P<dollar>\$(?P<tag>[A-Za-z_\x80-\U0010ffff][\w]*)?\$.*?\$(?P=tag)\$)
      | (?P<end>;)""",
    re.VERBOSE | re.DOTALL,
)
_DOLLAR_PLAIN = re.compile(r"\$\$.*?\$\$", re.DOTALL)
_DATABASE_NAME = re.compile(
    r"""\A(?P<head>(?:CREATE|ALTER)\s+DATABASE\s+|ALTER\s+ROLE\s+(?:"(?:[^"]|"")*"|[^\s"]+)\s+
    IN\s+DATABASE\s+|(?:GRANT|REVOKE)\s.*?\sON\s+DATABASE\s+|COMMENT\s+ON\s+DATABASE\s+|SECURITY\s+LABEL\s.*?ON\s+DATABASE\s+)
    (?P<name>"(?:[^"]|"")*"|[^\s";]+)""",
    re.VERBOSE | re.DOTALL,
)


def split_name(item: bytes, codec: str = "utf-8") -> tuple[str, str]:
    """Schema and table of an item name: ``quote_ident(schema).quote_ident(table)`` in ``codec``."""
    text = item.decode(codec, "surrogateescape")
    found = re.fullmatch(r'("(?:[^"]|"")*"|[^".]+)\.("(?:[^"]|"")*"|[^".]+)', text, re.DOTALL)
    if found is None:
        raise ValueError(f"not a table name: {text!r}")
    return _unquoted(found[1]), _unquoted(found[2])


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


def split_statements(script: str) -> list[str]:
    """The statements of a script, comments dropped; quoted names, strings and dollar quotes may hold anything."""
    statements, start, at, parts = [], 0, 0, []
    while found := _next_mark(script, at):
        kind, begin, end = found
        at = end
        if kind == "comment":
            parts.append(script[start:begin])
            start = end
        elif kind == "end":
            statements.append("".join([*parts, script[start:begin]]).strip())
            parts, start = [], end
    statements.append("".join([*parts, script[start:]]).strip())
    return [statement for statement in statements if statement]


def _next_mark(script: str, at: int) -> tuple[str, int, int] | None:
    found = _QUOTED.search(script, at)
    plain = _DOLLAR_PLAIN.search(script, at)
    if plain and (found is None or plain.start() < found.start()):
        return ("quoted", plain.start(), plain.end())
    if found is None:
        return None
    kind = "end" if found["end"] else "comment" if found["line"] or found["block"] else "quoted"
    return (kind, found.start(), found.end())


def makes(definition: Definition) -> str:
    """The statement that makes it; empty for what every database has from the start."""
    text = definition.create
    if definition.desc == "SCHEMA" and definition.tag == "public" and "CREATE SCHEMA public;" in text:
        return text.replace("CREATE SCHEMA public;", "", 1)
    return text


def settings_for(definition: Definition) -> list[str]:
    """What has to be set before it is made: where and how its rows are kept."""
    settings = [f"SET default_tablespace = {quote(definition.tablespace) if definition.tablespace else literal('')}"]
    if definition.access_method and definition.relkind != "p":
        settings.append(f"SET default_table_access_method = {quote(definition.access_method)}")
    return settings


def after(definition: Definition) -> str:
    """What follows its making: a partitioned table keeps its access method although it keeps no rows."""
    if definition.relkind == "p" and definition.access_method:
        return (
            f"ALTER TABLE {qualified(definition.namespace, definition.tag)} "
            f"SET ACCESS METHOD {quote(definition.access_method)};"
        )
    return ""


def owns(definition: Definition, role: str | None = None) -> str:
    """The statement that gives it to its owner (or ``role``); empty when it has none of its own."""
    target = _owned_object(definition)
    wanted = role or definition.owner
    return f"ALTER {target} OWNER TO {quote(wanted)};" if target and wanted else ""


def _owned_object(definition: Definition) -> str:
    if not definition.drop:
        return ""
    if definition.desc in _OWNED_PLAIN:
        return f"{definition.desc} {quote(definition.tag)}"
    if definition.desc in _OWNED_QUALIFIED:
        return f"{definition.desc} {qualified(definition.namespace, definition.tag)}"
    if definition.desc in _OWNED_BY_SIGNATURE:
        return re.sub(r"\ADROP\s+(.*?);?\s*\Z", r"\1", definition.drop, flags=re.DOTALL)
    return ""


def for_database(statement: str, name: str) -> str:
    """A statement about the database that was saved, made one about the database ``name``."""
    return _DATABASE_NAME.sub(lambda found: found["head"] + quote(name), statement, count=1)


def printable(definition: Definition) -> str:
    """How a person would call it: ``index public.events_day``."""
    where = f"{definition.namespace}." if definition.namespace else ""
    return f"{definition.desc.lower()} {where}{definition.tag}"


def first_line(statement: str, limit: int = 160) -> str:
    """The beginning of a statement, for an error."""
    line = " ".join(statement.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
