"""People: names, passwords, and what each may do."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from holdfast.model.errors import UsageError
from holdfast.system import clock
from holdfast.web.security import passwords
from holdfast.web.security.names import check_name, check_sources, kept_sources
from holdfast.web.security.register import Register
from holdfast.wiring.sections import SCOPES

MACHINE = "machine:"
"""Begins the name of whoever has the machine: owner of a token made on its command line, for nobody in particular."""

SETUP = "(setup)"
"""Who holds the setup token of the first account."""

_VIEWER = frozenset({"status:read", "snapshot:read"})
_OPERATOR = _VIEWER | {"backup:run", "data:read", "restore:new-place", "audit:read"}
ROLES: dict[str, frozenset[str]] = {"viewer": _VIEWER, "operator": _OPERATOR, "admin": frozenset(SCOPES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """``sources`` empty: all. ``vouched_by``: who made the account, or last set its password for somebody else."""

    name: str
    role: str
    sources: frozenset[str]
    made_at: str
    vouched_by: str
    password_at: str

    @property
    def scopes(self) -> frozenset[str]:
        """What the role allows."""
        return ROLES[self.role]


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """An account to be made."""

    name: str
    password: str
    role: str
    sources: Iterable[str] = ()
    vouched_by: str

    def __repr__(self) -> str:
        return f"Newcomer({self.name!r}, {self.role!r})"


class People:
    """The people of one register."""

    def __init__(self, register: Register) -> None:
        self._register = register

    def all(self) -> list[Person]:
        """By name."""
        return self._select("order by name")

    def get(self, name: str) -> Person | None:
        """Who is called so."""
        found = self._select("where name = ?", name)
        return found[0] if found else None

    def known(self, name: str) -> Person:
        """Who is called so. UsageError when nobody is."""
        if (person := self.get(name)) is None:
            raise UsageError(f"there is no account {name!r}", hint="holdfast account list")
        return person

    def add(self, newcomer: Newcomer, *, first: bool = False) -> Person:
        """A new account; ``first``: only as long as there is none. UsageError when the name is taken."""
        name, role = check_name(newcomer.name), checked_role(newcomer.role)
        if name == "cron":
            raise UsageError("cron is who comes with CRON_SECRET", hint="give the account another name")
        stored = passwords.kept(passwords.check_password(newcomer.password, name))
        now, sources = clock.stamp(), " ".join(sorted(check_sources(newcomer.sources)))
        with self._register.alone():
            if (first and self.all()) or self.get(name):
                raise UsageError("there is an account already", hint="holdfast account list")
            values = (name, stored, role, sources, now, newcomer.vouched_by, now)
            self._register.change("insert into people values (?, ?, ?, ?, ?, ?, ?)", *values)
            self._vouched(name, newcomer.vouched_by)
        return Person(
            name=name, role=role, sources=frozenset(newcomer.sources), made_at=now, vouched_by=newcomer.vouched_by,
            password_at=now,
        )  # fmt: skip

    def set_password(self, name: str, password: str, by: str) -> None:
        """A new password. Every session of the person ends. UsageError when there is nobody of this name."""
        stored = passwords.kept(passwords.check_password(password, name))
        with self._register.alone():
            person = self.known(name)
            vouched = person.vouched_by if by == name else by
            change = "update people set password = ?, password_at = ?, vouched_by = ? where name = ?"
            self._register.change(change, stored, clock.stamp(), vouched, name)
            if by != name:
                self._vouched(name, by)
            self._register.change("delete from sessions where person = ?", name)

    def change(self, name: str, role: str, sources: Iterable[str]) -> Person:
        """Another role, other sources. UsageError for the last admin's."""
        with self._register.alone():
            self._spare_last_admin(self.known(name), checked_role(role), check_sources(sources))
            change = "update people set role = ?, sources = ? where name = ?"
            self._register.change(change, role, " ".join(sorted(sources)), name)
            return self.known(name)

    def remove(self, name: str) -> list[str]:
        """End the account, its sessions, and the tokens it answers for (returned). UsageError for the last admin."""
        with self._register.alone():
            self._spare_last_admin(self.known(name), "", frozenset())
            self._register.change("delete from people where name = ?", name)
            self._register.change("delete from sessions where person = ?", name)
            end = "update tokens set revoked_at = ? where owner = ? and revoked_at is null returning name"
            return sorted({row[0] for row in self._register.rows(end, clock.stamp(), name)})

    def recognised(self, name: str, password: str) -> Person | None:
        """The person, when the password is theirs. Takes as long when there is nobody of this name."""
        found = self._register.rows("select password from people where name = ?", name)
        right = passwords.matches(password, found[0][0] if found else nobody())
        return self.get(name) if found and right else None

    def behind(self, name: str) -> frozenset[str]:
        """Everybody who could have this account: itself, who made it or set its password, who made theirs, and so on,
        also through accounts that are gone. Whoever has the machine itself is not counted: they need no account.
        """
        found, left = {name}, [name]
        while left:
            each = left.pop()
            rows = self._register.rows(
                "select by from vouching where name = ? union select vouched_by from people where name = ?", each, each
            )
            new = {by for (by,) in rows if not _rooted(by)} - found
            found |= new
            left += new
        return frozenset(found)

    def _vouched(self, name: str, by: str) -> None:
        """``by`` knows a password of ``name``; at the machine itself it is made one that nobody else knows."""
        if _rooted(by):
            self._register.change("delete from vouching where name = ?", name)
        else:
            self._register.change("insert or ignore into vouching values (?, ?)", name, by)

    def _spare_last_admin(self, person: Person, role: str, sources: frozenset[str]) -> None:
        """Somebody must be left who may do everything, or nobody could ever change that."""
        whole = [each.name for each in self.all() if each.role == "admin" and not each.sources]
        if whole == [person.name] and (role != "admin" or sources):
            raise UsageError("this is the last admin", hint="make another first: holdfast account add NAME")

    def _select(self, condition: str, *values: Any) -> list[Person]:
        columns = "name, role, sources, made_at, vouched_by, password_at"
        return [_person(row) for row in self._register.rows(f"select {columns} from people {condition}", *values)]


def _rooted(name: str) -> bool:
    return name.startswith((MACHINE, SETUP))


def _person(row: Any) -> Person:
    name, role, sources, made, vouched, set_at = row
    return Person(
        name=name, role=role, sources=kept_sources(sources), made_at=made, vouched_by=vouched, password_at=set_at
    )


def checked_role(role: str) -> str:
    """``role`` itself; UsageError when there is none such."""
    if role not in ROLES:
        raise UsageError(f"there is no role {role!r}", hint=f"one of: {', '.join(ROLES)}")
    return role


@functools.cache
def nobody() -> str:
    """What a password is compared with when there is no such person, so that the time tells nothing."""
    return passwords.kept("nobody has this password, it only takes as long")
