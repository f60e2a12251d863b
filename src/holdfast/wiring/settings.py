"""The shape of holdfast.toml: a repository and the sources it protects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from holdfast.entities.declared import Declaration
from holdfast.wiring.surroundings import PASSPHRASE, REFERENCE_FORMS

_REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|(file|cmd|credential):.+)\Z", re.DOTALL)
_SOURCE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\Z")


def check_reference(text: str) -> str:
    """A secret is only ever referred to; ValueError for anything else (the value is not repeated)."""
    if not _REFERENCE.match(text):
        raise ValueError(f"a secret is not written here but referred to: {REFERENCE_FORMS}")
    return text


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

    url: str
    passphrase: str = f"env:{PASSPHRASE}"
    password: str | None = None
    single_writer: bool = False


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """One part of the application; ONLY_FOR tells which key speaks of which kind.

    ``exclude`` patterns of tables or collections, or gitignore lines. ``allow_write_token``: one row may be written
    into a table of holdfast's own, so that unchanged data can be skipped safely across restarts of the server.
    ``exclude_caches`` leaves folders marked with CACHEDIR.TAG out, ``one_file_system`` stays on the file system
    the folder is on.
    """

    url: str
    password: str | None = None
    tables: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    owner: bool = True
    acl: bool = True
    allow_write_token: bool = True
    exclude_caches: bool = False
    one_file_system: bool = False

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
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole file."""

    repository: RepositorySettings
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)
    entities: Mapping[str, Declaration] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As JSON would hold it; what is not set is left out."""
        whole: dict[str, Any] = _plain(asdict(self))
        return whole


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {"from" if key == "from_" else key: _plain(each) for key, each in value.items() if each is not None}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
