"""A repository that dies together with what it protects is told by its address."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.usecases.apart import databases_beside, same_disk, same_machine, same_server


@pytest.mark.parametrize(
    ("repository", "source", "same"),
    [
        ("postgresql://b@db/backups?table=h", "postgresql://app@db/shop", True),
        ("postgres://b@DB:5432/backups", "postgresql://app@db/shop", True),
        ("postgresql://b@127.0.0.1/b", "postgresql://app@localhost/shop", True),
        ("postgresql:///b?host=/run/postgresql", "postgresql://app@localhost/shop", True),
        ("postgresql://b@db:5433/backups", "postgresql://app@db/shop", False),
        ("postgresql://b@other/backups", "postgresql://app@db/shop", False),
        ("s3://bucket/x", "postgresql://app@db/shop", False),
        ("postgresql://b@db:notaport/x", "postgresql://app@db/shop", False),
    ],
)
def test_the_same_server(repository: str, source: str, same: bool) -> None:
    """Names and ports as clients read them."""
    assert bool(same_server(repository, {"shop": source})) is same


def test_the_same_disk(tmp_path: Path) -> None:
    """By the device of the nearest folder that is there; what is elsewhere has none."""
    sources = {"files": f"files:{tmp_path}", "db": f"sqlite:{tmp_path}/x.db", "far": "postgresql://db/x", "proc":
               "files:/proc"}  # fmt: skip
    assert same_disk(f"{tmp_path}/not/there", sources) == ["files", "db"]
    assert same_disk("s3://bucket/x", sources) == []


def test_databases_of_one_server_are_known_to_all_its_sources() -> None:
    """Others are not."""
    found = databases_beside({"a": "postgresql://x@db/shop", "b": "postgresql://y@DB:5432/my%20wiki", "c": "files:/x"})
    assert found == {"a": frozenset({"shop", "my wiki"}), "b": frozenset({"shop", "my wiki"})}


def test_the_machine_that_serves_a_source_is_told_where_the_repository_is_on_it(tmp_path: Path) -> None:
    """Another server there, or a folder; not the very same server, which is worse and told apart."""
    sources = {
        "near": "mongodb://localhost/media", "shop": "postgresql:///shop", "far": "mongodb://db/media",
        "set": "mongodb://db,db2,db3/media",
    }  # fmt: skip
    assert same_machine(f"file:{tmp_path}", sources) == ["near", "shop"]
    assert same_machine("postgresql://b@db/backups", sources) == ["far"]
    assert same_machine("postgresql://b@localhost/b", sources) == ["near"]
    assert same_machine("s3://bucket/x", sources) == []
    assert same_server("postgresql://b@db:27017/x", {"odd": "postgresql://a@db:27017/y"})


def test_databases_of_one_mongodb_deployment_are_known_to_all_its_sources() -> None:
    """However its hosts are ordered."""
    found = databases_beside({"a": "mongodb://u@h1:1,h2:2/shop", "b": "mongodb://h2:2,h1:1/wiki?replicaSet=rs0"})
    assert found == {"a": frozenset({"shop", "wiki"}), "b": frozenset({"shop", "wiki"})}
