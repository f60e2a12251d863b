"""The doorkeeper: from a request to whoever sent it, by bearer token, by CRON_SECRET or by session."""

from __future__ import annotations

import hmac

from fastapi import Request, Response

from holdfast.model.secret import Secret
from holdfast.service.service import Service
from holdfast.system import clock
from holdfast.web.security.consents import Consents
from holdfast.web.security.entrance import Entrance, Visitor
from holdfast.web.security.identity import Identity
from holdfast.web.security.notes import Notes
from holdfast.web.security.origins import Origins
from holdfast.web.security.people import MACHINE, People, Person
from holdfast.web.security.refusals import CrossSite
from holdfast.web.security.register import Register, fingerprint, register_or_new
from holdfast.web.security.sessions import OpenedSession, Session, Sessions, csrf_fits, csrf_of
from holdfast.web.security.tokens import Token, Tokens
from holdfast.web.security.wall import SAFE
from holdfast.wiring.load import Configuration

SECURE_COOKIE = "__Host-holdfast"
PLAIN_COOKIE = "holdfast"
"""Browsers keep the __Host- prefix for HTTPS: on plain HTTP the cookie has this name."""

_CRON_PATH = "/api/cron/"
_CRON_LENGTH = 16
_SHORT = f"CRON_SECRET is short: {_CRON_LENGTH} characters at least are safe; make one with holdfast token secret"


class Gate:
    """Knows every way in. It is the doorkeeper of create_app; close it at the end.

    ``doubts``: what is allowed but hardly safe, in words.
    """

    def __init__(
        self, configuration: Configuration, register: Register | None = None, listen: str | None = None
    ) -> None:
        serve = configuration.settings.serve
        self.configuration = configuration
        self.origins = Origins(listen=listen or serve.listen, public_url=serve.public_url)
        crons = cron_secrets(configuration)
        self._cron = [fingerprint(each) for each in crons]
        self.doubts = [_SHORT] if any(len(each) < _CRON_LENGTH for each in crons) else []
        self._cron_paths = frozenset(alias.path for alias in serve.aliases)
        self.register, moved = (register, "") if register else register_or_new(configuration)
        if moved:
            self.doubts.append(moved)
        self.notes = Notes(self.register)
        self.tokens = Tokens(self.register)
        self.entrance = Entrance(self.register, self.notes)
        self.consents = Consents(self.register, self.notes, frozenset(serve.second_person))

    def greeting(self) -> list[str]:
        """What the log says when serving begins; with the setup token as long as nobody has an account."""
        token = self.entrance.setup_token()
        first = f"nobody has an account yet: open /setup there and enter the setup token {token}"
        return [*self.doubts, *([first] if token else [])]

    @property
    def people(self) -> People:
        """Who has an account."""
        return self.entrance.people

    @property
    def sessions(self) -> Sessions:
        """Who is logged in."""
        return self.entrance.sessions

    def __call__(self, request: Request) -> Identity | None:
        """Who sent it; None when nobody known did. CrossSite when a session's request lacks what its forms carry."""
        if "authorization" in request.headers:
            return self._by_bearer(request)
        if request.method in SAFE and self._acts_when_read(request.url.path):
            return None
        if secret := request.cookies.get(self.cookie(request)):
            return self._by_session(request, secret, acting=_acting(request))
        return None

    def again(self, request: Request) -> Identity | None:
        """Who sent a request that is still being answered, with the rights of now: nobody acts by that."""
        if "authorization" in request.headers:
            return self._by_bearer(request)
        secret = request.cookies.get(self.cookie(request))
        return self._by_session(request, secret, acting=False) if secret else None

    def _acts_when_read(self, path: str) -> bool:
        """Old contracts back up by GET: a link on another site must not do that with somebody's cookie."""
        return path.startswith(_CRON_PATH) or path in self._cron_paths

    def cookie(self, request: Request) -> str:
        """The name of the session's cookie for whoever sends such requests."""
        secure = self.origins.secure(request.url.scheme, request.headers.get("host", ""))
        return SECURE_COOKIE if secure else PLAIN_COOKIE

    def let_in(self, request: Request, response: Response, opened: OpenedSession) -> None:
        """Give the browser its cookie: for this server only, unseen by scripts, not sent with other sites' forms."""
        name = self.cookie(request)
        response.set_cookie(
            name, opened.secret, path="/", httponly=True, samesite="lax", secure=name == SECURE_COOKIE
        )  # fmt: skip

    def let_out(self, request: Request, response: Response) -> None:
        """Take the cookie away."""
        name = self.cookie(request)
        response.delete_cookie(name, path="/", httponly=True, samesite="lax", secure=name == SECURE_COOKIE)

    def refused(self, who: Identity, what: str) -> None:
        """Note that somebody known was refused something."""
        self.notes.refused("forbidden", who.name, what)

    def carry_with(self, service: Service) -> None:
        """From now on acts go into the audit trail of the service's repository."""
        self.notes.carry_with(service.reading)

    def close(self) -> None:
        """Carry the last acts, and let go of the register."""
        self.notes.close()
        self.register.close()

    def _by_bearer(self, request: Request) -> Identity | None:
        scheme, _, given = request.headers["authorization"].partition(" ")
        given = given.strip()
        if scheme.lower() != "bearer" or not given:
            return None
        if (token := self.tokens.of(given)) is not None:
            return self._by_token(token)
        return self._by_cron_secret(request.url.path, given)

    def _by_token(self, token: Token) -> Identity | None:
        """A token never has more rights than whoever answers for it has now."""
        if token.owner.startswith(MACHINE):
            return token_identity(token, token.scopes, token.sources)
        owner = self.people.get(token.owner)
        if owner is None:
            return None
        sources = (token.sources & owner.sources) if token.sources and owner.sources else token.sources | owner.sources
        if token.sources and not sources:
            return None
        return token_identity(token, token.scopes & owner.scopes, sources)

    def _by_cron_secret(self, path: str, given: str) -> Identity | None:
        known = [hmac.compare_digest(fingerprint(given), each) for each in self._cron]
        if not any(known) or not self._acts_when_read(path):
            return None
        return Identity(name="cron", kind="secret", scopes=frozenset({"backup:run"}), principal="cron")

    def _by_session(self, request: Request, secret: str, *, acting: bool) -> Identity | None:
        session = self.sessions.of(secret, acting=acting)
        person = self.people.get(session.person) if session is not None else None
        if session is None or person is None:
            return None
        if request.method not in SAFE and not csrf_fits(secret, getattr(request.state, "csrf", "")):
            raise CrossSite("it does not carry what the forms of this session carry")
        return session_identity(session, person, secret, unsafe=request.method not in SAFE)


