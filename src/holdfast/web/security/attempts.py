"""Wrong passwords are counted for each account and each address, and make the next attempt wait, longer each time."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.system import clock
from holdfast.web.security.refusals import TooManyAttempts
from holdfast.web.security.register import Register, fingerprint

FREE = 4
"""So many attempts wait for nothing."""

FORGOTTEN = timedelta(hours=24)
REMEMBERED = timedelta(days=90)
"""For so long a network somebody came in from is theirs."""

_LONGEST = {"account": timedelta(minutes=5), "address": timedelta(minutes=15)}


@dataclass(frozen=True, slots=True)
class Counter:
    """``kind`` "account" or "address". The name is kept as a hash: people type passwords into name fields."""

    kind: str
    name: str

    @property
    def key(self) -> bytes:
        """What it is kept under."""
        return fingerprint(f"{self.kind}\0{self.name}")

    def delay(self, failures: int) -> timedelta:
        """How long the next attempt waits: 2 s, 4 s, 8 s … An account's stays short, or anybody could lock it."""
        if failures < FREE:
            return timedelta(0)
        return min(timedelta(seconds=2 ** min(failures - FREE + 1, 20)), _LONGEST[self.kind])


def counters(account: str, address: str, own: str = "") -> tuple[Counter, ...]:
    """Those that one attempt counts for. An IPv6 network of 64 bits is one address: whoever has one has them all.

    ``own``: something only the person of the account has, a network they came in from or a session: others' wrong
    attempts are not counted against it, so that nobody locks them out.
    """
    of = f"{account.casefold()}\0{own}" if own else account.casefold()
    return (Counter("account", of), Counter("address", network_of(address)))


class Attempts:
    """The counters of one register."""

    def __init__(self, register: Register) -> None:
        self._register = register

    def begin(self, counted: Sequence[Counter]) -> None:
        """Count an attempt, as if it failed. TooManyAttempts when one of the counters makes it wait: it is not made."""
        now = clock.now()
        with self._register.alone():
            known = [self._known(each, now) for each in counted]
            if waits := [until for _, until in known if until > clock.stamp(now)]:
                raise TooManyAttempts((datetime.fromisoformat(max(waits)) - now).total_seconds())
            for each, (failures, _) in zip(counted, known, strict=True):
                until = clock.stamp(now + each.delay(failures + 1))
                values = (each.key, failures + 1, clock.stamp(now), until)
                self._register.change("insert or replace into attempts values (?, ?, ?, ?)", *values)
            self._register.change("delete from attempts where at < ?", clock.stamp(now - FORGOTTEN))

    def succeeded(self, counted: Sequence[Counter]) -> None:
        """It was right: the account starts anew. The address has only this one taken back, since one good account
        must not let it guess at others without delay.
        """
        with self._register.alone():
            for each in counted:
                if each.kind == "account":
                    self._register.change("delete from attempts where key = ?", each.key)
                else:
                    back = "update attempts set failures = max(0, failures - 1), until = at where key = ?"
                    self._register.change(back, each.key)

    def own(self, account: str, address: str) -> str:
        """The network of ``address`` when the person of the account came in from there lately, else ""."""
        network = network_of(address)
        found = self._register.rows(
            "select 1 from networks where account = ? and network = ? and at > ?", fingerprint(account.casefold()),
            fingerprint(network), clock.stamp(clock.now() - REMEMBERED),
        )  # fmt: skip
        return network if found else ""

    def came_in(self, account: str, address: str) -> None:
        """The person of the account came in from ``address``."""
        now = clock.now()
        values = (fingerprint(account.casefold()), fingerprint(network_of(address)), clock.stamp(now))
        with self._register.alone():
            self._register.change("insert or replace into networks values (?, ?, ?)", *values)
            self._register.change("delete from networks where at < ?", clock.stamp(now - REMEMBERED))

    def _known(self, counter: Counter, now: datetime) -> tuple[int, str]:
        found = self._register.rows("select failures, at, until from attempts where key = ?", counter.key)
        if not found or found[0][1] < clock.stamp(now - FORGOTTEN):
            return 0, ""
        return found[0][0], found[0][2]


def network_of(address: str) -> str:
    """What counts as one address."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address):
        return str(known.ipv4_mapped or ipaddress.IPv6Network((known, 64), strict=False))
    return str(known)
