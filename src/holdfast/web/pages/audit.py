"""Audit: every privileged act and every look inside backup content, and whether the trail is whole."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from holdfast.usecases.audit import ActQuery, verify
from holdfast.web.api import paging
from holdfast.web.pages import desk, wording
from holdfast.web.pages.looks import page
from holdfast.web.security import sight
from holdfast.web.security.identity import Identity, require

router = desk.pages()
_PAGE = 50


@router.get("/audit")
def trail(
    request: Request,
    who: Annotated[Identity, Depends(require("audit:read"))],
    deed: str = "",
    person: str = "",
    before: str = "",
    check: str = "",
) -> HTMLResponse:  # fmt: skip
    """Newest first, as the filter says; with ``check`` the whole chain is read."""
    query = ActQuery(deeds=(deed,) if deed else (), who=(person,) if person else ())
    after: tuple[int, int] | None = paging.place(before, int, int) if before else None
    with desk.service_of(request).reading() as app:
        seen, last = sight.acts_page(app.repository, query, who, _PAGE, after)
        checked = verify(app.repository) if check else None
    older = paging.cursor(*last) if last else None
    chosen = {"deed": deed, "person": person}
    return page(
        request, "audit.html", who=who, acts=seen, chosen=chosen, checked=checked, shell=_shell(deed, person),
        older=desk.link("/audit", chosen, before=older) if older else None,
    )  # fmt: skip


def _shell(deed: str, person: str) -> str:
    filters = [word for name, value in (("--deed", deed), ("--who", person)) if value for word in (name, value)]
    return wording.command("audit", "list", *filters)
