"""Statements put to the server by several psql children at once, each answer worked on where it was read."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from holdfast.sources.postgres.stream import CopyStream, Session

_WIDTH = 4
_AHEAD = 8
_FED_AHEAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One statement about blocks from ``start`` on; ``work`` is done with its output. ``copies``: it is a COPY."""

    statement: str
    about: str
    start: int = 0
    work: Callable[[bytes], bytes] = bytes
    copies: bool = True


Answer = tuple[Question, bytes]


def answers(session: Session, questions: Sequence[Question]) -> Generator[Answer, None, None]:
    """What came of each question, as it is ready; the first failure is raised. Close it to stop early."""
    waiting: queue.SimpleQueue[Question] = queue.SimpleQueue()
    for question in questions:
        waiting.put(question)
    ready: queue.Queue[Answer | BaseException | None] = queue.Queue(_AHEAD)
    stop = threading.Event()
    width = min(_WIDTH, os.cpu_count() or 1, len(questions))
    with ExitStack() as stack:
        streams = [stack.enter_context(CopyStream(session)) for _ in range(width)]
        threads = [
            threading.Thread(target=_lane, args=(each, waiting, ready, stop), name="answers") for each in streams
        ]
        for thread in threads:
            thread.start()
        try:
            yield from _ready(ready, width)
        finally:
            stop.set()
            while any(thread.is_alive() for thread in threads):
                _let_pass(ready)


def _ready(ready: queue.Queue[Answer | BaseException | None], lanes: int) -> Generator[Answer, None, None]:
    while lanes:
        found = ready.get()
        if found is None:
            lanes -= 1
        elif isinstance(found, BaseException):
            raise found
        else:
            yield found


def _lane(
    stream: CopyStream, waiting: queue.SimpleQueue[Question],
    ready: queue.Queue[Answer | BaseException | None], stop: threading.Event,
) -> None:  # fmt: skip
    """One after another, the next fed before the last is answered so that the server never idles."""
    fed: list[Question] = []
    try:
        while not stop.is_set():
            while len(fed) < _FED_AHEAD and not waiting.empty():
                try:
                    fed.append(waiting.get_nowait())
                except queue.Empty:
                    break
                (stream.copy if fed[-1].copies else stream.run)(fed[-1].statement, fed[-1].about)
            if not fed:
                stream.finish()
                break
            output = b"".join(stream.blocks(large=True))
            question = fed.pop(0)
            ready.put((question, question.work(output)))
    except BaseException as error:  # noqa: BLE001 (raised again by the thread that waits)
        ready.put(error)
    ready.put(None)


def _let_pass(ready: queue.Queue[Answer | BaseException | None]) -> None:
    """Nobody waits for answers any more; the lanes must not wait for room either."""
    try:
        ready.get(timeout=0.05)
    except queue.Empty:
        return
