"""``holdfast doctor``: what a first user gets wrong."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator

import click

from holdfast.cli import self_test, words
from holdfast.cli.face import Face
from holdfast.cli.opening import unopened_app
from holdfast.cli.options import verb
from holdfast.journal.base import Journal
from holdfast.model.errors import Exit, HoldfastError
from holdfast.system import clock
from holdfast.usecases import doctor as look
from holdfast.usecases import doctor_running as running
from holdfast.usecases.doctor import Line
from holdfast.usecases.measuring import exposed_now
from holdfast.usecases.sizes import sizes_of
from holdfast.wiring import load, reporting
from holdfast.wiring.build import App
from holdfast.wiring.journals import open_journal
from holdfast.wiring.policies import policies

_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}
_AFTER_INSTALL = "Then do everything once for real: back up, look into it, write, send a test message."


@verb("doctor", examples="holdfast doctor\nholdfast doctor --json\nholdfast doctor --after-install")
@click.option("--after-install", is_flag=True, help=_AFTER_INSTALL)
def doctor(face: Face, after_install: bool) -> int:
    """Check configuration, secrets, repository, folders, clock, tools, scheduler, journal and each source.

    Each line is ok, warn or fail, with the command that mends it. Exit status 4 when a line says fail.
    """
    lines = []
    for line in _look(face, after_install=after_install):
        lines.append(line)
        face.line(f"{line.level:4}  {line.area}: {line.what}", _STYLES.get(line.level, ""))
        if line.mend and line.level != "ok":
            first, *more = words.statements(line.mend)
            face.lines([f"      mend: {first}", *(f"            {text}" for text in more)])
    bad = sum(line.level == "fail" for line in lines)
    document = {"ok": not bad, "checks": [dataclasses.asdict(line) for line in lines]}
    if after_install:
        document |= self_test.verdict(lines)
    face.document(document)
    if after_install:
        face.lines(self_test.told(lines))
    face.line(f"{bad} to mend" if bad else "nothing to mend", "bold")
    return int(Exit.PROBLEMS_FOUND if bad else Exit.OK)


def _look(face: Face, *, after_install: bool) -> Iterator[Line]:
    try:
        app = unopened_app(face)
    except HoldfastError as error:
        yield look.failed("configuration", error)
        return
    with contextlib.closing(app):
        where = app.configuration.path or "--repository"
        yield Line(area="configuration", level="ok", what=f"{where} is valid")
        for text in load.doubts(app.settings):
            yield Line(area="configuration", level="warn", what=text, mend="take one of them out of holdfast.toml")
        yield from _secrets(app)
        yield look.folder("cache", app.places.cache, "HOLDFAST_CACHE_DIR")
        yield look.folder("state", app.places.state, "HOLDFAST_STATE_DIR")
        yield from _repository(app)
        yield from _sources(app)
        with contextlib.ExitStack() as closing:
            journal: Journal | None = None
            try:
                journal = closing.enter_context(contextlib.closing(open_journal(app.configuration)))
            except HoldfastError as error:
                yield look.failed("journal", error)
            yield from _running(app, journal)
            if after_install:
                yield from self_test.steps(face, app, journal)


def _running(app: App, journal: Journal | None) -> Iterator[Line]:
    """What runs by itself, and how everything stands."""
    if journal is not None:
        yield running.journal(journal)
    yield from _cron_secret(app)
    try:
        report = reporting.system_report(app, journal)
        newest = [each.newest for each in report.sources if each.newest and each.configured]
        found = sizes_of(app.repository, newest)
    except HoldfastError:
        return  # told by what was looked at before
    scheduled = [name for name, each in policies(app.settings).items() if each.schedules]
    yield running.scheduler(report, scheduled, clock.now())
    yield from running.health(report)
    yield from running.sizes(found, clock.now())


def _cron_secret(app: App) -> Iterator[Line]:
    """Whether callers can match it, and whether the server that runs here does."""
    around, serve = app.configuration.around, app.settings.serve

    def resolve() -> str:
        return around.resolve(serve.cron_secret or "", app.configuration.base).reveal()

    usual = serve.cron_secret == "env:CRON_SECRET"  # noqa: S105 - where it stands
    yield running.cron_secret(serve.cron_secret, resolve, usual=usual)
    with contextlib.suppress(HoldfastError):
        parts = resolve().split() if serve.cron_secret else []
        if parts and (asked := running.cron_asked(serve.listen, parts[0])) is not None:
            yield asked


def _secrets(app: App) -> Iterator[Line]:
    try:
        app.resolve_references()
    except HoldfastError as error:
        yield look.failed("secrets", error)
    for path in app.secret_files():
        yield look.secret_file(path)


def _repository(app: App) -> Iterator[Line]:
    try:
        storage = app.storage
        yield from look.leftovers(storage)
        slots = app.repository.keys()
    except HoldfastError as error:
        yield look.failed("repository", error)
        return
    yield Line(area="repository", level="ok", what=f"{storage.url} opens with the passphrase given")
    yield from look.store(storage)
    yield look.keys(slots)
    yield from look.apart(storage.url, {name: each.url for name, each in app.settings.sources.items()})
    if storage.url.partition(":")[0] in ("s3", "gs", "az"):
        yield running.open_to_all(exposed_now(storage.url, app.configuration.around.environ))


def _sources(app: App) -> Iterator[Line]:
    if not app.settings.sources:
        mend = 'add to holdfast.toml: [sources.shop] and url = "postgresql://app@localhost/shop"'
        yield Line(area="sources", level="warn", what="no source is configured", mend=mend)
    for name in app.settings.sources:
        yield from look.source(name, functools.partial(app.source, name))
