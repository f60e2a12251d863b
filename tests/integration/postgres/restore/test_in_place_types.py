"""Columns of every kind of type, those without an equality of their own among them, come back to the last bit."""

from __future__ import annotations

import pytest
from tests.integration.postgres.restore.applying import restore, verify
from tests.integration.postgres.restore.damaging import saved_before
from tests.integration.postgres.restore.fixture_snapshot import snapshot_of
from tests.servers.postgres import PostgresServer, shared_server

MODES = (
    {"in_place": True},
    {"in_place": True, "overwrite": True},
    {"in_place": True, "overwrite": True, "exact": True},
)
KINDS = """
CREATE TYPE pair AS (n int, j json); CREATE DOMAIN digits AS int[] CHECK (array_length(VALUE, 1) > 0);
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE kinds (KEY, j json, b jsonb, p point, x box, l line, c circle, t tsvector, q tsquery, bits bit varying,
  m money, r int4range, mr nummultirange, pr pair, prs pair[], d digits, moods mood[], f float8, i interval,
  addr inet, mac macaddr, xid xid, xids xid[], tid tid, ch "char", js json[], oids oidvector, path jsonpath);
INSERT INTO kinds VALUES (1, '{"a" : 1, "a":2}', '{"a": 1.0}', '(0.1,2)', '(1,2),(3,4)', '{1,2,3}', '<(1,2),3>',
  'a:1A b', 'a & !b', B'10101', 12.34, '[1,5)', '{[1.5,2.50],(5,)}', '(1,"{""x"":[1]}")', '{"(1,null)","(,)"}', '{1,2}',
  '{sad,happy,NULL}', '-0', '1 mon -1 day', '10.0.0.1/8', '08:00:2b:01:02:03', '4294967295', '{1,2}', '(0,1)', 'x',
  ARRAY['{"k": 1}', NULL]::json[], '1 2', '$.a[*] ? (@ > 1)');
INSERT INTO kinds (id) VALUES (2);
INSERT INTO kinds (id, j, f, m) VALUES (3, 'null', 'NaN', -0.01);
"""
WAYS = {"with a key": "id int PRIMARY KEY", "without a key": "id int"}


@pytest.fixture(params=("15", "18"))
def server(request: pytest.FixtureRequest) -> PostgresServer:
    return shared_server(request.param)


def rows(server: PostgresServer, shop: str) -> list[tuple[str]]:
    return server.run("SELECT k::text FROM kinds k ORDER BY k::text COLLATE \"C\"", shop)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("mode", MODES, ids=("add", "overwrite", "exact"))
def test_every_type_is_compared_and_written(
    server: PostgresServer, shop: str, way: str, mode: dict[str, bool]
) -> None:
    """What is equal is left, what is missing is added, what differs in one column only is found."""
    server.run(KINDS.replace("KEY", way), shop)
    listed = server.run(
        "SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid = 'kinds'::regclass AND attnum > 1", shop
    )[0][0]
    server.run(
        f"INSERT INTO kinds (id, {listed}) SELECT n, {listed} FROM kinds, generate_series(1001, 1040) n WHERE id = 1",
        shop,
    )
    saved = snapshot_of(server, shop)
    before = rows(server, shop)
    same = restore(server.url(shop), saved, **mode)
    assert same.actions()["public.kinds"] == "leave"
    damage = "UPDATE kinds SET id = id + 5000"
    if mode != MODES[0]:
        each = enumerate(listed.split(","), 1001)
        damage = ";".join(f"UPDATE kinds SET {name} = NULL WHERE id = {n}" for n, name in each)
    server.run(damage, shop)
    outcome = restore(server.url(shop), saved, **mode)
    assert outcome.bad == []
    assert verify(outcome, saved) == []
    if mode == MODES[2] or (mode == MODES[1] and "PRIMARY" in way):
        assert rows(server, shop) == before
    else:
        assert set(rows(server, shop)) > set(before)


