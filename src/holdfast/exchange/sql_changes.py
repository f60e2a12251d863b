"""Statements of a script that change rows which stand before them: a reader of rows alone would take wrong ones."""

from __future__ import annotations

import re

_QUOTED = re.compile(r"""'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$""", re.DOTALL)
_ALWAYS = re.compile(
    r"""(?P<told>UPDATE|MERGE|TRUNCATE|DO|CALL|WITH|DELETE\s+FROM|CREATE\s+(?:\w+\s+)?TABLE\s+[^(]*?(?:\([^)]*\)\s*)?\bAS\b
    |SELECT\b.*?\bINTO)\b""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_AFTER_ROWS = re.compile(
    r"(?P<told>ROLLBACK|DROP\s+TABLE|ALTER\s+TABLE\b.*?\b(?:RENAME|(?:ADD|DROP)\s+COLUMN))\b", re.IGNORECASE | re.DOTALL
)
_HARMLESS = re.compile(r"""(?:DELETE\s+FROM\s+"?sqlite_|UPDATE\s+(?:ONLY\s+)?pg_catalog\.)""", re.IGNORECASE)


def changing(statement: str, *, after_rows: bool) -> str:
    """What in a statement changes rows, "" when nothing does. No tool for dumps writes such."""
    if _HARMLESS.match(statement):
        return ""
    plain = _QUOTED.sub("''", statement)
    found = _ALWAYS.match(plain) or (_AFTER_ROWS.match(plain) if after_rows else None)
    return " ".join(found["told"].split()).upper()[:40] if found else ""


def numbered(escapes: str) -> str:
    """A run of escapes in octal or hexadecimal: bytes of UTF-8. ValueError when they are none."""
    digits = re.findall(r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3}))", escapes)
    return bytes(int(hexa, 16) if hexa else int(octal, 8) & 255 for hexa, octal in digits).decode()
