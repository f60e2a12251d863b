"""Finds holdfast.toml, reads it, and turns whatever is wrong with it into words."""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from holdfast.model.errors import UsageError
from holdfast.wiring import places
from holdfast.wiring.settings import ONLY_FOR, RepositorySettings, Settings, SourceSettings
from holdfast.wiring.surroundings import Surroundings

FILE_NAME = "holdfast.toml"

# what pydantic calls it -> what a person would
_WORDS = {
    "missing": "{key} is missing",
    "string_type": "{key} must be text in quotes",
    "string_too_short": "{key} is empty",
    "bool_type": "{key} must be true or false",
    "bool_parsing": "{key} must be true or false",
    "tuple_type": "{key} must be a list",
    "dict_type": "{key} must be a table of its own",
    "model_type": "{key} must be a table of its own",
}


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
        settings = Settings.model_validate(document)
    except ValidationError as error:
        raise _in_words(error, where) from error
    places.refuse_password(settings.repository.url, "[repository]", "REPOSITORY_PASSWORD")
    _refuse_memory(settings.repository.url, where)
    for name, source in settings.sources.items():
        _check_source(name, source, where)
    return settings


def doubts(settings: Settings) -> list[str]:
    """What is allowed but hardly meant."""
    groups = places.shared({name: source.url for name, source in settings.sources.items()})
    return [f"the sources {' and '.join(names)} are the same place: it is saved {len(names)} times" for names in groups]


def _refuse_memory(url: str, where: str) -> None:
    if url.partition(":")[0].lower() == "memory":
        raise UsageError(
            "a repository in memory is gone when the command ends",
            where=where,
            hint='name a folder or a store: url = "./backups"',
        )


def _check_source(name: str, source: SourceSettings, where: str) -> None:
    places.refuse_password(source.url, f"[sources.{name}]", places.password_variable(name))
    scheme = places.source_scheme(source.url)
    for key in source.model_fields_set & ONLY_FOR.keys():
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

    repository = settings.repository.model_copy(update={"url": fix(settings.repository.url)})
    sources = {name: source.model_copy(update={"url": fix(source.url)}) for name, source in settings.sources.items()}
    return settings.model_copy(update={"repository": repository, "sources": sources})


def _in_words(error: ValidationError, where: str) -> UsageError:
    problems = error.errors(include_input=False, include_url=False)
    first = problems[0]
    location = tuple(part for part in first["loc"] if part != "[key]")
    key = _dotted(location)
    more = f"{len(problems) - 1} more to correct" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        return _unknown_key(location, where, more)
    words = _WORDS.get(first["type"])
    what = words.format(key=key) if words else f"{key}: {first['msg'].removeprefix('Value error, ')}"
    return UsageError(what, where=where, why=more, hint="holdfast config validate checks the file")


def _unknown_key(location: tuple[str | int, ...], where: str, more: str) -> UsageError:
    known = _known_keys(location[:-1])
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return UsageError(
        f"unknown key {_dotted(location)}",
        where=where,
        why=more,
        hint=f"did you mean {_dotted((*location[:-1], near[0]))}?" if near else f"known here: {', '.join(known)}",
    )


def _known_keys(parent: tuple[str | int, ...]) -> list[str]:
    shapes: dict[str, type[BaseModel]] = {"repository": RepositorySettings, "sources": SourceSettings}
    shape = shapes.get(str(parent[0]), Settings) if parent else Settings
    return list(shape.model_fields)


def _dotted(location: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in location)
