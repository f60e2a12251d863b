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


class NotFound(HoldfastError):
    """There is no such thing."""

    code = "not-found"
