"""Explore: one row or one event, every version of it, what changed from one to the next, and the way back."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.usecases.entity_finding import entity_named
from holdfast.usecases.history import HistoryOrder, HistoryResult, history
from holdfast.usecases.looking import open_book
from holdfast.web.pages import desk, wording
from holdfast.web.pages.looks import page
from holdfast.web.reach import AT_THE_SOURCES
from holdfast.web.security.identity import Identity, require
from holdfast.wiring.build import App

router = desk.pages()
_KNOWN = 2000
_SHOWN = 50
_AT_ONCE = 100
_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is looked for: a row of ``item`` by ``key``; ``entity`` when it is the root of one, ``title`` its name."""

    source: str
    item: str
    key: str
    entity: str = ""
    title: str = ""

    @property
    def command(self) -> str:
        """The same in a shell."""
        if self.entity:
            return wording.command("entity", "versions", self.entity, self.key)
        return wording.command("log", self.source, self.item, self.key, "--live")


@router.get("/explore", dependencies=[AT_THE_SOURCES])
def explore(
    request: Request,
    who: Annotated[Identity, Depends(require("data:read"))],
    source: str = "",
    item: str = "",
    key: str = "",
    entity: str = "",
    before: str = "",
) -> HTMLResponse:  # fmt: skip
    """The question, and when it is asked its answer out of the newest snapshots, or those ``before`` one."""
    result, error, warning = None, None, ""
    with desk.service_of(request).reading() as app:
        question = _question(app, source=source, item=item.strip(), key=key.strip(), entity=entity)
        if question.source and question.item and question.key:
            who.require("data:read", question.source)
            one = f"{entity} {question.key}" if entity else f"a row of {question.item}"
            warning = desk.look(app, who, f"versions of {one}", question.source, question.key if entity else "")
            try:
                result = _found(app, question, before)
            except HoldfastError as found:
                error = found
        mine = [name for name in app.settings.sources if who.may("data:read", name)]
        # to open the newest snapshot of each of very many takes longer than to type a name
        known = {name: _tables(app, name) if len(mine) <= _NAMED or name == source else [] for name in mine}
        entities = {
            name: each for name, each in app.settings.entities.items() if who.may("data:read", each.source)
        }  # fmt: skip
    return page(
        request, "explore.html", who=who, question=question, result=result, error=error, known=known,
        entities=entities, warning=warning, shown=_SHOWN, asked=bool(key.strip()), before=before,
        older=_older(question, result) if result else None, newest=_link(question),
    )  # fmt: skip


def _older(question: Question, result: HistoryResult) -> str | None:
    """Where the next stretch of snapshots is looked into."""
    return _link(question, result.oldest.id) if result.older and result.oldest is not None else None


def _link(question: Question, before: str = "") -> str:
    asked = {"entity": question.entity} if question.entity else {"source": question.source, "item": question.item}
    return desk.link("/explore", {**asked, "key": question.key}, before=before)


def _question(app: App, *, source: str, item: str, key: str, entity: str) -> Question:
    if entity:
        declared = entity_named(app.settings.entities, entity)
        return Question(
            source=declared.source, item=declared.root, key=key, entity=entity, title=declared.title or ""
        )  # fmt: skip
    return Question(source=source, item=item, key=key)


def _found(app: App, question: Question, before: str) -> HistoryResult:
    """By its key; what has no such key may be called like that."""
    named = f"{question.title}={question.key}"
    try:
        result = _versions(app, question, question.key, before)
    except UsageError:
        if not question.title or "=" in question.key:
            raise
        return _versions(app, question, named, before)
    if result.rows or not question.title or "=" in question.key:
        return result
    called = _versions(app, question, named, before)
    return called if called.rows else result


def _versions(app: App, question: Question, word: str, before: str) -> HistoryResult:
    """Over a stretch of snapshots; with the newest ones, in the application too where it can be reached."""
    living = question.source in app.settings.sources and not before
    order = HistoryOrder(
        source_name=question.source, item=question.item, words=(word,), source=app.reader_of,
        live=app.source if living else None, newest=_AT_ONCE, before=before, without_live=True,
    )  # fmt: skip
    return history(app.repository, order)


def _tables(app: App, source: str) -> list[str]:
    """What a person can ask for, as the newest good snapshot lists it."""
    entries = {entry.info.id: entry for entry in app.repository.snapshots()}
    newest: SnapshotInfo | None = names.newest_good([entry.info for entry in entries.values()], source)
    if newest is None:
        return []
    if newest.kind == "sqlite":  # one item, the database; its tables are inside
        with open_book(app.repository, entries[newest.id], app.reader_of(newest)) as book:
            return list(itertools.islice(book.tables, _KNOWN))
    found = []
    for item in app.repository.manifest(entries[newest.id]).items():
        if item.kind in ("table", "collection") and not item.part:
            found.append(item.label)
        if len(found) >= _KNOWN:
            break
    return found
