"""How old the tokens of the HTTP API are, for the reminder to make new ones."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from holdfast.planning.standing import instant
from holdfast.planning.system_health import SecretAge
from holdfast.system import clock
from holdfast.wiring.load import Configuration

_FILE = "security.db"
_VALID = """select name, made_at, expires_at from tokens
where revoked_at is null and replaced_by is null and (expires_at is null or expires_at > ?) order by name"""


def register_path(configuration: Configuration) -> Path:
    """The register of tokens and people: one file for each repository."""
    key = blake3(configuration.settings.repository.url.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return configuration.around.state / "security" / key / _FILE


def token_ages(configuration: Configuration) -> Iterator[SecretAge]:
    """Tokens in force on this machine; none where the register cannot be read."""
    path = register_path(configuration)
    with contextlib.suppress(sqlite3.Error, OSError, ValueError):
        if not path.exists():
            return
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=1)) as register:
            found = register.execute(_VALID, (clock.stamp(),)).fetchall()
        for name, made_at, expires_at in found:
            yield SecretAge(
                name=f"the token {name!r}", made_at=instant(made_at), mend=f"holdfast token rotate {name}",
                ends_at=instant(expires_at) if expires_at else None,
            )  # fmt: skip
