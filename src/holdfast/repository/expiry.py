"""Declare sessions dead whose process is gone, so that what they held can be cleaned up."""

from __future__ import annotations

import contextlib
import os
import secrets

from holdfast.model.errors import HoldfastError, StorageError
from holdfast.repository import guards, liveness
from holdfast.repository import records as rec
from holdfast.repository.layout import HEARTBEATS, log_path
from holdfast.repository.liveness import Vantage
from holdfast.repository.session import running
from holdfast.repository.state import LogState
from holdfast.repository.vault import Vault
from holdfast.storage.base import Storage
from holdfast.system import clock


def expire_dead(vault: Vault) -> list[str]:
    """Expire every open session that is certainly dead; returns their ids. Never raises: it is housekeeping."""
    state = vault.log.state
    if not state.open:
        return []
    expired: list[str] = []
    with contextlib.suppress(StorageError):
        dead = liveness.expirable(state, _vantage(vault.storage, state)) | _given_up(state)
        for session, reason in dead.items():
            with contextlib.suppress(HoldfastError):
                _expire(vault, session, reason)
                expired.append(session)
    return expired


def _given_up(state: LogState) -> dict[str, str]:
    """Sessions of this very process that it could not end in the log, the store failing at that moment."""
    pid = os.getpid()
    me = (clock.host(), clock.boot(), pid, clock.process_started(pid) or "")
    return {
        session: "its process gave it up"
        for session in state.open
        if session not in running
        and (facts := state.sessions[session].facts) is not None
        and (facts.host, facts.boot, facts.pid, facts.started) == me
    }


def _expire(vault: Vault, session: str, reason: str) -> None:
    vault.log.append(
        rec.Expire(session=session, reason=reason),
        lambda state: guards.require(guards.may_close(state, session)),
    )
    for stat in vault.storage.list(f"{HEARTBEATS}{session}/"):
        vault.storage.delete(stat.name)


def _vantage(storage: Storage, state: LogState) -> Vantage:
    here, boot = clock.host(), clock.boot()
    silent = [
        session
        for session in state.open
        if (facts := state.sessions[session].facts) is not None and (facts.host, facts.boot) != (here, boot)
    ]
    return Vantage(
        host=here,
        boot=boot,
        alive=lambda pid, started: clock.process_started(pid) in (started, "unknown"),
        last_sign={session: sign for session in silent if (sign := _last_sign(storage, state, session)) is not None},
        now=store_time(storage) if silent else 0.0,
    )


def _last_sign(storage: Storage, state: LogState, session: str) -> float | None:
    beats = [stat.modified for stat in storage.list(f"{HEARTBEATS}{session}/")]
    if beats:
        return max(beats)
    return storage.stat(log_path(state.open[session])).modified


def store_time(storage: Storage) -> float:
    """The store's own clock: when it says that an object written just now was written."""
    name = f"{HEARTBEATS}clock/{secrets.token_hex(8)}"
    storage.put_new(name, b"")
    try:
        return storage.stat(name).modified
    finally:
        storage.delete(name)
