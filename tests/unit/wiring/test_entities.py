"""``[entities.NAME]`` in holdfast.toml."""

from __future__ import annotations

import tomllib

import pytest

from holdfast.entities.declared import Declaration, DeclaredEdge
from holdfast.model.errors import UsageError
from holdfast.wiring.load import parse
from holdfast.wiring.settings import Settings

HEAD = '[repository]\nurl = "./r"\n[sources.shop]\nurl = "sqlite:a.db"\n'
GOOD = """
[entities.event]
source = "shop"
root = "events"
title = "title"
limit_rows = 5
[[entities.event.edges]]
from = "Notification.payload.eventId"
to = "Event"
[[entities.event.edges]]
from = ["seats.event", "seats.row"]
to = ["rows.event", "rows.no"]
kind = "parent"
when = { column = "type", equals = "Event" }
[[entities.event.edges]]
from = "events.poster"
kind = "blob"
[entities.event.unique]
slug = "suffix"
[entities.event.side_effects]
"tickets.secret" = "regenerate"
"""


def parsed(text: str) -> Settings:
    return parse(tomllib.loads(HEAD + text), "holdfast.toml")


def test_an_entity_is_read_as_it_is_written() -> None:
    """Texts and lists of texts, rules, limits; and shown again as it stands."""
    settings = parsed(GOOD)
    found = settings.entities["event"]
    assert isinstance(found, Declaration)
    assert found.edges[0] == DeclaredEdge(from_=("Notification.payload.eventId",), to=("Event",), kind="owned")
    assert found.edges[1].when == {"column": "type", "equals": "Event"}
    assert (found.unique, found.side_effects) == ({"slug": "suffix"}, {"tickets.secret": "regenerate"})
    assert (found.limit_rows, found.limit_depth) == (5, 100)
    assert settings.plain()["entities"]["event"]["edges"][1]["from"] == ["seats.event", "seats.row"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[entities.event]\nsource = "shop"\n', "entities.event.root is missing"),
        ('[entities.event]\nsource = "shop"\nroot = "e"\nrot = 1\n', "unknown key entities.event.rot"),
        ('[entities.event]\nsource = "shop"\nroot = ""\n', "root is empty"),
        ('[entities.event]\nsource = "shop"\nroot = 5\n', "must be text"),
        ('[entities.event]\nsource = "shop"\nroot = "e"\nlimit_rows = 0\n', "above 0"),
        ('[entities.event]\nsource = "shop"\nroot = "e"\nusers = "delete"\n', "null, refuse, keep"),
        ('[entities.event]\nsource = "shop"\nroot = "e"\nedges = 5\n', "edges"),
        ('[entities.event]\nsource = "shop"\nroot = "e"\n[[entities.event.edges]]\nto = "x"\n', "from is missing"),
        (('[entities.event]\nsource = "shop"\nroot = "e"\n[[entities.event.edges]]\nfrom = "a.b"\nto = "x"\n'
         'kind = "own"\n'), "owned, parent"),
        (('[entities.event]\nsource = "shop"\nroot = "e"\n[[entities.event.edges]]\nfrom = "a.b"\nto = "x"\n'
         'form = "own"\n'), "did you mean"),
        ('[entities.event]\nsource = "shop"\nroot = "e"\n[entities.event.unique]\nslug = "copy"\n', "suffix"),
        ('[entities."a b"]\nsource = "shop"\nroot = "e"\n', "name"),
        ("entities = 5\n", "must be a table"),
    ],
)  # fmt: skip
def test_every_mistake_is_named(text: str, told: str) -> None:
    """Where it stands, and what would be right."""
    document = text + HEAD if text.startswith("entities") else HEAD + text
    with pytest.raises(UsageError) as caught:
        parse(tomllib.loads(document), "holdfast.toml")
    assert told in str(caught.value)
