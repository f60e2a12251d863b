"""Acts of the doors on their way into the audit trail: kept in the register until the repository has them."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import msgspec

from holdfast.model.audit import Act
from holdfast.model.errors import HoldfastError
from holdfast.system import clock
from holdfast.usecases.audit import note
from holdfast.web.security.register import Register
from holdfast.wiring.build import App

Reading = Callable[[], AbstractContextManager[App]]

_AGAIN = 60.0
_AT_ONCE = 100
_FLOOD = 30
"""So many refusals a minute are noted one by one; of more it is noted how many there were."""

_log = logging.getLogger("holdfast.web")


class Notes:
    """Any thread may note; a thread of its own carries what was noted into the repository."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._wake, self._ended = threading.Event(), False
        self._thread: threading.Thread | None = None
        self._lock, self._carrying = threading.Lock(), threading.Lock()
        self._minute, self._noted, self._unnoted = 0.0, 0, 0
        self._last: dict[tuple[str, str], float] = {}

    def note(self, act: Act) -> None:
        """Keep an act, and have it carried into the trail soon."""
        self._register.change("insert into acts (document) values (?)", msgspec.json.encode(act).decode())
        self._wake.set()

    def refused(self, deed: str, who: str, what: str, about: str = "") -> None:
        """Note a refusal: at most one a minute of the same, and not all of a flood."""
        with self._lock:
            now = time.monotonic()
            if now - self._minute >= _AGAIN:
                self._minute, self._noted = now, 0
                self._last = {key: at for key, at in self._last.items() if now - at < _AGAIN}
            if (deed, who + about) in self._last or self._noted >= _FLOOD:
                self._unnoted += 1
                return
            self._last[deed, who + about] = now
            self._noted, more = self._noted + 1, {"not_noted_before": self._unnoted} if self._unnoted else {}
            self._unnoted = 0
        told = {**more, "from": about} if about else more
        self.note(Act(at=clock.stamp(), deed=deed, who=who, via="api", what=what, outcome="refused", more=told))

    def carry_with(self, reading: Reading) -> None:
        """Begin to carry; ``reading`` opens the repository."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._carry_on, args=(reading,), name="notes", daemon=True)
            self._thread.start()

    def carry(self, app: App) -> str:
        """Carry everything kept into the trail now. A warning when that cannot be done: it stays kept."""
        with self._carrying:
            while rows := self._register.rows("select number, document from acts order by number limit ?", _AT_ONCE):
                told = note(app.repository, *(msgspec.json.decode(text, type=Act) for _, text in rows))
                if told.number is None:
                    return told.warning
                self._register.change("delete from acts where number <= ?", rows[-1][0])
        return ""

    def close(self) -> None:
        """Carry what is left, if it can be, and stop."""
        self._ended = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _carry_on(self, reading: Reading) -> None:
        while True:
            if self._waiting():
                self._carry_once(reading)
            if self._ended:
                return
            self._wake.wait(_AGAIN if self._waiting() else None)
            self._wake.clear()

    def _waiting(self) -> bool:
        with contextlib.suppress(Exception):
            return bool(self._register.rows("select 1 from acts limit 1"))
        return False

    def _carry_once(self, reading: Reading) -> None:
        try:
            with reading() as app:
                if warning := self.carry(app):
                    _log.warning("%s", app.configuration.around.redactor.clean(warning))
        except HoldfastError as error:
            _log.warning("acts wait for the repository: %s", error.what)
