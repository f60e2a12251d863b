"""``holdfast status``: what would be lost now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from holdfast.cli import remembering, words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.system import clock
from holdfast.usecases.last_failure import LastFailure
from holdfast.usecases.measuring import stored_bytes
from holdfast.usecases.status import SourceStatus, status_of


@verb("status", examples="holdfast status\nholdfast status --json")
def status(face: Face) -> None:
    """Say, for each source, what would be lost if it died now."""
    with opened(face) as app:
        now = clock.now()
        configured = tuple(app.settings.sources)
        failures = remembering.notes_of(app).of(configured)
        found = status_of(app.repository.snapshots(), configured, now, failures)
        size, url = stored_bytes(app.storage), app.storage.url
        identifier = app.repository.id
    face.document(
        {
            "as_of": clock.stamp(now),
            "repository": {"url": url, "id": identifier, "bytes_stored": size},
            "sources": [_document(each) for each in found],
            "warnings": face.alarms,
        }
    )
    for each in found:
        face.line(_sentence(each, now), _colour(each))
    if found:
        face.line()
        face.lines(_table(found))
    for each in found:
        for text in each.not_protected:
            face.line(f"not protected: {each.source}: {text}", "yellow")
    if not found:
        face.note("no source is configured and there is no snapshot")
    face.line(f"repository {url}: {words.size(size)}, as of {words.instant(clock.stamp(now))} UTC")


def _document(each: SourceStatus) -> dict[str, Any]:
    newest = each.newest
    return {
        "source": each.source,
        "configured": each.configured,
        "newest": newest.id if newest else None,
        "newest_created_at": newest.created_at if newest else None,
        "age_seconds": each.age,
        "rows": newest.rows if newest else None,
        "bytes_source": newest.bytes_source if newest else None,
        "reach_seconds": each.reach,
        "snapshots": each.snapshots,
        "pinned": each.pinned,
        "incomplete_since_newest": each.failed_since,
        "last_failure": msgspec.to_builtins(each.last_failure),
        "not_protected": list(each.not_protected),
    }


def _sentence(each: SourceStatus, now: datetime) -> str:
    return f"{_loss(each)}; {_failure(each.last_failure, now)}" if each.last_failure else _loss(each)


def _failure(last: LastFailure, now: datetime) -> str:
    ago = (now - datetime.fromisoformat(last.at)).total_seconds()
    return f"last run failed {words.seconds(max(0.0, ago))} ago: {last.what}"


def _loss(each: SourceStatus) -> str:
    if each.age is None:
        return f"{each.source}: everything would be lost, there is no complete snapshot"
    sentence = f"{each.source}: changes of the last {words.seconds(each.age)} would be lost"
    if each.failed_since:
        sentence += f"; {each.failed_since} newer snapshot(s) are incomplete"
    return sentence if each.configured else f"{sentence} (no longer in the configuration)"


def _colour(each: SourceStatus) -> str:
    if each.newest is None or each.last_failure:
        return "red"
    return "yellow" if each.failed_since or each.newest.not_protected or not each.configured else "green"


def _table(found: Sequence[SourceStatus]) -> list[str]:
    titles = ("source", "newest (UTC)", "rows", "size", "snapshots", "reaches back")
    rows = [
        (
            each.source,
            words.instant(each.newest.created_at) if each.newest else "none",
            words.count(each.newest.rows if each.newest else None),
            words.size(each.newest.bytes_source if each.newest else None),
            words.count(each.snapshots),
            words.seconds(each.reach) if each.reach is not None else "-",
        )
        for each in found
    ]
    return words.table(titles, rows, right=(2, 3, 4, 5))
