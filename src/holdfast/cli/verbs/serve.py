"""``holdfast serve``."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from datetime import timedelta

import click

from holdfast.cli.face import Face
from holdfast.cli.logs import begin_logging, log_option
from holdfast.cli.opening import configuration
from holdfast.cli.options import verb
from holdfast.cli.standby import grace_option, standing_by
from holdfast.model.errors import MissingTool

_EXAMPLES = """
holdfast serve
holdfast serve --listen 0.0.0.0:8470
holdfast serve --log json
"""


@verb("serve", examples=_EXAMPLES)
@click.option("--listen", metavar="HOST:PORT", help="Where to answer; 127.0.0.1:8470 unless the configuration says.")
@grace_option()
@log_option()
def serve(face: Face, listen: str | None, grace: timedelta, log: str) -> None:
    """Run the scheduler, the HTTP API and the dashboard, until told to stop (SIGTERM, Ctrl-C)."""
    try:
        from holdfast.web import serving
        from holdfast.web.app import create_app
        from holdfast.web.security.doorkeeper import Gate
    except ImportError as error:
        raise MissingTool(
            "the server is not installed", why=str(error), hint="pip install 'holdfast[server]'"
        ) from error
    begin_logging(face, log)
    found = configuration(face)
    where = listen or found.settings.serve.listen
    with standing_by(face, found, grace) as service, contextlib.closing(Gate(found, listen=where)) as gate:
        face.note(f"dashboard and API: http://{where}/")
        for text in gate.greeting():
            face.loud_note(text, "yellow")
        with contextlib.suppress(KeyboardInterrupt), _hanging_up_stops():
            serving.serve(create_app(service, gate), where, found.settings.serve.trusted_proxies)


@contextlib.contextmanager
def _hanging_up_stops() -> Iterator[None]:
    """SIGHUP does what SIGTERM does, by way of the server, which knows that one only; under nohup neither is heard."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
