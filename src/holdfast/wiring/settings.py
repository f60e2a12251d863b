"""The shape of holdfast.toml: a repository and the sources it protects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from holdfast.entities.declared import Declaration
from holdfast.model.keeping import KeepRules
from holdfast.wiring import checks, sections
from holdfast.wiring.checks import checked
from holdfast.wiring.surroundings import PASSPHRASE
from holdfast.wiring.units import duration_text

_SOURCE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\Z")


def check_source_name(name: str) -> str:
    """Names stand in commands such as ``latest:shop``; ValueError when one would not survive that."""
    if not _SOURCE_NAME.match(name) or name == "latest":
        raise ValueError("a source name is letters, digits, dots, dashes and underscores, up to 64, not 'latest'")
    return name


@dataclass(frozen=True, kw_only=True)
class RepositorySettings:
    """Where snapshots are kept, and what opens it.

    ``single_writer`` allows a store that cannot refuse to overwrite, for one writer at a time.
    """

    url: str = checked(checks.text)
    passphrase: str = checked(checks.reference, f"env:{PASSPHRASE}")
    password: str | None = checked(checks.reference, None)
    single_writer: bool = checked(checks.flag, False)  # noqa: FBT003 - the default of the field


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """One part of the application; ONLY_FOR tells which key speaks of which kind.

    ``exclude`` patterns of tables or collections, or gitignore lines. ``allow_write_token``: one row may be written
    into a table of holdfast's own, so that unchanged data can be skipped safely across restarts of the server.
    ``exclude_caches`` leaves folders marked with CACHEDIR.TAG out, ``one_file_system`` stays on the file system
    the folder is on. ``encrypted``: only its application can read this SQLite database. From ``tier`` on: None takes
    what the tier and [defaults] say.
    """

    url: str = checked(checks.text)
    password: str | None = checked(checks.reference, None)
    tables: tuple[str, ...] = checked(checks.texts, ())
    collections: tuple[str, ...] = checked(checks.texts, ())
    exclude: tuple[str, ...] = checked(checks.texts, ())
    owner: bool = checked(checks.flag, True)  # noqa: FBT003 - here and below: the default of the field
    acl: bool = checked(checks.flag, True)  # noqa: FBT003
    allow_write_token: bool = checked(checks.flag, True)  # noqa: FBT003
    exclude_caches: bool = checked(checks.flag, False)  # noqa: FBT003
    one_file_system: bool = checked(checks.flag, False)  # noqa: FBT003
    encrypted: bool = checked(checks.flag, False)  # noqa: FBT003
    tier: str | None = checked(checks.one_of(*sections.TIERS), None)
    environment: str | None = checked(checks.text, None)
    timezone: str | None = checked(checks.zone, None)
    keep: KeepRules | None = checked(sections.keep, None)
    keep_triggers: tuple[str, ...] | None = checked(sections.triggers, None)
    schedules: tuple[sections.ScheduleSettings, ...] | None = checked(sections.schedules, None)
    health: sections.HealthSettings | None = checked(checks.of_shape(sections.HealthSettings), None)

    @property
    def scheme(self) -> str:
        """ "postgresql", "sqlite", "mongodb" or "files"; "" when the URL has none."""
        head, colon, _ = self.url.partition(":")
        return SCHEMES.get(head.lower(), head.lower()) if colon else ""


SCHEMES = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "sqlite": "sqlite",
    "mongodb": "mongodb",
    "mongodb+srv": "mongodb",
    "files": "files",
}

ONLY_FOR = {
    "password": ("postgresql", "mongodb"),
    "tables": ("postgresql",),
    "collections": ("mongodb",),
    "owner": ("postgresql",),
    "acl": ("postgresql",),
    "allow_write_token": ("postgresql",),
    "exclude": ("postgresql", "mongodb", "files"),
    "exclude_caches": ("files",),
    "one_file_system": ("files",),
    "encrypted": ("sqlite",),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole file."""

    repository: RepositorySettings
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)
    entities: Mapping[str, Declaration] = field(default_factory=dict)
    defaults: sections.DefaultSettings = field(default_factory=sections.DefaultSettings)
    tiers: Mapping[str, sections.TierSettings] = field(default_factory=dict)
    running: sections.RunningSettings = field(default_factory=sections.RunningSettings)
    journal: sections.JournalSettings = field(default_factory=sections.JournalSettings)
    audit: sections.AuditSettings = field(default_factory=sections.AuditSettings)
    serve: sections.ServeSettings = field(default_factory=sections.ServeSettings)
    alerts: sections.AlertSettings = field(default_factory=sections.AlertSettings)
    cost: sections.CostSettings | None = None
    secrets: sections.SecretSettings = field(default_factory=sections.SecretSettings)

    def plain(self) -> dict[str, Any]:
        """As JSON would hold it; what is not set is left out."""
        whole: dict[str, Any] = _plain(asdict(self))
        return whole


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {"from" if key == "from_" else key: _plain(each) for key, each in value.items() if each is not None}
    if isinstance(value, timedelta):
        return duration_text(value)
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
