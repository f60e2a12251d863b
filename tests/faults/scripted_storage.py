"""A store whose faults are written down beforehand, one rule a word.

``METHOD[#N][@PATTERN]:ACTION[=ARGUMENT]``, rules apart by spaces:

========================== ==========================================================================
``put_new#7:kill-after``   the process dies by SIGKILL once the seventh put_new has taken effect
``*#12:kill-before``       … before the twelfth call of any kind
``put_new@log/*:fail``     every write of a log record fails, without effect
``delete#3+:fail-after``   the third and every later delete takes effect and is reported as failed
``get@packs/*#2:flip``     the second read of a pack has one bit flipped (``flip=100``: in byte 100)
``list:truncate=3``        every listing ends after three objects
========================== ==========================================================================

Methods: ``put_new get stat list delete free_space`` or ``*``. ``#N`` counts the calls which the rest of the
rule matches, from 1. Actions, without effect unless they say ``-after``: ``fail`` ``fail-after`` (passing
StorageError), ``break`` ``break-after`` (lasting StorageError), ``full`` ``full-after``, ``missing``,
``kill-before`` ``kill-after``, ``stop-before`` ``stop-after`` (SIGSTOP), ``delay=SECONDS``,
``truncate`` ``truncate=N`` (keep N bytes, or listed objects; half of them), ``flip`` ``flip=BYTE``,
``empty`` (a write leaves an object without bytes and succeeds).
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from holdfast.model.errors import HoldfastError, ObjectMissing, StorageError, StorageFull
from holdfast.storage import registry
from holdfast.storage.address import Address
from holdfast.storage.base import Buffer, Stat, Storage, Traits

_RULE = re.compile(
    r"(?P<method>\*|[a-z_]+)(?:#(?P<nth>\d+)(?P<on>\+)?)?(?:@(?P<pattern>[^:#]+))?(?:#(?P<nth2>\d+)(?P<on2>\+)?)?"
    r":(?P<action>[a-z-]+)(?:=(?P<argument>[\d.]+))?\Z"
)
_FAULTS: dict[str, Callable[[str], HoldfastError]] = {
    "fail": lambda where: StorageError("a scripted fault", where=where, retryable=True),
    "break": lambda where: StorageError("a scripted lasting fault", where=where),
    "full": lambda where: StorageFull("a scripted full disk", where=where),
    "missing": lambda where: ObjectMissing("a scripted loss", where=where),
}
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_ACTIONS = {
    *_FAULTS, "fail-after", "break-after", "full-after", "kill-before", "kill-after", "stop-before",
    "stop-after", "delay", "truncate", "flip", "empty",
}  # fmt: skip


@dataclass(slots=True)
class Rule:
    """One word of a script. ``nth`` 0: every call; ``onwards``: that one and all later ones."""

    method: str
    pattern: str
    nth: int
    onwards: bool
    action: str
    argument: float | None
    seen: int = 0

    def strikes(self, method: str, name: str) -> bool:
        """Count this call when it is one of ours, and say whether the fault happens now."""
        if self.method not in ("*", method) or not fnmatchcase(name, self.pattern):
            return False
        self.seen += 1
        return self.nth in (0, self.seen) or (self.onwards and self.seen > self.nth)


class Script:
    """The rules of one process and what was called so far, shared by all stores that follow it.

    ``log`` is a file that gets a line ``METHOD NAME`` for each call before anything happens: after a kill it
    tells how far the process came, after a good run how many calls there are to kill.
    """

    def __init__(self, text: str = "", *, log: str | os.PathLike[str] | None = None) -> None:
        self.rules = [_parse(word) for word in text.split()]
        self.calls: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self._log = log

    def meet(self, method: str, name: str) -> dict[str, float | None]:
        """Register a call; the actions that strike it, with their arguments."""
        with self._lock:
            self.calls.append((method, name))
            if self._log is not None:
                with open(self._log, "a", encoding="ascii") as log:
                    log.write(f"{method} {name}\n")
            return {rule.action: rule.argument for rule in self.rules if rule.strikes(method, name)}


class Scripted:
    """``inner`` with the faults of ``script``; without a script it is ``inner``."""

    def __init__(self, inner: Storage, script: str | Script = "") -> None:
        self.inner = inner
        self.script = Script(script) if isinstance(script, str) else script

    def __repr__(self) -> str:
        return f"Scripted({self.inner!r})"

    @property
    def url(self) -> str:
        """That of the inner store."""
        return self.inner.url

    @property
    def traits(self) -> Traits:
        """Those of the inner store."""
        return self.inner.traits

    def put_new(self, name: str, data: Buffer) -> None:
        """Write, unless the script says otherwise."""
        actions = self._before("put_new", name)
        if "truncate" in actions:
            view = memoryview(data).cast("B")
            data = view[: _kept(actions["truncate"], view.nbytes)]
        if "flip" in actions:
            data = _flipped(bytes(data), actions["flip"])
        self.inner.put_new(name, b"" if "empty" in actions else data)
        _after(actions, name)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read, unless the script says otherwise."""
        actions = self._before("get", name)
        data = self.inner.get(name, offset, length)
        if "truncate" in actions:
            data = data[: _kept(actions["truncate"], len(data))]
        if "flip" in actions:
            data = _flipped(data, actions["flip"])
        _after(actions, name)
        return data

    def stat(self, name: str) -> Stat:
        """Look, unless the script says otherwise."""
        actions = self._before("stat", name)
        found = self.inner.stat(name)
        _after(actions, name)
        return found

    def list(self, prefix: str) -> Iterator[Stat]:
        """List, unless the script says otherwise; what happens "after" happens at the end of the listing."""
        actions = self._before("list", prefix)
        listing = self.inner.list(prefix)
        return _listed(listing, actions, prefix) if actions else listing

    def delete(self, name: str) -> None:
        """Delete, unless the script says otherwise."""
        actions = self._before("delete", name)
        self.inner.delete(name)
        _after(actions, name)

    def free_space(self) -> int | None:
        """None of it when the script says ``free_space:full``."""
        actions = self.script.meet("free_space", "")
        return 0 if "full" in actions else self.inner.free_space()

    def close(self) -> None:
        """Close the inner store."""
        self.inner.close()

    def _before(self, method: str, name: str) -> dict[str, float | None]:
        actions = self.script.meet(method, name)
        if (delay := actions.get("delay")) is not None:
            time.sleep(delay)
        _signal(actions, "before")
        for action, fault in _FAULTS.items():
            if action in actions:
                raise fault(name)
        return actions


