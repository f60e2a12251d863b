"""Names of PostgreSQL objects: quoted so that neither the server nor psql reads anything into them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PLAIN = re.compile(r"[A-Za-z0-9_ ]*\Z")


def quote(name: str) -> str:
    """``name`` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """``schema.name``, both quoted."""
    return f"{quote(schema)}.{quote(name)}"


def literal(text: str) -> str:
    """``text`` as a string constant, whatever standard_conforming_strings says."""
    quoted = text.replace("'", "''")
    if "\\" in quoted:
        doubled = quoted.replace("\\", "\\\\")
        return f" E'{doubled}'"
    return f"'{quoted}'"


def escaped(name: str) -> str:
    """``name`` as an identifier of letters, digits and escapes only, on one line.

    For text that psql reads: no quote, backslash command, colon variable or line break can be made out of it.
    Needs standard_conforming_strings=on; not for SQL_ASCII databases when the name is not ASCII.
    """
    if _PLAIN.match(name):
        return f'"{name}"'
    return 'U&"' + "".join(_escape(letter) for letter in name) + '"'


def escaped_qualified(schema: str, name: str) -> str:
    """``schema.name`` of ``escaped`` identifiers."""
    return f"{escaped(schema)}.{escaped(name)}"


def matches(patterns: Iterable[str], label: str, schema: str, name: str) -> bool:
    """Whether a pattern means this table: its label, its bare ``schema.name``, or its name when undotted."""
    for pattern in patterns:
        if fnmatchcase(label, pattern) or fnmatchcase(f"{schema}.{name}", pattern):
            return True
        if "." not in pattern and fnmatchcase(name, pattern):
            return True
    return False


def _escape(letter: str) -> str:
    if _PLAIN.match(letter):
        return letter
    code = ord(letter)
    return f"\\{code:04X}" if code < 0x10000 else f"\\+{code:06X}"
