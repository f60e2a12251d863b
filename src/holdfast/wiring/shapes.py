"""From a parsed document to settings: every key known, every value of its kind, and all problems told at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from holdfast.model.keeping import KeepRules
from holdfast.wiring import checks, sections
from holdfast.wiring.checks import Place, Problem
from holdfast.wiring.entity_shapes import EDGE_KEYS, ENTITY_KEYS, entities_of
from holdfast.wiring.settings import RepositorySettings, Settings, SourceSettings, check_source_name

# sections that are one table each
_TABLES: dict[str, type[Any]] = {
    "defaults": sections.DefaultSettings,
    "running": sections.RunningSettings,
    "journal": sections.JournalSettings,
    "audit": sections.AuditSettings,
    "serve": sections.ServeSettings,
    "alerts": sections.AlertSettings,
    "cost": sections.CostSettings,
    "secrets": sections.SecretSettings,
}
_SHAPES = {"repository": RepositorySettings, "sources": SourceSettings, "tiers": sections.TierSettings, **_TABLES}
_WITHIN: dict[str, type[Any]] = {
    "schedules": sections.ScheduleSettings,
    "health": sections.HealthSettings,
    "channels": sections.ChannelSettings,
    "aliases": sections.AliasSettings,
}


@dataclass(slots=True)
class ShapeError(Exception):
    """The document is not a configuration; ``problems`` in the order of the settings."""

    problems: list[Problem] = field(default_factory=list)


def settings_of(document: Mapping[str, Any]) -> Settings:
    """The settings of a parsed holdfast.toml; ShapeError with everything that is wrong with it."""
    problems: list[Problem] = []
    repository: dict[str, Any] | None = None
    if "repository" in document:
        repository = checks.table(("repository",), document["repository"], RepositorySettings, problems)
    else:
        problems.append(Problem(("repository",), " is missing"))
    sources = _sources(document.get("sources", {}), problems)
    entities = entities_of(document.get("entities", {}), lambda place, words: problems.append(Problem(place, words)))
    tiers = _tiers(document.get("tiers", {}), problems)
    found = {
        name: checks.table((name,), document[name], shape, problems)
        for name, shape in _TABLES.items()
        if name in document
    }
    checks.unknown_keys((), document, (each.name for each in fields(Settings)), problems)
    if problems or repository is None:
        raise ShapeError(problems)
    return Settings(
        repository=RepositorySettings(**repository),
        sources={name: SourceSettings(**values) for name, values in sources.items()},
        entities=entities,
        tiers=tiers,
        **{name: _TABLES[name](**values) for name, values in found.items()},
    )


def known_keys(parent: Place) -> list[str]:
    """The keys that may stand in a table of the document."""
    if parent[:1] == ("entities",):
        return list(EDGE_KEYS if "edges" in parent else ENTITY_KEYS)
    if "keep" in parent:
        return [each.name for each in fields(KeepRules)]
    inner = next((_WITHIN[each] for each in reversed(parent) if each in _WITHIN), None)
    shape = inner or (_SHAPES.get(parent[0], Settings) if parent else Settings)
    return [each.name for each in fields(shape)]


def _sources(given: Any, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    if not isinstance(given, Mapping):
        problems.append(Problem(("sources",), checks.NO_TABLE))
        return {}
    found = {}
    for name, table in given.items():
        try:
            check_source_name(name)
        except ValueError as error:
            problems.append(Problem(("sources", name), f": {error}"))
        found[name] = checks.table(("sources", name), table, SourceSettings, problems)
    return found


def _tiers(given: Any, problems: list[Problem]) -> dict[str, sections.TierSettings]:
    if not isinstance(given, Mapping):
        problems.append(Problem(("tiers",), checks.NO_TABLE))
        return {}
    strange = [str(name) for name in given if name not in sections.TIERS]
    problems += [Problem(("tiers", name), f" is no tier: {', '.join(sections.TIERS)}") for name in strange]
    read = checks.by_name(checks.of_shape(sections.TierSettings))
    tiers: dict[str, sections.TierSettings] = read(("tiers",), given, problems)
    return tiers
