"""Names of tables as names of files and back, and which table of an application a file means."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Collection, Iterable
from urllib.parse import quote, unquote

from holdfast.model.errors import UsageError

_SAFE = " $&+=:@()[]{},;'!~"
_LONGEST = 200
_PART = re.compile(r'"(?:[^"]|"")*"|[^."]+|"')
ENDINGS = (".gz", ".csv", ".jsonl", ".ndjson", ".json", ".bson", ".sql", ".dump", ".pgdump")


def file_names(tables: Iterable[str], ending: str) -> dict[str, str]:
    """A file name for each table; none leaves its folder, and none equals another where letters' case is lost."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for table in tables:
        name = _file_name(table)
        if name.casefold() in taken:
            name = f"{name[:_LONGEST - 9]}~{hashlib.sha256(table.encode(errors='surrogatepass')).hexdigest()[:8]}"
        taken.add(name.casefold())
        found[table] = name + ending
    return found


def _file_name(table: str) -> str:
    name = quote(table, safe=_SAFE + "äöüßéèàç", errors="surrogateescape")
    name = name.replace(".", "%2E", 1) if name.startswith(".") else name
    if len(name) > _LONGEST:
        digest = hashlib.sha256(table.encode(errors="surrogatepass")).hexdigest()[:8]
        name = f"{name[:_LONGEST - 9]}~{digest}"
    return name


def table_name(file_name: str) -> str:
    """The table a file is named for."""
    changed = True
    while changed:
        changed = False
        for ending in ENDINGS:
            if file_name.lower().endswith(ending):
                file_name, changed = file_name[: -len(ending)], True
    return unquote(file_name, errors="surrogateescape")


def matching(name: str, tables: Collection[str]) -> str | None:
    """The table that a file calls ``name``: exactly, without schema, in other letters, or a model's name (Ticket)."""
    if name in tables:
        return name
    forms = _forms(name)
    for form in forms:
        found = [table for table in tables if form in (_unquoted(table), _bare(table))]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{name!r} could mean {', '.join(sorted(found))}", hint=f"say which: --table {name}=TABLE")
    return None


def unknown(name: str, tables: Collection[str]) -> UsageError:
    """The error for a table that the application has not."""
    near = difflib.get_close_matches(name.casefold(), [_bare(table) for table in tables], n=1, cutoff=0.5)
    likely = next((table for table in tables if near and _bare(table) == near[0]), "TABLE")
    return UsageError(
        f"the file has a table {name!r}, the source has none of that name",
        why=f"it has {', '.join(sorted(tables)[:12])}{' …' if len(tables) > 12 else ''}",
        hint=f"say which it is: --table '{name}={likely}', or leave it out: --table '{name}='",
    )


def _unquoted(table: str) -> str:
    return ".".join(_PART.sub(_without_quotes, part) for part in _PART.findall(table)).casefold()


def _without_quotes(part: re.Match[str]) -> str:
    text = part[0]
    return text[1:-1].replace('""', '"') if text.startswith('"') and len(text) > 1 else text


def _bare(table: str) -> str:
    parts = _PART.findall(table) or [table]
    return _PART.sub(_without_quotes, parts[-1]).casefold()


def _forms(name: str) -> list[str]:
    folded = name.casefold()
    snake = "".join(f"_{letter}" if letter.isupper() and place else letter for place, letter in enumerate(name))
    forms = [folded, snake.casefold(), folded.rpartition(".")[2]]
    for form in list(forms):
        forms += [form + "s", form + "es", *([form[:-1] + "ies"] if form.endswith("y") else [])]
    return list(dict.fromkeys(forms))
