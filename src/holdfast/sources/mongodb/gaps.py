"""What a snapshot of a MongoDB database holds not at all, or not as of its point; the snapshot says so."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.expiry import Paused
from holdfast.sources.mongodb.inventory import Collection
from holdfast.sources.mongodb.point import NONE, SNAPSHOT, STREAM, TRANSACTION, Server


def not_protected(server: Server, collections: Sequence[Collection]) -> Iterator[str]:
    """What is left out whatever the point is."""
    if server.sharded:
        yield "how collections are sharded (shard keys, zones, chunks): a restore makes them unsharded"
    encrypted = [each.name for each in collections if "encryptedFields" in each.options]
    if encrypted:
        yield (
            f"what queries on encrypted fields need (enxcol_.*), of {', '.join(encrypted)}: "
            "the documents are kept, encrypted as they are, but their server takes them back only as unqueryable data"
        )


def nearly(mode: str, collections: Sequence[Collection]) -> Iterator[str]:
    """What is not as of the point."""
    data = [each for each in collections if each.kind in kinds.DATA_KINDS]
    if mode == NONE and data:
        yield (
            "no consistent point: this server is no replica set (or has neither snapshot reads nor a change stream"
            " for this user), so what was written during the backup may be in it in part"
        )
    capped = [each.name for each in data if each.capped]
    if capped and mode in (SNAPSHOT, TRANSACTION):
        yield f"capped collections cannot be read as of a point, they are a moment later: {', '.join(capped)}"
    measured = [each.name for each in data if each.kind == kinds.KIND_TIMESERIES]
    if measured and mode == STREAM:
        yield (
            "time series have no change stream: measurements written during the backup may be in it in part: "
            + ", ".join(measured)
        )


def stands_still(database: str, still: Iterable[Paused]) -> Iterator[tuple[str, str]]:
    """(what a killed restore left, the command that mends it)."""
    for each in still:
        if each.left_over:
            what = f"expiry of {each.collection} {each.index}".rstrip()
            command = json.dumps(each.command, default=int)
            yield (
                f"{what} stands still since a restore was killed; the next restore in place gives it back",
                f"db.getSiblingDB({json.dumps(database)}).runCommand({command})",
            )
