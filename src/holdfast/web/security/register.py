"""The register: who may come in. One SQLite file in the state folder that holds no secret in plain.

Losing it loses no backup: people are set up again, tokens are made again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blake3 import blake3

from holdfast.model.errors import HoldfastError
from holdfast.system import clock, files
from holdfast.wiring.load import Configuration
from holdfast.wiring.token_ages import register_path

__all__ = ["Register", "fingerprint", "open_register", "register_or_new", "register_path"]

_SCHEMA = """
create table if not exists tokens (
  id text primary key, name text not null, hash blob not null unique, scopes text not null, sources text not null,
  owner text not null, made_at text not null, expires_at text, used_at text, revoked_at text, replaced_by text);
create table if not exists people (
  name text primary key, password text not null, role text not null, sources text not null, made_at text not null,
  vouched_by text not null, password_at text not null);
create table if not exists sessions (
  hash blob primary key, id text not null unique, person text not null, opened_at text not null, seen_at text not null,
  ends_at text not null, confirmed_at text not null, address text not null, agent text not null) without rowid;
create table if not exists attempts (
  key blob primary key, failures integer not null, at text not null, until text not null) without rowid;
create table if not exists networks (
  account blob not null, network blob not null, at text not null, primary key (account, network)) without rowid;
create table if not exists consents (
  id text primary key, scope text not null, source text not null, digest blob not null, what text not null,
  asked_by text not null, asked_at text not null, expires_at text not null, state text not null,
  answered_by text not null, answered_at text);
create table if not exists vouching (name text not null, by text not null, primary key (name, by)) without rowid;
create table if not exists acts (number integer primary key autoincrement, document text not null);
"""


def fingerprint(secret: str) -> bytes:
    """What is kept of a secret of 256 random bits: nothing that leads back to it."""
    return blake3(secret.encode("utf-8", "surrogateescape")).digest()


class Register:
    """Every method may be called from any thread, and by several processes at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.RLock()
        try:
            self._connection = _opened(path)
        except (OSError, sqlite3.Error) as error:
            raise HoldfastError(
                "the register of tokens and people cannot be opened", where=str(path), why=str(error),
                hint="move the file away: a new one is begun, tokens and people are then made anew",
            ) from error  # fmt: skip

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """Carry out one statement; what it returns."""
        with self._turn:
            return self._connection.execute(statement, values).fetchall()

    def change(self, statement: str, *values: Any) -> int:
        """Carry out one statement; how many rows it changed."""
        with self._turn:
            return self._connection.execute(statement, values).rowcount

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else, in no process, changes anything while the context lasts; an exception takes it all back."""
        with self._turn:
            self._connection.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._connection.close()


def open_register(configuration: Configuration) -> Register:
    """The register of a configuration, made when it is not there yet. HoldfastError when it cannot be."""
    return Register(register_path(configuration))


def register_or_new(configuration: Configuration) -> tuple[Register, str]:
    """The register; a damaged one is moved aside, and what that means is told: backups go on without it."""
    try:
        return open_register(configuration), ""
    except HoldfastError as error:
        if type(error.__cause__) is not sqlite3.DatabaseError:  # locked or not readable is not damaged
            raise
    path = register_path(configuration)
    aside = path.with_name(f"{path.name}.broken-{clock.stamp().replace(':', '')}")
    os.replace(path, aside)
    for tail in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{tail}", f"{aside}{tail}")
    told = f"the register of tokens and people was damaged and is {aside.name} now: tokens and people are made anew"
    return open_register(configuration), told


def _opened(path: Path) -> sqlite3.Connection:
    files.make_directories(path.parent, 0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    os.chmod(path, 0o600)
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("pragma secure_delete = on")
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection
