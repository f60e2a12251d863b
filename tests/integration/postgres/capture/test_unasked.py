"""After a proof that nothing ran on the server nothing is looked up; anything that did run is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.postgres.capture.draining import Saved, capture
from tests.servers.postgres import PostgresServer, fresh_database, shared_server

from holdfast.sources.postgres import PostgresSource
from holdfast.sources.postgres import leader as leader_module

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.sources.postgres.catalog import Relation
    from holdfast.sources.postgres.connection import Connection

VERSIONS = ("15", "16", "18")
MAKE = """
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT g, repeat('x', 30) FROM generate_series(1, 4000) g;
CREATE TABLE small (id int, v text);
INSERT INTO small SELECT g, 'x' FROM generate_series(1, 10) g;
CREATE TABLE empty (id int);
CREATE UNLOGGED TABLE fast AS SELECT generate_series(1, 900) AS g;
CREATE SEQUENCE numbers CACHE 1;
CREATE MATERIALIZED VIEW seen AS SELECT count(*) FROM t;
CREATE TABLE parts (id int, v text) PARTITION BY RANGE (id);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (100);
INSERT INTO parts SELECT g, 'low' FROM generate_series(1, 50) g
"""

CHANGES = [
    ("here", "CREATE TABLE late (id int)", "definitions", b"CREATE TABLE public.late"),
    ("here", "ALTER TABLE empty ADD COLUMN late int", "definitions", b"late integer"),
    ("here", "COMMENT ON TABLE small IS 'a late word'", "definitions", b"a late word"),
    ("here", "CREATE INDEX late ON small (v)", "definitions", b"CREATE INDEX late"),
    ("here", "GRANT SELECT ON small TO PUBLIC", "definitions", b"GRANT SELECT ON TABLE public.small TO PUBLIC"),
    ("here", "ALTER SEQUENCE numbers INCREMENT 7", "definitions", b"INCREMENT BY 7"),
    ("here", "REFRESH MATERIALIZED VIEW seen WITH NO DATA", "", b""),
    ("here", "CREATE ROLE {role} LOGIN", "roles", b'CREATE ROLE "{role}"'),
    ("here", "ALTER DATABASE {name} SET work_mem = '7MB'", "roles", b"7MB"),
    ("here", "COMMENT ON DATABASE {name} IS 'a late word'", "roles", b"a late word"),
    ("elsewhere", "CREATE ROLE {role} LOGIN", "roles", b'CREATE ROLE "{role}"'),
    ("elsewhere", "ALTER DATABASE {name} SET work_mem = '7MB'", "roles", b"7MB"),
    ("elsewhere", "GRANT CONNECT ON DATABASE {name} TO {role}", "roles", b'TO "{role}"'),
]


@pytest.fixture(params=VERSIONS)
def place(request: pytest.FixtureRequest) -> Iterator[tuple[PostgresServer, str]]:
    server = shared_server(request.param)
    with fresh_database(server) as name:
        server.run(MAKE, name)
        yield server, name


def of(place: tuple[PostgresServer, str], **more: object) -> PostgresSource:
    server, name = place
    return PostgresSource(server.url(name), **more)  # type: ignore[arg-type]


def kept(saved: Saved) -> set[bytes]:
    return {name for name, _ in saved.kept}


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The relations that each capture read from the catalogs."""
    seen: list[set[str]] = []
    real = leader_module.read_relations

    def watched(connection: Connection, only: Sequence[int] | None = None) -> list[Relation]:
        found = real(connection, only)
        seen.append({one.label for one in found})
        return found

    monkeypatch.setattr(leader_module, "read_relations", watched)
    return seen


def test_nothing_is_looked_up_that_cannot_have_changed(
    place: tuple[PostgresServer, str], looked_up: list[set[str]]
) -> None:
    """Tables and definitions are kept whole and unseen, time after time; what is told of them stays the same."""
    first = capture(of(place))
    second = capture(of(place), first)
    third = capture(of(place), second)
    everything, *later = looked_up
    assert {"public.t", "public.small", "public.empty", "public.fast", "public.numbers"} <= everything
    for seen in later:
        assert {"public.fast", "public.numbers"} <= seen
        assert len(seen - {"public.fast", "public.numbers", "public.parts"}) == 1  # the sample
    for later_one in (second, third):
        assert kept(later_one) >= {b"definitions", b"public.t", b"public.small", b"public.parts_low"}
        assert later_one.stored.keys() == first.stored.keys()
        for name, item in first.stored.items():
            again = later_one.stored[name]
            assert (again.kind, again.rows, again.size, again.notes) == (item.kind, item.rows, item.size, item.notes)
            assert later_one.text(name.decode()) == first.text(name.decode())
        assert later_one.learned.not_protected == first.learned.not_protected
        assert later_one.learned.warnings == []
    assert third.learned.notes["sampled"] == 1


