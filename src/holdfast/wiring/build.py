"""Settings become live objects: one repository and the sources, each opened when first needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Thread

from holdfast.model.errors import Damaged, HoldfastError, ObjectMissing, RepositoryMissing, UsageError
from holdfast.model.secret import Secret, split_password
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.layout import ROOT
from holdfast.repository.repository import Places, Repository
from holdfast.sources.base import Source
from holdfast.storage.base import Storage
from holdfast.storage.registry import open_storage
from holdfast.storage.throttle import throttled
from holdfast.usecases.setup import is_there
from holdfast.wiring import kinds, places
from holdfast.wiring.load import Configuration
from holdfast.wiring.settings import Settings, SourceSettings
from holdfast.wiring.surroundings import PASSPHRASE, PASSPHRASE_FILE

Ask = Callable[[str], Secret | None]


def _start(work: Callable[[], Repository]) -> Future[Repository]:
    """Run ``work`` in a thread of its own, which does not keep the program from ending."""
    future: Future[Repository] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - told to whoever asks for the result
            future.set_exception(error)

    Thread(target=run, name="open", daemon=True).start()
    return future


class App:
    """What a face works with. ``ask`` is called for a passphrase that is given nowhere; None means nobody answers.

    ``warn`` hears what is wrong with the repository when it is opened; ``on_open`` is told of the open repository
    before anybody works with it, and may refuse by raising.
    """

    def __init__(
        self, configuration: Configuration, ask: Ask, warn: Callable[[str], None] = lambda _text: None
    ) -> None:
        self.configuration = configuration
        self._ask = ask
        self._warn = warn
        self._storage: Storage | None = None
        self._repository: Repository | None = None
        self._opening: Future[Repository] | None = None
        self._sources: dict[str, Source] = {}
        self.on_open: Callable[[Repository], None] = lambda _repository: None

    @property
    def settings(self) -> Settings:
        """What the configuration says."""
        return self.configuration.settings

    @property
    def environments(self) -> dict[str, str]:
        """What each source is a part of: "production", say."""
        settings = self.settings
        return {name: each.environment or settings.defaults.environment for name, each in settings.sources.items()}

    @property
    def places(self) -> Places:
        """This client's folders."""
        around = self.configuration.around
        return Places(cache=around.cache, state=around.state)

    # the repository

    def open_storage(self) -> Storage:
        """A new connection to the repository's store; the caller closes it."""
        repository = self.settings.repository
        password = None
        if repository.password:
            password = self.configuration.around.resolve(repository.password, self.configuration.base).reveal()
        storage = open_storage(repository.url, credentials=self.configuration.around.environ, password=password)
        rate = self.settings.running.bandwidth
        return throttled(storage, rate) if rate else storage

    def passphrase(self) -> Secret:
        """From the environment, else the reference in the file, else the person. UsageError when nobody knows it."""
        around = self.configuration.around
        if (found := around.passphrase_from_environment()) is not None:
            return found
        reference = self.settings.repository.passphrase
        if reference != f"env:{PASSPHRASE}":
            return around.resolve(reference, self.configuration.base)
        if (typed := self._ask(self.settings.repository.url)) is not None:
            return typed
        raise UsageError(
            "the repository's passphrase is not given",
            where=self.settings.repository.url,
            hint=f"export {PASSPHRASE}=… or {PASSPHRASE_FILE}=PATH",
        )

    def _require_repository(self) -> None:
        """RepositoryMissing: nobody should be asked for the passphrase of what is not there."""
        try:
            self.storage.stat(ROOT)
        except ObjectMissing as error:
            raise RepositoryMissing(
                "there is no repository here",
                where=self.storage.url,
                hint="holdfast init creates one; check the url in holdfast.toml",
            ) from error

    def resolve_references(self) -> list[str]:
        """Every reference to a secret in the configuration, each found; UsageError for the first that is not."""
        around, base, repository = self.configuration.around, self.configuration.base, self.settings.repository
        given = [source.password for source in self.settings.sources.values()]
        references = [reference for reference in (repository.password, *given) if reference]
        for reference in references:
            around.resolve(reference, base)
        return [self.passphrase().origin, *references]

    def secret_files(self) -> list[Path]:
        """The files in which secrets stand."""
        around, base = self.configuration.around, self.configuration.base
        given = [self.settings.repository.passphrase, self.settings.repository.password]
        given += [source.password for source in self.settings.sources.values()]
        found = [base / each.removeprefix("file:") for each in given if each and each.startswith("file:")]
        if path := around.environ.get(PASSPHRASE_FILE):
            found.append(around.folder / path)
        return found

    @property
    def storage(self) -> Storage:
        """The store the repository is in."""
        if self._storage is None:
            self._storage = self.open_storage()
        return self._storage

    def hasten(self) -> None:
        """Begin opening the repository if nobody has to be asked for it. What goes wrong is told when it is needed."""
        around, reference = self.configuration.around, self.settings.repository.passphrase
        with suppress(HoldfastError):
            if around.passphrase_from_environment() is not None or reference != f"env:{PASSPHRASE}":
                self.begin_opening()

    def begin_opening(self) -> None:
        """Open the repository beside what comes next: deriving its key takes as long as loading a source."""
        if self._repository is None and self._opening is None:
            passphrase, storage = self._asked_passphrase(), self.storage
            self._opening = _start(lambda: Repository.open(storage, passphrase.reveal(), self.places))

    @property
    def repository(self) -> Repository:
        """The open repository."""
        if self._repository is None:
            self.begin_opening()
            opening, self._opening = self._opening, None
            assert opening is not None  # noqa: S101 - begin_opening has just made it
            try:
                repository = opening.result()
            except Damaged:
                is_there(self.storage)  # a log that is gone is no init that was cut off
                raise
            for damage in repository.log.damages:
                self._warn(
                    f"the repository's log is damaged: {damage.what} ({damage.where}). It can be read, not written;"
                    " snapshots may be missing or back that were forgotten: holdfast check"
                )
            self._admit(repository)
            return repository
        return self._repository

    def _admit(self, repository: Repository) -> None:
        """Let work begin, unless ``on_open`` refuses: then it is as if it had never been opened."""
        try:
            self.on_open(repository)
        except BaseException:
            self._storage = None
            repository.close()
            raise
        repository.environments = self.environments
        self._repository = repository

    def _asked_passphrase(self) -> Secret:
        if self.configuration.around.passphrase_from_environment() is None:
            self._require_repository()
        return self.passphrase()

    # the sources

    def source(self, name: str) -> Source:
        """One source of the configuration. UsageError when there is none of that name."""
        if name not in self._sources:
            settings = self.settings.sources.get(name)
            if settings is None:
                known = ", ".join(self.settings.sources) or "none"
                raise UsageError(f"there is no source {name!r} in the configuration", why=f"known: {known}")
            self._sources[name] = self._build(name, settings)
        return self._sources[name]

    def sources(self, names: Sequence[str] = ()) -> dict[str, Source]:
        """The sources named, or all of them; UsageError when there are none at all."""
        if not self.settings.sources:
            raise UsageError(
                "the configuration names no source",
                where=str(self.configuration.path or ""),
                hint='add one: [sources.shop] with url = "postgresql://app@localhost/shop"',
            )
        return {name: self.source(name) for name in dict.fromkeys(names or self.settings.sources)}

    def stand_in(self, kind: str, place: str) -> Source:
        """A source that is not in the configuration, for restoring a snapshot of ``kind`` into ``place``."""
        around = self.configuration.around
        return kinds.build_at(kind, place, self._surrounding_of(), folder=around.folder, home=around.home)

    def source_of(self, info: SnapshotInfo, to: str | None) -> Source:
        """The source that can restore a snapshot: that of the configuration, else one standing at ``to``."""
        configured = self.settings.sources.get(info.source)
        if configured is not None and kinds.KINDS[configured.scheme] == info.kind:
            return self.source(info.source)
        if to is None:
            raise UsageError(
                f"the configuration has no {info.kind} source {info.source!r}, so the snapshot has no place of its own",
                hint="say where it goes: --to URL or PATH",
            )
        return self.stand_in(info.kind, to)

    def reader_of(self, info: SnapshotInfo) -> Source:
        """The source that looks into a snapshot: the configured one, else one of its kind that stands nowhere."""
        configured = self.settings.sources.get(info.source)
        if configured is not None and kinds.KINDS[configured.scheme] == info.kind:
            return self.source(info.source)
        return self.stand_in(info.kind, kinds.nowhere(info.kind))

    def elsewhere(self, url: str) -> Source:
        """The source at a URL from the command line; its password is known to the redactor from then on."""
        bare, password = split_password(url)
        if password:
            self.configuration.around.redactor.learn(Secret(password, "the URL given"))
        return self.stand_in(kinds.KINDS[places.source_scheme(bare)], url)

    def archive_script(self, path: Path) -> Iterator[bytes]:
        """The script in a custom archive of pg_dump."""
        from holdfast.sources.postgres.archive_script import script_of

        return script_of(path, self.configuration.around.environ)

    def place(self, kind: str, to: str) -> str:
        """``to`` from the command line, with its password known to the redactor and relative paths resolved."""
        around = self.configuration.around
        bare, password = split_password(to)
        if password:
            around.redactor.learn(Secret(password, "--to"))
        scheme = places.scheme_of(bare)
        if scheme is not None and kinds.KINDS[scheme] != kind:
            raise UsageError(f"a {kind} snapshot cannot be restored into a {scheme} place", where=bare)
        return to if kind in ("postgres", "mongodb") else places.absolute(to, around.folder, around.home)

    @property
    def width(self) -> int:
        """How many lanes are worth having on this machine."""
        return max(2, min(8, os.cpu_count() or 2))

    def _build(self, name: str, settings: SourceSettings) -> Source:
        around = self.configuration.around
        password = None
        if settings.password:
            password = around.resolve(settings.password, self.configuration.base)
        return kinds.build(name, settings, password, self._surrounding_of())

    def _surrounding_of(self) -> kinds.Surrounding:
        around = self.configuration.around
        return kinds.Surrounding(
            environ=around.environ, repository_url=self.settings.repository.url, own_folders=self._own_folders()
        )

    def _own_folders(self) -> tuple[Path, ...]:
        """What never belongs into a snapshot of files: cache and state."""
        return (self.places.cache, self.places.state)

    def refresh(self) -> None:
        """Learn what others did to the repository since it was opened. RepositoryMissing when it went away."""
        if self._repository is not None:
            self._require_repository()
            self._repository.log.follow()

    def close(self) -> None:
        """Close what was opened; the repository closes its store."""
        repository, storage = self._repository, self._storage
        self._repository = self._storage = None
        if repository is not None:
            repository.close()
        elif storage is not None:
            storage.close()
