"""Hundreds of open streams ask together whether they may still hear."""

from __future__ import annotations

import asyncio
import threading

import pytest

from holdfast.web.security import standing
from holdfast.web.security.identity import Identity
from holdfast.web.security.standing import Rounds

_WHO = Identity(name="a", kind="token", scopes=frozenset(), principal="a")


def test_streams_with_the_same_credentials_are_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred of them and three others are four questions of one thread, and of the next second four more."""
    asked: list[str] = []
    threads: set[int] = set()

    def ask(key: str) -> Identity | None:
        asked.append(key)
        threads.add(threading.get_ident())
        return None if key == "ended" else _WHO

    async def all_of_them() -> list[Identity | None]:
        rounds = Rounds()
        keys = ["same"] * 200 + ["one", "two", "ended"]
        found = await asyncio.gather(*[rounds.asked((key,), lambda key=key: ask(key)) for key in keys])
        await rounds.asked(("same",), lambda: ask("same"))
        assert len(asked) == 4
        monkeypatch.setattr(standing, "_FRESH", -1.0)
        await rounds.asked(("same",), lambda: ask("same"))
        return found

    found = asyncio.run(all_of_them())
    assert found == [_WHO] * 202 + [None]
    assert sorted(asked) == ["ended", "one", "same", "same", "two"]
    assert len(threads) <= 2


def test_a_question_that_fails_fails_for_whoever_waits_and_is_asked_again() -> None:
    """Nobody waits for ever for an answer that does not come."""
    answers = [RuntimeError("no"), _WHO]

    def ask() -> Identity | None:
        answer = answers.pop(0)
        if isinstance(answer, RuntimeError):
            raise answer
        return answer

    async def twice() -> Identity | None:
        rounds = Rounds()
        with pytest.raises(RuntimeError):
            await rounds.asked(("key",), ask)
        return await rounds.asked(("key",), ask)

    assert asyncio.run(twice()) is _WHO
