"""Why a request is turned away."""

from __future__ import annotations

from holdfast.model.errors import HoldfastError


class Unknown(HoldfastError):
    """Nobody known asks."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__(
            "this needs a token or a login", hint="send Authorization: Bearer TOKEN; make one: holdfast token add NAME"
        )


class Forbidden(HoldfastError):
    """Somebody known asks for what is not theirs."""

    code = "forbidden"

    def __init__(self, scope: str, source: str = "") -> None:
        of = f" for {source}" if source else ""
        super().__init__(f"this token or login has no right {scope}{of}", hint="ask for one that has it")
        self.scope = scope


class NotConfirmed(HoldfastError):
    """A dangerous deed from a session that has not shown its password lately."""

    code = "reauthenticate"

    def __init__(self, scope: str) -> None:
        super().__init__(
            "this is dangerous: show your password again first", where=scope,
            hint="POST the password to /confirm, then do it again within 5 minutes",
        )  # fmt: skip


class CrossSite(HoldfastError):
    """A session's request that another site may have sent."""

    code = "cross-site"

    def __init__(self, why: str) -> None:
        super().__init__(
            "this request may have been sent by another site", why=why, hint="load the page again, and do it there"
        )


class TooManyAttempts(HoldfastError):
    """Too many wrong passwords; ``seconds`` until the next may be tried."""

    code = "too-many-attempts"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "too many wrong attempts", hint=f"wait {max(1, round(seconds))} s and try again", retryable=True
        )
        self.seconds = seconds


class WrongLogin(HoldfastError):
    """Name and password, or the setup token, are not right. It is not told which."""

    code = "wrong-login"

    def __init__(self) -> None:
        super().__init__("the name or the password is wrong", hint="try again; after a few times there is a delay")


class PlainHttp(HoldfastError):
    """A password would cross a network in plain."""

    code = "plain-http"

    def __init__(self) -> None:
        super().__init__(
            "no login over plain HTTP from another machine",
            hint='put TLS in front and set [serve] public_url = "https://…", or come through '
            "ssh -L 8470:localhost:8470",
        )


class AwaitsConsent(HoldfastError):
    """A second person must agree first; ``consent`` is what they agree to."""

    code = "second-person"

    def __init__(self, consent: str, until: str) -> None:
        super().__init__(
            "this waits for the consent of a second person", where=consent, why=f"asked until {until}",
            hint=f"somebody else grants it: POST /api/consents/{consent}/grant; then do it again", retryable=True,
        )  # fmt: skip
        self.consent = consent


class SamePerson(HoldfastError):
    """Somebody agrees to their own wish."""

    code = "same-person"

    def __init__(self) -> None:
        super().__init__(
            "the consent must be another person's",
            why="somebody made both accounts, or set their passwords; or whoever grants it is not logged in",
            hint="somebody whose account or password was made at the machine grants it, logged in: "
            "holdfast account password NAME",
        )


class NotFound(HoldfastError):
    """There is no such thing."""

    code = "not-found"
