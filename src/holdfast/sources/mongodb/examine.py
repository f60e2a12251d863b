"""What ``doctor`` asks a MongoDB server; nothing is changed anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from pymongo.errors import PyMongoError

from holdfast.model.errors import HoldfastError
from holdfast.sources.base import Finding
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.expiry import paused
from holdfast.sources.mongodb.gaps import stands_still
from holdfast.sources.mongodb.inventory import Choice, read_access, read_collections
from holdfast.sources.mongodb.overtaken import Follower
from holdfast.sources.mongodb.place import Base, Client, Place
from holdfast.sources.mongodb.point import NONE, SNAPSHOT, STREAM, TRANSACTION, opened, server_of
from holdfast.sources.mongodb.refusals import least_privilege, translated

_OLDEST = 5
_POINTS = {
    SNAPSHOT: "every read is as of one cluster time",
    TRANSACTION: "everything is read in one transaction (small databases only: a transaction may take a minute)",
    STREAM: "reads are brought to one point by the change stream",
}
_STANDALONE = (
    "make the server a replica set of one: start mongod with --replSet rs0, then rs.initiate(); "
    "or stop writers during backups"
)


def examine(place: Place, choice: Choice) -> list[Finding]:
    """Findings in the order a person would mend them."""
    try:
        with place.client() as client:
            return list(_findings(place, client, choice))
    except HoldfastError as error:
        return [Finding(level="fail", what=_told(error), mend=error.hint)]
    except PyMongoError as error:
        problem = translated(error, place, doing="the database cannot be looked at")
        return [Finding(level="fail", what=_told(problem), mend=problem.hint)]


def _findings(place: Place, client: Client, choice: Choice) -> Iterator[Finding]:
    base, server = place.base(client), server_of(client)
    old = 0 < server.major < _OLDEST
    yield Finding(
        level="warn" if old else "ok", what=f"MongoDB {server.version} at {place.hosts} answers",
        mend="upgrade to MongoDB 5 or later" if old else "",
    )  # fmt: skip
    collections = read_collections(base, choice)
    data = [each for each in collections if each.kind in kinds.DATA_KINDS]
    if not collections:
        yield Finding(level="warn", what=f"the database {place.database} is empty", mend="is its name right?")
    for each in data:
        base.command({"find": each.name, "limit": 1, "singleBatch": True})
    for what, mend in stands_still(place.database, paused(base)):
        yield Finding(level="warn", what=what, mend=mend)
    if kept := base[kinds.JOURNAL].count_documents({"kept": True}):
        yield Finding(
            level="warn", what=f"{kept} documents that could not be put back are kept in {kinds.JOURNAL}",
            mend="free the unique values they need; they are put back when holdfast next looks into the database",
        )  # fmt: skip
    size = sum(each.size for each in data)
    yield Finding(level="ok", what=f"all {len(data)} collections can be read, {size >> 20} MiB of documents")
    name = data[0].name if data else None
    with opened(client, base, server, any_collection=name, size=size) as point:
        mode = point.mode
    yield from _point(base, mode, choice) if data else ()
    yield from _role(place, client, base)


def _point(base: Base, mode: str, choice: Choice) -> Iterator[Finding]:
    if mode == STREAM:
        try:
            Follower(base, choice.takes).close()
        except PyMongoError:
            mode = NONE
    if mode == NONE:
        yield Finding(level="warn", what="no consistent point: the server is no replica set", mend=_STANDALONE)
    else:
        yield Finding(level="ok", what=f"consistent point: {_POINTS[mode]}")


def _role(place: Place, client: Client, base: Base) -> Iterator[Finding]:
    status = client.admin.command({"connectionStatus": 1})["authInfo"]
    roles = {str(role["role"]) for role in status["authenticatedUserRoles"]}
    if not status["authenticatedUsers"]:
        yield Finding(
            level="warn", what="anybody may read and write this server: nobody has to log in",
            mend="start mongod with --auth, then: " + least_privilege(place),
        )  # fmt: skip
    elif roles & {"root", "dbOwner", "readWrite", "readWriteAnyDatabase", "__system"}:
        yield Finding(level="warn", what="this user may do far more than a backup needs", mend=least_privilege(place))
    else:
        yield Finding(level="ok", what=f"logged in with {', '.join(sorted(roles)) or 'no role'}")
    for missing in read_access(base)[1]:
        yield Finding(level="warn", what=f"not protected: {missing}", mend=least_privilege(place))


def _told(error: HoldfastError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what
