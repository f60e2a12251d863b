"""``holdfast daemon``."""

from __future__ import annotations

import contextlib
import threading
from datetime import timedelta

from holdfast.cli.face import Face
from holdfast.cli.logs import begin_logging, log_option
from holdfast.cli.opening import configuration
from holdfast.cli.options import verb
from holdfast.cli.standby import grace_option, standing_by

_EXAMPLES = """
holdfast daemon
holdfast daemon --grace 5min
"""


_LOOK = 1.0


@verb("daemon", examples=_EXAMPLES)
@grace_option()
@log_option()
def daemon(face: Face, grace: timedelta, log: str) -> None:
    """Run the scheduler alone, without a server, until told to stop (SIGTERM, Ctrl-C)."""
    begin_logging(face, log)
    with standing_by(face, configuration(face), grace), contextlib.suppress(KeyboardInterrupt):
        never = threading.Event()
        while not never.wait(_LOOK):  # a signal that another thread took wakes no wait without an end
            pass
