"""From a parsed document to settings: every key known, every value of its kind, and all problems told at once.

Written out by hand: a library that makes such checks out of annotations takes longer to load than a short command
takes to run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from holdfast.wiring.entity_shapes import EDGE_KEYS, ENTITY_KEYS, entities_of
from holdfast.wiring.settings import (
    RepositorySettings,
    Settings,
    SourceSettings,
    check_reference,
    check_source_name,
)

Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one place. ``words`` follow the key; for an unknown key there are none."""

    place: Place
    words: str = ""

    @property
    def unknown(self) -> bool:
        """Whether nobody knows such a key."""
        return not self.words


@dataclass(slots=True)
class ShapeError(Exception):
    """The document is not a configuration; ``problems`` in the order of the settings."""

    problems: list[Problem] = field(default_factory=list)


def settings_of(document: Mapping[str, Any]) -> Settings:
    """The settings of a parsed holdfast.toml; ShapeError with everything that is wrong with it."""
    problems: list[Problem] = []
    repository: dict[str, Any] | None = None
    if "repository" in document:
        repository = _table(("repository",), document["repository"], RepositorySettings, problems)
    else:
        problems.append(Problem(("repository",), " is missing"))
    sources = _sources(document.get("sources", {}), problems)
    entities = entities_of(document.get("entities", {}), lambda place, words: problems.append(Problem(place, words)))
    problems += [Problem((key,)) for key in document if key not in ("repository", "sources", "entities")]
    if problems or repository is None:
        raise ShapeError(problems)
    return Settings(
        repository=RepositorySettings(**repository),
        sources={name: SourceSettings(**values) for name, values in sources.items()},
        entities=entities,
    )


def known_keys(parent: Place) -> list[str]:
    """The keys that may stand in a table of the document."""
    if parent[:1] == ("entities",):
        return list(EDGE_KEYS if "edges" in parent else ENTITY_KEYS)
    shapes: dict[str, type[Any]] = {"repository": RepositorySettings, "sources": SourceSettings}
    return [each.name for each in fields(shapes.get(parent[0], Settings) if parent else Settings)]


def _sources(given: Any, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    if not isinstance(given, Mapping):
        problems.append(Problem(("sources",), _NO_TABLE))
        return {}
    found = {}
    for name, table in given.items():
        try:
            check_source_name(name)
        except ValueError as error:
            problems.append(Problem(("sources", name), f": {error}"))
        found[name] = _table(("sources", name), table, SourceSettings, problems)
    return found


def _table(place: Place, given: Any, shape: type[Any], problems: list[Problem]) -> dict[str, Any]:
    """The values for ``shape`` that stand in one table."""
    if not isinstance(given, Mapping):
        problems.append(Problem(place, _NO_TABLE))
        return {}
    values = {}
    known = fields(shape)
    for each in known:
        if each.name in given:
            values[each.name] = _CHECKS[each.name]((*place, each.name), given[each.name], problems)
        elif each.default is MISSING:
            problems.append(Problem((*place, each.name), " is missing"))
    names = {each.name for each in known}
    problems += [Problem((*place, key)) for key in given if key not in names]
    return values


def _text(place: Place, value: Any, problems: list[Problem]) -> Any:
    if not isinstance(value, str):
        problems.append(Problem(place, " must be text in quotes"))
    elif not value:
        problems.append(Problem(place, " is empty"))
    return value


def _reference(place: Place, value: Any, problems: list[Problem]) -> Any:
    before = len(problems)
    _text(place, value, problems)
    if len(problems) == before:
        try:
            check_reference(value)
        except ValueError as error:
            problems.append(Problem(place, f": {error}"))
    return value


def _flag(place: Place, value: Any, problems: list[Problem]) -> Any:
    if not isinstance(value, bool):
        problems.append(Problem(place, " must be true or false"))
    return value


def _texts(place: Place, value: Any, problems: list[Problem]) -> Any:
    if not isinstance(value, list | tuple):
        problems.append(Problem(place, " must be a list"))
        return ()
    return tuple(_text((*place, str(number)), each, problems) for number, each in enumerate(value))


_NO_TABLE = " must be a table of its own"
_CHECKS: dict[str, Callable[[Place, Any, list[Problem]], Any]] = {
    "url": _text,
    "passphrase": _reference,
    "password": _reference,
    "single_writer": _flag,
    "tables": _texts,
    "collections": _texts,
    "exclude": _texts,
    "owner": _flag,
    "acl": _flag,
    "allow_write_token": _flag,
    "exclude_caches": _flag,
    "one_file_system": _flag,
}
