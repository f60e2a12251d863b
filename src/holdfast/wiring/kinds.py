"""Which class stands behind which source URL; a kind's module is loaded only when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.model.errors import MissingTool, UsageError
from holdfast.model.secret import Secret, split_password
from holdfast.sources.base import Source
from holdfast.wiring import places
from holdfast.wiring.settings import SourceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrounding:
    """What a source has to know of the rest: the environment for its client, and what it must leave out."""

    environ: Mapping[str, str] = field(repr=False)
    repository_url: str
    own_folders: tuple[Path, ...]

    def own_places(self) -> tuple[str, ...]:
        """What never belongs into a snapshot of files: cache, state, and a repository on this machine."""
        repository = places.local_path(self.repository_url)
        beside = [f"{repository}{ending}" for ending in ("", "-wal", "-shm", "-journal")] if repository else []
        return (*map(str, self.own_folders), *beside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One source to be made."""

    name: str
    settings: SourceSettings
    password: Secret | None
    surrounding: Surrounding


def build(name: str, settings: SourceSettings, password: Secret | None, surrounding: Surrounding) -> Source:
    """The source that ``settings`` describe."""
    factory = _FACTORIES[places.source_scheme(settings.url)]
    return factory(Order(name=name, settings=settings, password=password, surrounding=surrounding))


def build_at(kind: str, place: str, surrounding: Surrounding, *, folder: Path, home: Path) -> Source:
    """A source of ``kind`` at ``place``, which is a URL or, for files and SQLite, a path."""
    scheme = next((scheme for scheme, name in KINDS.items() if name == kind), None)
    if scheme is None:
        raise UsageError(f"this holdfast knows no source of kind {kind!r}")
    url, password = split_password(place)
    if places.local_path(f"{scheme}:") is not None and not url.startswith(f"{scheme}:"):
        url = f"{scheme}:{url}"
    if places.source_scheme(url) != scheme:
        raise UsageError(f"a {kind} snapshot cannot go there", where=url, hint=f"give a {scheme}: URL")
    secret = Secret(password, "the URL given") if password else None
    return build(kind, SourceSettings(url=places.absolute(url, folder, home)), secret, surrounding)


KINDS = {"postgresql": "postgres", "sqlite": "sqlite", "mongodb": "mongodb", "files": "files"}
"""URL scheme -> the kind that snapshots name."""


def nowhere(kind: str) -> str:
    """A place of ``kind`` that is never gone to, for a source that only looks into snapshots."""
    scheme = next((scheme for scheme, name in KINDS.items() if name == kind), kind)
    return f"{scheme}://localhost/nowhere" if kind in ("postgres", "mongodb") else f"{scheme}:/nowhere"


def _path(order: Order) -> str:
    return order.settings.url.partition(":")[2]


def _postgres(order: Order) -> Source:
    from holdfast.sources.postgres.source import PostgresSource

    settings = order.settings
    return PostgresSource(
        settings.url,
        order.password.reveal() if order.password else None,
        tables=settings.tables,
        exclude=settings.exclude,
        owner=settings.owner,
        acl=settings.acl,
        allow_write_token=settings.allow_write_token,
        exclude_repository_table=places.table_inside(order.surrounding.repository_url, settings.url),
        environ=order.surrounding.environ,
    )


def _sqlite(order: Order) -> Source:
    from holdfast.sources.sqlite import SqliteSource
    from holdfast.sources.sqlite.settings import Settings

    return SqliteSource(_path(order), Settings(encrypted=order.settings.encrypted))


def _mongodb(order: Order) -> Source:
    try:
        from holdfast.sources.mongodb.source import MongoSource
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pymongo", "bson"):
            raise
        raise MissingTool(
            "MongoDB sources need the package pymongo, which is not installed",
            where=order.settings.url,
            hint="pip install 'holdfast[mongodb]'",
        ) from error
    settings = order.settings
    return MongoSource(
        settings.url,
        order.password.reveal() if order.password else None,
        collections=settings.collections,
        exclude=settings.exclude,
    )


def _files(order: Order) -> Source:
    from holdfast.sources.files import FilesSource

    settings = order.settings
    return FilesSource(
        _path(order),
        settings.exclude,
        exclude_caches=settings.exclude_caches,
        one_file_system=settings.one_file_system,
        skip=order.surrounding.own_places(),
    )


_FACTORIES: dict[str, Callable[[Order], Source]] = {
    "postgresql": _postgres,
    "sqlite": _sqlite,
    "mongodb": _mongodb,
    "files": _files,
}
