"""Where a restore may write to when it is asked for over HTTP: beside the application, or where it is told it may."""

from __future__ import annotations

import fnmatch
import os

from holdfast.model.secret import split_password
from holdfast.service.deeds import Deed
from holdfast.web.security.identity import Identity
from holdfast.web.security.refusals import Forbidden
from holdfast.wiring.build import App


def require_destination(app: App, who: Identity, deed: Deed) -> None:
    """Forbidden for a place of one's own choice, unless ``[serve] restore_to`` names it, or one may restore in place
    and read data of every source: whoever chooses a place can write anywhere, and carry everything away. So for a
    password of one's own choice: it is learned as a secret, and hidden wherever it stands.
    """
    to = getattr(getattr(deed, "wish", None), "to", None)
    if to is None or _named(app, deed, to):
        return
    if who.sources:
        raise Forbidden("restore:in-place", "a place that [serve] restore_to does not name")
    who.require("restore:in-place")
    who.require("data:read")


def _named(app: App, deed: Deed, to: str) -> bool:
    kind = deed.info.kind  # type: ignore[attr-defined]
    bare, password = split_password(to)
    if password is not None:
        return False
    place = app.place(kind, bare)
    allowed = app.settings.serve.restore_to
    if "://" in place:
        return any("://" in each and fnmatch.fnmatchcase(place, each) for each in allowed)
    found = _real(place)
    return any(found.startswith(_real(each).rstrip("/") + "/") for each in allowed if "://" not in each)


def _real(place: str) -> str:
    """Without scheme, and without links that lead elsewhere."""
    return os.path.realpath(place.removeprefix("sqlite:").removeprefix("files:"))
