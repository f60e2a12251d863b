"""Finds holdfast.toml, reads it, and turns whatever is wrong with it into words."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from holdfast.model.errors import UsageError
from holdfast.system import clock
from holdfast.wiring import places
from holdfast.wiring.settings import ONLY_FOR, RepositorySettings, Settings, SourceSettings
from holdfast.wiring.shapes import ShapeError, known_keys, settings_of
from holdfast.wiring.surroundings import Surroundings

FILE_NAME = "holdfast.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Settings with absolute places. ``path`` is the file they came from, None when only a URL was given."""

    settings: Settings
    path: Path | None
    text: str
    around: Surroundings

    @property
    def base(self) -> Path:
        """What relative paths in references begin at."""
        return self.path.parent if self.path else self.around.folder


def find(around: Surroundings, given: str | None = None) -> Path:
    """The configuration file to use. UsageError, with every place looked at, when there is none."""
    named = given or around.environ.get("HOLDFAST_CONFIG")
    if named:
        path = around.folder / named
        path = path / FILE_NAME if path.is_dir() else path
        if not path.exists():
            raise UsageError(
                "the configuration file does not exist",
                where=str(path),
                hint="make one: holdfast init" if given else "HOLDFAST_CONFIG names it; correct or unset it",
            )
        return path
    places_to_look = usual_places(around)
    for path in places_to_look:
        if path.exists():
            return path
    raise UsageError(
        "there is no configuration yet",
        why=f"looked for {', '.join(map(str, places_to_look))}",
        hint="make one: holdfast init, or name it: holdfast -c PATH",
    )


def usual_places(around: Surroundings) -> list[Path]:
    """Where holdfast.toml is looked for when nobody names it, first match wins."""
    general = around.environ.get("XDG_CONFIG_HOME", "")
    user = Path(general) if os.path.isabs(general) else around.home / ".config"
    return [around.folder / FILE_NAME, user / "holdfast" / FILE_NAME, Path("/etc/holdfast") / FILE_NAME]


def load(path: Path, around: Surroundings) -> Configuration:
    """Read one file. UsageError names the key, the file and, for an unknown key, the nearest known one."""
    return from_text(_read(path), path, around)


def from_text(text: str, path: Path, around: Surroundings) -> Configuration:
    """The configuration that ``text`` would be at ``path``."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError("the configuration is not valid TOML", where=str(path), why=str(error)) from error
    settings = parse(document, str(path))
    return Configuration(settings=_absolute(settings, path.parent, around), path=path, text=text, around=around)


def for_repository(url: str, around: Surroundings) -> Configuration:
    """A configuration of nothing but a repository: for a bare machine, with no holdfast.toml at hand."""
    places.refuse_password(url, "the repository", "REPOSITORY_PASSWORD")
    settings = Settings(repository=RepositorySettings(url=places.absolute(url, around.folder, around.home)))
    return Configuration(settings=settings, path=None, text="", around=around)


def parse(document: dict[str, Any], where: str) -> Settings:
    """Check a parsed document against the shape of holdfast.toml."""
    try:
        settings = settings_of(document)
    except ShapeError as error:
        raise _in_words(error, where) from error
    places.refuse_password(settings.repository.url, "[repository]", "REPOSITORY_PASSWORD")
    _refuse_memory(settings.repository.url, where)
    for name, source in settings.sources.items():
        _check_source(name, source, document["sources"][name].keys(), where)
    return settings


def doubts(settings: Settings) -> list[str]:
    """What is allowed but hardly meant."""
    groups = places.shared({name: source.url for name, source in settings.sources.items()})
    same = [f"the sources {' and '.join(names)} are the same place: it is saved {len(names)} times" for names in groups]
    return [*same, *_deaf_channels(settings), *_doubtful_schedules(settings)]


def _deaf_channels(settings: Settings) -> list[str]:
    """Those that listen for a source that is not there."""
    return [
        f"the channel {name} is to hear of {source!r}, and no source is called that"
        for name, channel in (settings.alerts.channels or {}).items()
        for source in channel.sources
        if source not in settings.sources
    ]


def _doubtful_schedules(settings: Settings) -> list[str]:
    """Those that cannot hold their RPO, or are not what they are called."""
    from holdfast.planning.schedule_judging import judge  # a year of appointments: only for who asks
    from holdfast.wiring.policies import policies

    found = [finding for policy in policies(settings).values() for finding in judge(policy, clock.now())]
    return [finding.what for finding in found]


def _refuse_memory(url: str, where: str) -> None:
    if url.partition(":")[0].lower() == "memory":
        raise UsageError(
            "a repository in memory is gone when the command ends",
            where=where,
            hint='name a folder or a store: url = "./backups"',
        )


def _check_source(name: str, source: SourceSettings, given: AbstractSet[str], where: str) -> None:
    places.refuse_password(source.url, f"[sources.{name}]", places.password_variable(name))
    scheme = places.source_scheme(source.url)
    for key in sorted(given & ONLY_FOR.keys()):
        if scheme not in ONLY_FOR[key]:
            raise UsageError(
                f"[sources.{name}] {key} has no meaning for a {scheme}: source",
                where=where,
                hint=f"{key} belongs to {' and '.join(ONLY_FOR[key])} sources; take the line out",
            )


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise UsageError(
            "the configuration cannot be read", where=str(path), why=error.strerror or str(error)
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError("the configuration is not UTF-8 text", where=str(path), why=str(error)) from error


def _absolute(settings: Settings, base: Path, around: Surroundings) -> Settings:
    def fix(url: str) -> str:
        return places.absolute(url, base, around.home)

    repository = replace(settings.repository, url=fix(settings.repository.url))
    sources = {name: replace(source, url=fix(source.url)) for name, source in settings.sources.items()}
    return replace(settings, repository=repository, sources=sources)


def _in_words(error: ShapeError, where: str) -> UsageError:
    first, *others = error.problems
    more = f"{len(others)} more to correct" if others else ""
    if first.unknown:
        return _unknown_key(first.place, where, more)
    what = ".".join(first.place) + first.words
    return UsageError(what, where=where, why=more, hint="holdfast config validate checks the file")


def _unknown_key(place: tuple[str, ...], where: str, more: str) -> UsageError:
    import difflib  # a third of what reading the settings costs, for a mistake few files have

    known = known_keys(place[:-1])
    near = difflib.get_close_matches(place[-1], known, n=1, cutoff=0.5)
    return UsageError(
        f"unknown key {'.'.join(place)}",
        where=where,
        why=more,
        hint=f"did you mean {'.'.join((*place[:-1], near[0]))}?" if near else f"known here: {', '.join(known)}",
    )
