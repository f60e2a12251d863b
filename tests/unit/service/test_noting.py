"""What a deed asked for by API or dashboard leaves in the audit trail: enough to answer, with the journal lost."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.faults.world import World, cheap, room  # noqa: F401

from holdfast.model.errors import StorageError
from holdfast.service.care import Forget
from holdfast.service.deeds import Deed
from holdfast.service.entity_deeds import EntityBackup, EntityClone, EntityDelete, EntityRestore, TrashRestore
from holdfast.service.noting import Asker, changing, noted
from holdfast.service.restores import Undo
from holdfast.usecases.audit import ActQuery, NotRecorded, acts
from holdfast.web.api.problems import status_of

RUN = "r" * 32
_EVENT: dict[str, Any] = {"name": "event", "key": "43", "source": "shop"}
DEEDS: dict[str, tuple[Deed, str]] = {
    "delete:entity": (EntityDelete(**_EVENT), "43"),
    "entity:backup": (EntityBackup(**_EVENT), "43"),
    "entity:clone": (EntityClone(**_EVENT), "43"),
    "restore:in-place": (EntityRestore(**_EVENT), "43"),
    "restore:trash": (TrashRestore(id="tx-7", source="shop"), "tx-7"),
    "restore:undo": (Undo(run="a" * 32, source="shop"), "a" * 32),
    "delete:forget": (Forget(snapshots=("b" * 32, "c" * 32), source="shop"), f"{'b' * 32} {'c' * 32}"),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_an_act_names_what_it_was_about_and_its_run(deed: str, room: Path, cheap: None) -> None:  # noqa: F811
    """Who deleted event 43 is answered by the trail alone; each deed has its own name."""
    given, subject = DEEDS[deed]
    with World(room).create().opened("client") as repository:
        app = cast(
            "Any",
            SimpleNamespace(repository=repository, settings=SimpleNamespace(audit=SimpleNamespace(required=True))),
        )
        with noted(app, Asker(who="ada"), given, RUN, lambda _event: None):
            pass
        ended, begun = (each.act for each in acts(repository, ActQuery()))
    assert (begun.deed, begun.subject, begun.more["run"]) == (deed, subject, RUN)
    assert (ended.deed, ended.subject, ended.outcome) == (deed, subject, "ok")
    assert given.source in begun.source and ("43" in begun.what) == (subject == "43")


def test_with_a_trail_that_is_required_nothing_is_done_that_it_cannot_take(
    room: Path,  # noqa: F811
    cheap: None,  # noqa: F811
) -> None:
    """A pin, a pause, a token: refused before, not after; without the requirement it is done, with a warning."""
    done: list[str] = []
    with World(room).create().opened("client") as repository:

        def broken(_acts: object) -> int:
            raise StorageError("the store is read-only")

        repository.trail.append = broken  # type: ignore[method-assign]
        for required in (True, False):
            audit = SimpleNamespace(required=required)
            app = cast("Any", SimpleNamespace(repository=repository, settings=SimpleNamespace(audit=audit)))
            told = pytest.raises(NotRecorded) if required else contextlib.nullcontext()
            with told, changing(app, Asker(who="ada"), "pin:add", "pin 1234") as small:
                done.append("required" if required else "asked for")
    assert done == ["asked for"]
    assert status_of(NotRecorded.code) == 503
    assert len(small.warnings) == 2
