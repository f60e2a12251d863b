"""``holdfast doctor``: what a first user gets wrong."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.cli.opening import unopened_app
from holdfast.cli.options import verb
from holdfast.model.errors import Exit, HoldfastError
from holdfast.usecases import doctor as look
from holdfast.usecases.doctor import Line
from holdfast.wiring import load
from holdfast.wiring.build import App

_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


@verb("doctor", examples="holdfast doctor\nholdfast doctor --json")
def doctor(face: Face) -> int:
    """Check configuration, secrets, repository, folders, clock, tools and each source.

    Each line is ok, warn or fail, with the command that mends it. Exit status 4 when a line says fail.
    """
    lines = []
    for line in _look(face):
        lines.append(line)
        face.line(f"{line.level:4}  {line.area}: {line.what}", _STYLES.get(line.level, ""))
        if line.mend and line.level != "ok":
            first, *more = words.statements(line.mend)
            face.lines([f"      mend: {first}", *(f"            {text}" for text in more)])
    bad = sum(line.level == "fail" for line in lines)
    face.document({"ok": not bad, "checks": [dataclasses.asdict(line) for line in lines]})
    face.line(f"{bad} to mend" if bad else "nothing to mend", "bold")
    return int(Exit.PROBLEMS_FOUND if bad else Exit.OK)


def _look(face: Face) -> Iterator[Line]:
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


def _sources(app: App) -> Iterator[Line]:
    if not app.settings.sources:
        mend = 'add to holdfast.toml: [sources.shop] and url = "postgresql://app@localhost/shop"'
        yield Line(area="sources", level="warn", what="no source is configured", mend=mend)
    for name in app.settings.sources:
        yield from look.source(name, functools.partial(app.source, name))
