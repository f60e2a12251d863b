"""The journal of a configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from holdfast.journal.base import Journal, JournalBroken
from holdfast.journal.forgiving import Forgiving
from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.ids import new_id
from holdfast.model.run import Run, RunStatus
from holdfast.system import clock
from holdfast.wiring.load import Configuration
from holdfast.wiring.places import refuse_password

FILE_NAME = "journal.db"
_TIDIED = "journal/tidied"


def open_journal(configuration: Configuration) -> Journal:
    """Open it, made when it is not there yet. HoldfastError when it cannot be."""
    url = configuration.settings.journal.url
    path = file_of(configuration)
    if path is not None:
        from holdfast.journal.sqlite import SqliteJournal

        return SqliteJournal(path)
    if url is not None and url.startswith(("postgresql://", "postgres://")):
        return _postgres(configuration, url)
    raise UsageError("this is no place for a journal", where=url or "", hint="write sqlite:PATH or postgresql://…")


def open_mended(configuration: Configuration) -> Journal:
    """The same for a service, which must not stand still: a broken file is set aside, and a new one begun.

    The first run of the new one is of kind "journal", and its warning tells where the old one is.
    """
    path = file_of(configuration)
    try:
        journal = open_journal(configuration)
        if path is not None:
            _check(journal)
    except JournalBroken as error:
        if path is None:
            raise
        from holdfast.journal.sqlite import set_aside

        kept = set_aside(path)
        journal = open_journal(configuration)
        journal.put(_told(f"the journal was damaged ({error.why}): it is kept as {kept}, and a new one begun"))
    return journal


def open_forgiving(configuration: Configuration, warn: Callable[[str], None]) -> Forgiving:
    """The same for one short run, which goes on without: what is wrong is told with a warning."""
    try:
        return Forgiving(open_journal(configuration), warn)
    except HoldfastError as error:
        reason = "; ".join(filter(None, (error.why, error.hint)))
        warn(f"this run is not in the journal: {error.what} ({reason})" if reason else error.what)
        return Forgiving(None, warn)


@contextlib.contextmanager
def reading(configuration: Configuration, lost: Callable[[HoldfastError], None]) -> Iterator[Journal | None]:
    """The same for a look, which is worth having without: None where it cannot be opened, after ``lost`` heard why."""
    try:
        journal = open_journal(configuration)
    except HoldfastError as error:
        lost(error)
        yield None
        return
    with contextlib.closing(journal):
        yield journal


def tidy_daily(configuration: Configuration, journal: Journal) -> int:
    """Drop what is older than the configuration keeps, at most once a day; returns how many rows went."""
    now = clock.now()
    today = now.date().isoformat()
    if journal.recall(_TIDIED).get(_TIDIED) == today:
        return 0
    settings = configuration.settings.journal
    gone = journal.tidy(
        log_before=clock.stamp(now - settings.keep_log), runs_before=clock.stamp(now - settings.keep_runs)
    )
    journal.remember(_TIDIED, today)
    return gone


def file_of(configuration: Configuration) -> Path | None:
    """The file of a journal that is one: what the configuration names, else one for each repository."""
    scheme, _, rest = (configuration.settings.journal.url or "sqlite:").partition(":")
    if scheme != "sqlite":
        return None
    if rest:
        return configuration.base / rest
    from hashlib import sha256

    key = sha256(configuration.settings.repository.url.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return configuration.around.state / "journals" / key / FILE_NAME


def _postgres(configuration: Configuration, url: str) -> Journal:
    from psycopg.conninfo import conninfo_to_dict

    from holdfast.journal.postgres import PostgresJournal

    refuse_password(url, "the journal", "JOURNAL_PASSWORD")
    parameters = conninfo_to_dict(url)
    if reference := configuration.settings.journal.password:
        parameters["password"] = configuration.around.resolve(reference, configuration.base).reveal()
    return PostgresJournal(url, parameters)


def _told(warning: str) -> Run:
    now = clock.stamp()
    return Run(
        id=new_id(), kind="journal", status=RunStatus.INCOMPLETE, created_at=now, started_at=now, ended_at=now,
        warnings=[warning, "holdfast runs rebuild puts the backups of the repository into the new one"],
    )  # fmt: skip


def _check(journal: Journal) -> None:
    from holdfast.journal.sqlite import SqliteJournal

    if isinstance(journal, SqliteJournal):
        try:
            journal.check()
        except BaseException:
            with contextlib.suppress(HoldfastError):
                journal.close()
            raise
