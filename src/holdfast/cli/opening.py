"""From the options of one call to the live objects behind them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from holdfast.cli.ask import passphrase_for
from holdfast.cli.face import Face
from holdfast.model.errors import UsageError
from holdfast.wiring import load
from holdfast.wiring.build import App
from holdfast.wiring.load import Configuration


def configuration(face: Face) -> Configuration:
    """The configuration this call is about."""
    around = face.around
    if face.repository and face.config:
        raise UsageError("-c and --repository exclude each other")
    if face.repository:
        return load.for_repository(face.repository, around)
    return load.load(load.find(around, face.config), around)


def unopened_app(face: Face) -> App:
    """The objects behind the configuration, none of them open yet; the caller closes it."""
    return App(
        configuration(face),
        ask=lambda url: passphrase_for(face, url),
        warn=face.alarm,
    )


@contextlib.contextmanager
def opened(face: Face) -> Iterator[App]:
    """The same, closed at the end."""
    app = unopened_app(face)
    if face.record is not None:  # which notes how it ended before it closes it
        face.record.attach(app)
        yield app
        return
    with contextlib.closing(app):
        yield app