def install(text: str, *, log: str | os.PathLike[str] | None = None) -> Script:
    """From now on every store this process opens by URL follows the script ``text``.

    For test programs: they call this first and then the program under test.
    """
    script = Script(text, log=log)

    def following(factory: Callable[[Address], Storage]) -> Callable[[Address], Storage]:
        return lambda address: Scripted(factory(address), script)

    registry.FACTORIES.update({scheme: following(factory) for scheme, factory in registry.FACTORIES.items()})
    return script


def _parse(word: str) -> Rule:
    found = _RULE.match(word)
    if found is None or found["action"] not in _ACTIONS:
        raise ValueError(f"not a rule: {word}")
    return Rule(
        method=found["method"],
        pattern=found["pattern"] or "*",
        nth=int(found["nth"] or found["nth2"] or 0),
        onwards=bool(found["on"] or found["on2"]),
        action=found["action"],
        argument=float(found["argument"]) if found["argument"] else None,
    )


def _after(actions: dict[str, float | None], name: str) -> None:
    _signal(actions, "after")
    for action, fault in _FAULTS.items():
        if f"{action}-after" in actions:
            raise fault(name)


def _signal(actions: dict[str, float | None], when: str) -> None:
    for word, number in _SIGNALS.items():
        if f"{word}-{when}" in actions:
            os.kill(os.getpid(), number)


def _listed(listing: Iterator[Stat], actions: dict[str, float | None], prefix: str) -> Iterator[Stat]:
    if "truncate" in actions:
        found = list(listing)
        listing = iter(found[: _kept(actions["truncate"], len(found))])
    yield from listing
    _after(actions, prefix)


def _kept(argument: float | None, size: int) -> int:
    return size // 2 if argument is None else int(argument)


def _flipped(data: bytes, argument: float | None) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    changed[len(data) // 2 if argument is None else int(argument) % len(data)] ^= 0x10
    return bytes(changed)