def _acting(request: Request) -> bool:
    """Somebody is there, not a page that looks again."""
    return request.headers.get("sec-fetch-mode", "navigate") == "navigate" or request.method not in SAFE


def visitor_of(request: Request) -> Visitor:
    """Where a request comes from."""
    address = request.client.host if request.client else ""
    return Visitor(address, request.headers.get("user-agent", ""))


def token_identity(token: Token, scopes: frozenset[str], sources: frozenset[str]) -> Identity:
    """A token as the routes see it, with the rights it has now."""
    return Identity(
        name=f"token:{token.name}", kind="token", scopes=scopes, sources=sources, principal=token.owner, id=token.id
    )  # fmt: skip


def session_identity(session: Session, person: Person, secret: str, *, unsafe: bool) -> Identity:
    """A person as the routes see them. ``unsafe``: the request changes something."""
    return Identity(
        name=person.name, kind="session", scopes=person.scopes, sources=person.sources, principal=person.name,
        id=session.id, role=person.role, fresh=not unsafe or session.confirmed(clock.now()), csrf=csrf_of(secret),
    )  # fmt: skip


def cron_secrets(configuration: Configuration) -> tuple[str, ...]:
    """Every CRON_SECRET: one, or two with a space between them while it is rotated. None is set: none.

    UsageError when the configuration names one that is not there.
    """
    serve, usual = configuration.settings.serve, "env:CRON_SECRET"
    if not serve.cron_secret or (serve.cron_secret == usual and not configuration.around.environ.get("CRON_SECRET")):
        return ()
    parts = configuration.around.resolve(serve.cron_secret, configuration.base).reveal().split()
    for part in parts:
        configuration.around.redactor.learn(Secret(part, serve.cron_secret))
    return tuple(parts)
