"""Take a snapshot, and only when it is good run the command that it protects from (SYSTEMS A17)."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from holdfast.model.errors import MissingTool, UsageError

TRIGGER = "pre-change"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRequest:
    """``output``: where the command's standard output goes; None: where ours goes."""

    command: Sequence[str]
    output: IO[str] | None = None


def run_command(request: CommandRequest) -> int:
    """Run the command to its end and return its status, 128 + n when signal n ended it.

    Ctrl-C reaches the command itself from the terminal, so it is left to decide; SIGTERM is passed on.
    """
    if not request.command:
        raise UsageError("there is no command to run", hint="holdfast run --before NAME -- COMMAND")
    try:
        child = subprocess.Popen(list(request.command), stdout=request.output)
    except OSError as error:
        raise MissingTool(
            "the command cannot be started; the snapshot was taken",
            where=request.command[0],
            why=error.strerror or str(error),
        ) from error
    with _signals_left_to(child):
        status = child.wait()
    return 128 - status if status < 0 else status


@contextlib.contextmanager
def _signals_left_to(child: subprocess.Popen[bytes]) -> Iterator[None]:
    def pass_on(number: int, _frame: object) -> None:
        child.send_signal(number)

    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        signal.SIGTERM: signal.signal(signal.SIGTERM, pass_on),
    }
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