def test_xml_hstore_and_citext_are_compared_as_they_are_written(shop: str, server: PostgresServer) -> None:
    """Letters of another case are a difference in a case insensitive type, spaces are one in XML."""
    if not server.run("SELECT 1 FROM pg_available_extensions WHERE name = 'citext'"):
        pytest.skip(f"not proven: xml, hstore and citext on PostgreSQL {server.version}: its build has none of them")
    server.run(
        "CREATE EXTENSION hstore; CREATE EXTENSION citext;"
        "CREATE TABLE kinds (id citext PRIMARY KEY, x xml, xs xml[], h hstore, c citext);"
        "CREATE TABLE loose (c citext, x xml);"
        "INSERT INTO kinds VALUES ('Ann', '<a> <b/></a>', ARRAY['<c/>'::xml, NULL], 'a=>1,b=>NULL', 'Word'),"
        " ('bob', NULL, NULL, '', NULL);"
        "INSERT INTO loose VALUES ('One', '<a/>'), ('One', '<a/>'), ('one', '<a/>')",
        shop,
    )
    saved = snapshot_of(server, shop)
    before, loose = rows(server, shop), server.run("SELECT c::text, x::text FROM loose ORDER BY 1, 2", shop)
    server.run(
        "UPDATE kinds SET x = '<a><b/></a>', c = 'word', id = 'ann' WHERE id = 'Ann';"
        "DELETE FROM kinds WHERE id = 'bob';"
        "UPDATE loose SET c = 'ONE' WHERE c::text = 'one'",
        shop,
    )
    outcome = restore(server.url(shop), saved, **MODES[2])
    assert outcome.bad == []
    assert rows(server, shop) == before
    assert server.run("SELECT c::text, x::text FROM loose ORDER BY 1, 2", shop) == loose
    assert verify(outcome, saved) == []


def any_case(server: PostgresServer) -> str:
    """A statement that makes an order of letters that ignores case; skips where the server has none."""
    if not server.run("SELECT 1 FROM pg_collation WHERE collprovider = 'i' AND collname <> 'unicode'"):
        pytest.skip(f"not proven: keys that ignore case on PostgreSQL {server.version}: its build has no ICU")
    return ANY_CASE


ANY_CASE = "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"


def test_keys_that_ignore_case_match_as_their_index_does(server: PostgresServer, shop: str) -> None:
    """A key told otherwise since is the same row; overwriting brings its letters back."""
    server.run(
        any_case(server) + "CREATE TABLE kinds (id text COLLATE any_case PRIMARY KEY, v text COLLATE any_case);"
        "INSERT INTO kinds VALUES ('Ann', 'x'), ('bob', 'Y')",
        shop,
    )
    saved = snapshot_of(server, shop)
    before = rows(server, shop)
    server.run("UPDATE kinds SET id = 'ann' WHERE id = 'Ann'; UPDATE kinds SET v = 'y' WHERE id = 'bob'", shop)
    added = restore(server.url(shop), saved, in_place=True)
    assert "2 rows differ" in next(s.detail for s in added.plan.steps if s.label == "public.kinds")
    assert restore(server.url(shop), saved, **MODES[1]).bad == []
    assert rows(server, shop) == before


def test_a_key_with_a_collation_of_its_own_matches_as_its_index_does(server: PostgresServer, shop: str) -> None:
    """Rows that the column's collation takes for one, but the key does not, are told apart."""
    server.run(
        any_case(server) + 'CREATE TABLE kinds (id text COLLATE any_case NOT NULL, v int);'
        'CREATE UNIQUE INDEX ON kinds (id COLLATE "C");'
        "INSERT INTO kinds VALUES ('Ann', 1), ('ann', 2), ('bob', 3)",
        shop,
    )
    saved = snapshot_of(server, shop)
    before = rows(server, shop)
    for damage in ("DELETE FROM kinds WHERE v = 1", "UPDATE kinds SET v = v + 10", "DELETE FROM kinds"):
        server.run(damage, shop)
        outcome = restore(server.url(shop), saved, **MODES[2])
        assert outcome.bad == [], damage
        assert rows(server, shop) == before
        assert verify(outcome, saved) == []


def test_references_between_collations_are_checked(server: PostgresServer, shop: str) -> None:
    """A foreign key may join columns that sort differently; checking it needs one order, that of the key."""
    server.run(
        'CREATE TABLE venue (name text COLLATE "C" PRIMARY KEY);'
        'CREATE TABLE event (id int PRIMARY KEY, venue text COLLATE "POSIX" REFERENCES venue);'
        "INSERT INTO venue VALUES ('a'), ('b'); INSERT INTO event VALUES (1, 'a'), (2, 'b')",
        shop,
    )
    saved = saved_before(server, shop, "DELETE FROM event WHERE id = 1; DELETE FROM venue WHERE name = 'a'")
    assert restore(server.url(shop), saved, in_place=True).bad == []
    assert server.run("SELECT count(*) FROM event JOIN venue ON venue = name COLLATE \"C\"", shop) == [(2,)]
