"""What a deployment is to be known by, and what else it holds, as far as this user may know."""

from __future__ import annotations

import contextlib

from pymongo.errors import PyMongoError

from holdfast.sources.mongodb.place import Base, Client
from holdfast.sources.mongodb.values import RAW


def deployment_of(client: Client) -> str:
    """What no other deployment has: the id of the replica set or cluster; "" where this user may not know it."""
    with contextlib.suppress(PyMongoError, KeyError, TypeError):
        settings = client.admin.command("replSetGetConfig", codec_options=RAW)["config"]["settings"]
        return str(settings["replicaSetId"])
    with contextlib.suppress(PyMongoError, KeyError, TypeError):
        version = client.get_database("config").get_collection("version").find_one()
        return str(version["clusterId"]) if version is not None else ""
    return ""


def neighbours_of(base: Base) -> list[str]:
    """Other databases of the deployment, as far as this user may know of them, without those every one has."""
    with contextlib.suppress(PyMongoError):
        return sorted({*base.client.list_database_names()} - {"admin", "config", "local", base.name})
    return []
