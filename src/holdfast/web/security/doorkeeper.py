"""The doorkeeper: from a request to whoever sent it, by bearer token, by CRON_SECRET or by session."""

from __future__ import annotations

import hmac

from fastapi import Request

from holdfast.model.errors import UsageError
from holdfast.model.secret import Secret
from holdfast.web.security.identity import Identity
from holdfast.web.security.register import Register, fingerprint, open_register
from holdfast.web.security.tokens import Token, Tokens
from holdfast.wiring.load import Configuration

_CRON_PATH = "/api/cron/"


class Gate:
    """Knows every way in. It is the doorkeeper of create_app; close it at the end."""

    def __init__(self, configuration: Configuration, register: Register | None = None) -> None:
        self.configuration = configuration
        self.register = register or open_register(configuration)
        self.tokens = Tokens(self.register)
        self._cron = cron_fingerprints(configuration)
        self._cron_paths = frozenset(alias.path for alias in configuration.settings.serve.aliases)

    def __call__(self, request: Request) -> Identity | None:
        """Who sent it; None when nobody known did."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        given = given.strip()
        if scheme.lower() != "bearer" or not given:
            return None
        if (token := self.tokens.of(given)) is not None:
            return token_identity(token)
        return self._by_cron_secret(request.url.path, given)

    def close(self) -> None:
        """Let go of the register."""
        self.register.close()

    def _by_cron_secret(self, path: str, given: str) -> Identity | None:
        known = [hmac.compare_digest(fingerprint(given), each) for each in self._cron]
        if not any(known) or not (path.startswith(_CRON_PATH) or path in self._cron_paths):
            return None
        return Identity(name="cron", kind="secret", scopes=frozenset({"backup:run"}), principal="cron")


def token_identity(token: Token) -> Identity:
    """A token as the routes see it."""
    return Identity(
        name=f"token:{token.name}", kind="token", scopes=token.scopes, sources=token.sources, principal=token.owner,
        id=token.id,
    )  # fmt: skip


def cron_fingerprints(configuration: Configuration) -> tuple[bytes, ...]:
    """Of every CRON_SECRET: one, or two with a space between them while it is rotated. None is set: none.

    UsageError when the configuration names one that is not there.
    """
    serve, usual = configuration.settings.serve, "env:CRON_SECRET"
    if not serve.cron_secret or (serve.cron_secret == usual and not configuration.around.environ.get("CRON_SECRET")):
        return ()
    parts = configuration.around.resolve(serve.cron_secret, configuration.base).reveal().split()
    for part in parts:
        configuration.around.redactor.learn(Secret(part, serve.cron_secret))
    if any(len(part) < 16 for part in parts):
        raise UsageError(
            "CRON_SECRET is too short to be safe", where=serve.cron_secret,
            hint="at least 16 characters; make one: holdfast token secret",
        )  # fmt: skip
    return tuple(fingerprint(part) for part in parts)
