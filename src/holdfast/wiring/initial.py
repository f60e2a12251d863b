"""From what a person gives to ``init`` to a setup request: passwords move into files, the rest into TOML."""

from __future__ import annotations

import functools
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from holdfast.model.errors import UsageError
from holdfast.model.secret import Secret, split_password
from holdfast.usecases.setup import SetupRequest
from holdfast.wiring import load, places, toml_text
from holdfast.wiring.build import App, Ask
from holdfast.wiring.settings import RepositorySettings, SourceSettings, check_source_name
from holdfast.wiring.surroundings import PASSPHRASE, PASSPHRASE_FILE, Surroundings

SECRETS_FOLDER = "secrets"


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialWishes:
    """What was asked for. ``typed``: a passphrase from the terminal; None and none in the environment: one is made."""

    config: Path
    repository: str
    sources: Mapping[str, str]
    typed: Secret | None = None
    single_writer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """A request, and what to tell the person about secrets that were moved or made."""

    request: SetupRequest
    app: App
    moved: tuple[tuple[str, Path, str], ...] = ()
    made_passphrase: Path | None = None


def config_path(around: Surroundings, given: str | None) -> Path:
    """Where the configuration of ``init`` goes."""
    named = given or around.environ.get("HOLDFAST_CONFIG")
    path = around.folder / (named or load.FILE_NAME)
    return path / load.FILE_NAME if path.is_dir() else path


def same_place(given: str, configured: str, around: Surroundings) -> bool:
    """Whether a URL from the command line is the (absolute) one of a configuration; passwords do not count."""
    return places.absolute(split_password(given)[0], around.folder, around.home) == configured


def from_existing(path: Path, around: Surroundings, ask: Ask) -> Preparation:
    """Finish what an earlier ``init`` began: the configuration stays, the repository is made when missing."""
    configuration = load.load(path, around)
    app = App(configuration, ask=ask)
    return Preparation(request=_request(app, path, None, {}, app.passphrase()), app=app)


def from_wishes(wishes: InitialWishes, around: Surroundings) -> Preparation:
    """A request that writes everything anew. UsageError for names and URLs that cannot be used."""
    folder = wishes.config.parent
    kept: dict[Path, Secret] = {}
    moved: list[tuple[str, Path, str]] = []

    def without_password(url: str, name: str, variable: str) -> tuple[str, str | None]:
        bare, password = split_password(_for_file(url, folder, around))
        if password is None:
            return bare, None
        path = folder / SECRETS_FOLDER / f"{name}.password"
        kept[path] = around.redactor.learn(Secret(password, f"file:{path}"))
        moved.append((name, path, variable))
        return bare, f"file:{SECRETS_FOLDER}/{path.name}"

    sources = {}
    for name, url in wishes.sources.items():
        _check_name(name)
        places.source_scheme(url)
        bare, reference = without_password(url, name, places.password_variable(name))
        sources[name] = SourceSettings(url=bare, password=reference)
    bare, reference = without_password(wishes.repository, "repository", "REPOSITORY_PASSWORD")
    passphrase, passphrase_reference, made = _passphrase(wishes, around, kept)
    repository = RepositorySettings(
        url=bare, passphrase=passphrase_reference, password=reference, single_writer=wishes.single_writer
    )
    text = toml_text.render(repository, sources)
    app = App(load.from_text(text, wishes.config, around), ask=lambda _url: None)
    request = _request(app, wishes.config, text, kept, passphrase)
    return Preparation(request=request, app=app, moved=tuple(moved), made_passphrase=made)


def _request(app: App, path: Path, text: str | None, kept: Mapping[Path, Secret], passphrase: Secret) -> SetupRequest:
    return SetupRequest(
        config=path,
        text=text,
        secrets=kept,
        passphrase=passphrase,
        places=app.places,
        open_storage=app.open_storage,
        sources={name: functools.partial(app.source, name) for name in app.settings.sources},
    )


def _check_name(name: str) -> None:
    try:
        check_source_name(name)
    except ValueError as error:
        raise UsageError(f"{name!r} cannot be the name of a source", why=str(error)) from error


def _for_file(url: str, folder: Path, around: Surroundings) -> str:
    """As it may stand in the file: relative paths stay when the file is in the folder they begin at."""
    return (
        url if folder == around.folder and not url.startswith("~") else places.absolute(url, around.folder, around.home)
    )


def _passphrase(
    wishes: InitialWishes, around: Surroundings, kept: dict[Path, Secret]
) -> tuple[Secret, str, Path | None]:
    """The passphrase, the reference to write down, and the file when one had to be made."""
    found = around.passphrase_from_environment()
    if found is not None:
        form, _, rest = found.origin.partition(":")
        by_file = form == "file" and around.environ.get(PASSPHRASE_FILE) == rest
        return found, f"file:{os.path.join(around.folder, rest)}" if by_file else found.origin, None
    if wishes.typed is not None:
        return wishes.typed, f"env:{PASSPHRASE}", None
    path = wishes.config.parent / SECRETS_FOLDER / "repository.passphrase"
    reference = f"file:{SECRETS_FOLDER}/{path.name}"
    if path.exists():
        return around.resolve(reference, wishes.config.parent), reference, None
    made = around.redactor.learn(Secret(secrets.token_urlsafe(24), reference))
    kept[path] = made
    return made, reference, path
