"""COPY text as DuckDB reads it: fields apart by tabs, values with their escapes undone."""

from __future__ import annotations

from collections.abc import Sequence

_LONGEST_LINE = 8 << 20
_ESCAPES = (("\\b", 8), ("\\f", 12), ("\\n", 10), ("\\r", 13), ("\\t", 9), ("\\v", 11))
_PLAIN = "p"
for _written, _code in _ESCAPES:
    _PLAIN = f"replace({_PLAIN}, '{_written}', chr({_code}))"

# Where a backslash stands for itself the text is taken apart first, so that what follows it is not misread.
MACRO = (
    "CREATE MACRO holdfast_plain(t) AS CASE WHEN contains(t, '\\') THEN"
    f" array_to_string(list_transform(string_split(t, '\\\\'), lambda p: {_PLAIN}), '\\') ELSE t END"
)


def reading(url: str, columns: Sequence[str]) -> str:
    """A SELECT of the rows of a file of COPY text; NULL and the empty text are two values. Needs MACRO."""
    types = ", ".join(f"{_literal(column)}: 'VARCHAR'" for column in columns)
    plain = ", ".join(f"holdfast_plain({quoted(column)}) AS {quoted(column)}" for column in columns)
    return (
        f"SELECT {plain} FROM read_csv('{url}', delim = '\t', quote = '', escape = '', nullstr = '\\N', header = false,"
        f" auto_detect = false, strict_mode = true, new_line = '\\n', columns = {{{types}}},"
        f" max_line_size = {_LONGEST_LINE})"
    )


def quoted(name: str) -> str:
    """An identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
