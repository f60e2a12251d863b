"""``[entities.NAME]`` of holdfast.toml: from a parsed table to what the entity is, every mistake named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from holdfast.entities.declared import EFFECTS, KINDS, RULES, Declaration, DeclaredEdge

Place = tuple[str, ...]
Tell = Callable[[Place, str], None]
"""Hears of a mistake: where, and the words that follow the key; no words for a key nobody knows."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\Z")
_NO_TABLE = " must be a table of its own"
_USERS = ("null", "refuse", "keep")

ENTITY_KEYS = (
    "source", "root", "key", "title", "edges", "unique", "side_effects", "users",
    "limit_rows", "limit_depth", "limit_share",
)  # fmt: skip
EDGE_KEYS = ("from", "to", "kind", "when")


def entities_of(given: Any, tell: Tell) -> dict[str, Declaration]:
    """Every entity that is declared; what is wrong is told, and then the result is of no use."""
    if not isinstance(given, Mapping):
        tell(("entities",), _NO_TABLE)
        return {}
    found = {}
    for name, table in given.items():
        place = ("entities", str(name))
        if not _NAME.match(name):
            tell(place, ": an entity's name is letters, digits, dashes and underscores, up to 64")
        elif not isinstance(table, Mapping):
            tell(place, _NO_TABLE)
        else:
            found[name] = _entity(place, table, tell)
    return found


def _entity(place: Place, table: Mapping[str, Any], tell: Tell) -> Declaration:
    _only_known(place, table, ENTITY_KEYS, tell)
    for key in ("source", "root"):
        if key not in table:
            tell((*place, key), " is missing")
    return Declaration(
        source=_text((*place, "source"), table.get("source", "-"), tell),
        root=_text((*place, "root"), table.get("root", "-"), tell),
        key=_texts((*place, "key"), table.get("key", ()), tell),
        title=_text((*place, "title"), table["title"], tell) if "title" in table else "",
        edges=tuple(_edges((*place, "edges"), table.get("edges", ()), tell)),
        unique=_rules((*place, "unique"), table.get("unique", {}), RULES, tell),
        side_effects=_rules((*place, "side_effects"), table.get("side_effects", {}), EFFECTS, tell),
        users=_one_of((*place, "users"), table.get("users", "null"), _USERS, tell),
        **_limits(place, table, tell),
    )


def _limits(place: Place, table: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in ("limit_rows", "limit_depth", "limit_share"):
        value = table.get(key)
        if value is None:
            continue
        is_number = isinstance(value, int if key != "limit_share" else int | float) and not isinstance(value, bool)
        if not is_number or value <= 0:
            tell((*place, key), " must be a number above 0")
        else:
            found[key] = value
    return found


def _edges(place: Place, given: Any, tell: Tell) -> list[DeclaredEdge]:
    if not isinstance(given, list | tuple):
        tell(place, " must be written as [[…edges]]")
        return []
    found = []
    for number, each in enumerate(given):
        at = (*place, str(number))
        if not isinstance(each, Mapping):
            tell(at, _NO_TABLE)
            continue
        _only_known(at, each, EDGE_KEYS, tell)
        kind = _one_of((*at, "kind"), each.get("kind", "owned"), KINDS, tell)
        missing = [key for key in ("from", "to") if key not in each and (key, kind) != ("to", "blob")]
        for key in missing:
            tell((*at, key), " is missing")
        found.append(
            DeclaredEdge(
                from_=_texts((*at, "from"), each.get("from", "-"), tell),
                to=_texts((*at, "to"), each.get("to", "-"), tell),
                kind=kind,
                when=_when((*at, "when"), each.get("when", {}), tell),
            )
        )
    return found


def _when(place: Place, given: Any, tell: Tell) -> dict[str, str]:
    if given == {}:
        return {}
    if not isinstance(given, Mapping) or set(given) != {"column", "equals"}:
        tell(place, ' must be written as { column = "type", equals = "Event" }')
        return {}
    return {key: _text((*place, key), given[key], tell) for key in ("column", "equals")}


def _rules(place: Place, given: Any, allowed: tuple[str, ...], tell: Tell) -> dict[str, str]:
    if not isinstance(given, Mapping):
        tell(place, _NO_TABLE)
        return {}
    return {str(column): _one_of((*place, str(column)), rule, allowed, tell) for column, rule in given.items()}


def _only_known(place: Place, table: Mapping[str, Any], known: tuple[str, ...], tell: Tell) -> None:
    for key in table:
        if key not in known:
            tell((*place, key), "")


def _one_of(place: Place, value: Any, allowed: tuple[str, ...], tell: Tell) -> str:
    if value not in allowed:
        tell(place, f" must be one of {', '.join(allowed)}")
        return allowed[0]
    return str(value)


def _text(place: Place, value: Any, tell: Tell) -> str:
    if not isinstance(value, str):
        tell(place, " must be text in quotes")
    elif not value:
        tell(place, " is empty")
    return str(value)


def _texts(place: Place, value: Any, tell: Tell) -> tuple[str, ...]:
    if isinstance(value, str):
        return (_text(place, value, tell),)
    if not isinstance(value, list | tuple):
        tell(place, " must be text, or a list of texts")
        return ()
    return tuple(_text((*place, str(number)), each, tell) for number, each in enumerate(value))
