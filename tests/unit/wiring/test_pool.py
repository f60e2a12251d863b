"""Open objects are lent, a few at a time, and lent again."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import pytest

from holdfast.model.errors import StorageError, UsageError
from holdfast.wiring import pool
from holdfast.wiring.pool import Pool


class _Opened:
    """What the pool needs of an App."""

    def __init__(self, made: list[_Opened]) -> None:
        self.closed = False
        made.append(self)

    def refresh(self) -> None:
        """Nothing to follow."""

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def lent() -> Any:
    made: list[_Opened] = []
    with contextlib.closing(Pool(lambda: _Opened(made))) as found:  # type: ignore[arg-type,return-value]
        yield found, made


def test_whoever_comes_when_all_are_lent_waits(lent: Any) -> None:
    """Twenty at once share four: opening one costs more than waiting for one."""
    found, made = lent

    def look() -> None:
        with found.lend():
            time.sleep(0.02)

    threads = [threading.Thread(target=look) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) <= 4
    assert not any(each.closed for each in made)


def test_a_wrong_question_costs_nothing(lent: Any) -> None:
    """A name nobody knows leaves what was opened as it was; a store that failed does not."""
    found, made = lent
    for _ in range(3):
        with pytest.raises(UsageError), found.lend():
            raise UsageError("there is no such snapshot")
    assert [each.closed for each in made] == [False]
    with pytest.raises(StorageError), found.lend():
        raise StorageError("it broke")
    assert [each.closed for each in made] == [True]


def test_a_look_within_looks_does_not_wait_for_ever(lent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than there are, held by one thread: it goes on after a while."""
    found, made = lent
    monkeypatch.setattr(pool, "_PATIENCE", 0.05)
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(found.lend())
    assert len(made) == 6
    assert sum(each.closed for each in made) == 2