@pytest.mark.parametrize(("where", "change", "item", "text"), CHANGES, ids=[f"{c[0]}: {c[1]}" for c in CHANGES])
def test_a_change_of_any_definition_is_seen(
    place: tuple[PostgresServer, str], looked_up: list[set[str]], where: str, change: str, item: str, text: bytes
) -> None:
    """Whatever it is made with, and from whichever database of the cluster, everything is looked up again."""
    server, name = place
    role = f"late_{name}"
    if where == "elsewhere" and "TO {role}" in change:
        server.run(f"CREATE ROLE {role}", "postgres")
    first = capture(of(place))
    server.run(change.format(name=name, role=role), name if where == "here" else "postgres")
    try:
        second = capture(of(place), first)
    finally:
        server.run(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC", "postgres")
        if "{role}" in change:
            server.run(f"DROP OWNED BY {role}; DROP ROLE {role}", name)
    assert looked_up[-1] >= {"public.t", "public.small", "public.empty"}
    if item:
        assert text.replace(b"{role}", role.encode()) in second.text(item)
    else:
        assert second.stored[b"public.seen"].notes != first.stored[b"public.seen"].notes


def test_rows_written_in_any_way_are_seen(place: tuple[PostgresServer, str]) -> None:
    """An update ends the quiet; a sequence, which moves without a transaction number, is read in spite of it."""
    server, name = place
    first = capture(of(place))
    server.run("UPDATE small SET v = 'y' WHERE id = 3", name)
    second = capture(of(place), first)
    assert b"3\ty" in second.lines("public.small")
    server.run("SELECT nextval('numbers')", name)
    third = capture(of(place), second)
    assert (third.stored[b"public.numbers"].notes or {})["is_called"] is True


def test_other_wishes_look_everything_up(place: tuple[PostgresServer, str], looked_up: list[set[str]]) -> None:
    """A snapshot taken with other patterns or options does not say what these would have found."""
    first = capture(of(place))
    for number, more in enumerate(({"exclude": ("public.small",)}, {"acl": False}, {"tables": ("public.t",)})):
        second = capture(of(place, **more), first)
        assert len(looked_up[number + 1]) >= 5
        assert (b"public.small" in second.stored) is (number == 1)


def test_work_of_an_unfinished_run_lets_nothing_sleep(
    place: tuple[PostgresServer, str], looked_up: list[set[str]]
) -> None:
    """What was saved before the end knows only part of the tables."""
    first = capture(of(place))
    first.learned.notes = first.opening
    second = capture(of(place), first)
    assert looked_up[1] >= {"public.t", "public.small", "public.empty"}
    assert second.stored.keys() == first.stored.keys()


def test_a_table_with_lost_segments_is_read_again(place: tuple[PostgresServer, str]) -> None:
    """A repository that lost a chunk shows the item without that segment: it is not kept as if it were whole."""
    first = capture(of(place))
    whole = first.text("public.t")
    first.stored[b"public.t"].segments = []
    second = capture(of(place), first)
    assert b"public.t" not in kept(second)
    assert second.text("public.t") == whole


def test_a_sample_that_differs_takes_a_new_image_of_everything(
    place: tuple[PostgresServer, str], looked_up: list[set[str]]
) -> None:
    """Should the proof ever fail, the run says so, looks everything up and keeps no rows."""
    first = capture(of(place))
    for number, content in first.content.items():
        first.content[number] = content.replace(b"\tx", b"\tz").replace(b"\tlow", b"\tnow")
    second = capture(of(place), first)
    assert any("ALARM" in line for line in second.learned.warnings)
    assert len(looked_up[1]) < len(looked_up[2])
    assert not kept(second) & {b"public.t", b"definitions"}
    assert b"3\t" + b"x" * 30 in second.lines("public.t")
