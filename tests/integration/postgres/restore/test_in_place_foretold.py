"""What a dry run says is what the restore does, and what it cannot do is said before, with what helps."""

from __future__ import annotations

import pytest
from tests.integration.postgres.restore.applying import restore
from tests.integration.postgres.restore.damaging import EXACT, saved_before
from tests.integration.postgres.restore.fixture_snapshot import FixtureSnapshot, snapshot_of
from tests.servers.postgres import PostgresServer, fresh_database

from holdfast.model.errors import TargetError
from holdfast.model.plans import RestorePlan
from holdfast.sources.base import RestoreRequest
from holdfast.sources.postgres.target import PostgresTarget
from holdfast.sources.postgres.target_create import UNFINISHED

TABLES = ("narrow", "enumt", "chk", "domt", "notn", "fine", "gone", "later", "reading")


def _planned(server: PostgresServer, shop: str, saved: FixtureSnapshot, **more: object) -> RestorePlan:
    request = RestoreRequest(**{"label": "then", "in_place": True, **more})  # type: ignore[arg-type]
    return PostgresTarget(server.url(shop), None, request).preview(saved, saved)


def test_every_table_that_has_drifted_is_told_at_once(server: PostgresServer, shop: str) -> None:
    """Also beside tables that are refused for other reasons; a table that only looks so is not."""
    server.run("CREATE TYPE e AS ENUM ('a', 'b'); CREATE DOMAIN dm AS int", shop)
    for table in TABLES:
        server.run(f"CREATE TABLE {table} (id int PRIMARY KEY, v text, w int, e e DEFAULT 'a')", shop)
        server.run(f"INSERT INTO {table} SELECT i, 'long' || i, i, 'a' FROM generate_series(1, 20) i", shop)
    server.run("ALTER TABLE domt ADD x dm DEFAULT 5; UPDATE notn SET w = NULL WHERE id = 1", shop)
    server.run("ALTER TABLE enumt ADD x text DEFAULT 'b'; ALTER TABLE enumt ALTER e TYPE text", shop)
    saved = snapshot_of(server, shop)
    for table in TABLES:
        server.run(f"DELETE FROM {table} WHERE id < 5", shop)
    server.run("CREATE TYPE two AS ENUM ('b'); UPDATE enumt SET e = 'b'", shop)
    server.run("ALTER TABLE enumt ALTER e DROP DEFAULT; ALTER TABLE enumt ALTER e TYPE two USING e::two", shop)
    server.run("ALTER TABLE narrow ALTER v TYPE varchar(3) USING left(v, 3); ALTER TABLE gone DROP w", shop)
    server.run("ALTER TABLE chk ADD CHECK (id >= 5); ALTER DOMAIN dm ADD CHECK (value > 100) NOT VALID", shop)
    server.run("ALTER TABLE notn ALTER w SET NOT NULL; ALTER TABLE later ADD CHECK (id >= 3) NOT VALID", shop)
    server.run("CREATE FUNCTION f(int) RETURNS bool LANGUAGE sql AS 'SELECT $1 > 0'", shop)
    server.run("ALTER TABLE reading ADD CHECK (f(id)); INSERT INTO later SELECT i FROM generate_series(3, 4) i", shop)
    plan = _planned(server, shop, saved, overwrite=True)
    actions = {step.label.removeprefix("public."): step.action.value for step in plan.steps if step.kind == "table"}
    blocked = {table for table, action in actions.items() if action == "blocked"}
    assert blocked == {"narrow", "enumt", "chk", "domt", "notn", "gone", "later"}
    for table in blocked:
        assert any(text.startswith(f"public.{table}: ") and len(text) > 20 for text in plan.refusals), table
        assert next(step.detail for step in plan.steps if step.label == f"public.{table}")
    told = next(text for text in plan.refusals if text.startswith("public.chk"))
    assert "4 rows do not keep the check chk_id_check" in told and "DROP CONSTRAINT" in told
    only = ("public.fine", "public.reading")
    assert restore(server.url(shop), saved, in_place=True, only=only).bad == []


def test_rows_that_differ_and_are_left_are_a_warning(server: PostgresServer, shop: str) -> None:
    """Of dry run and restore alike; nothing is called failed for it."""
    server.run(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'a' FROM generate_series(1, 9) i", shop
    )
    saved = saved_before(server, shop, "UPDATE t SET v = 'mine' WHERE id < 4; DELETE FROM t WHERE id = 9")
    outcome = restore(server.url(shop), saved, in_place=True)
    assert (
        "3 rows of public.t differ from the snapshot and are left: --overwrite replaces them" in outcome.plan.warnings
    )
    assert outcome.of("public.t").status == "ok"
    assert "3 differ and were left: --overwrite replaces them" in outcome.of("public.t").detail
    assert restore(server.url(shop), saved, in_place=True, overwrite=True).plan.warnings == ()


def test_a_restore_speaks_as_its_dry_run_did(server: PostgresServer, shop: str) -> None:
    """The same names and the same words for what was made, replaced and left."""
    server.run(
        "CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t (v) VALUES ('a'), ('b');"
        "CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept VALUES (1), (2);"
        "CREATE VIEW w AS SELECT id, v FROM t; COMMENT ON COLUMN w.v IS 'said'; COMMENT ON VIEW w IS 'seen';"
        "CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t; CREATE INDEX named ON t (v);"
        "COMMENT ON INDEX named IS 'quick'; GRANT SELECT ON w TO PUBLIC;"
        "SELECT lo_from_bytea(4711, 'one'), lo_from_bytea(4712, 'two')",
        shop,
    )
    saved = snapshot_of(server, shop)
    server.run("DROP TABLE t CASCADE; DELETE FROM kept; INSERT INTO kept VALUES (3); SELECT lo_unlink(4711)", shop)
    outcome = restore(server.url(shop), saved, **EXACT)
    assert outcome.bad == []
    planned = outcome.actions()
    done = {result.name: result.action for result in outcome.results}
    assert done == planned


def test_an_undo_that_a_key_refuses_is_told_what_helps(server: PostgresServer, shop: str) -> None:
    """No option that undo does not have, but the statement."""
    server.run(
        "CREATE TABLE up (id int PRIMARY KEY); CREATE TABLE down (id int PRIMARY KEY, up int);"
        "INSERT INTO up VALUES (1); INSERT INTO down VALUES (1, 1), (2, 7)",
        shop,
    )
    before = snapshot_of(server, shop)
    server.run("DELETE FROM down WHERE id = 2; ALTER TABLE down ADD CONSTRAINT k FOREIGN KEY (up) REFERENCES up", shop)
    with pytest.raises(TargetError, match="k would be broken") as caught:
        restore(server.url(shop), before, **EXACT, label="undo-12345678")
    assert "--exact" not in caught.value.hint
    assert 'ALTER TABLE "public"."down" DROP CONSTRAINT "k"' in caught.value.hint


def test_an_unfinished_restore_is_called_by_its_name(server: PostgresServer, shop: str) -> None:
    """With the statement that removes it, and not as somebody's database."""
    server.run("CREATE TABLE t (id int)", shop)
    saved = snapshot_of(server, shop)
    with fresh_database(server, f"{shop}_half") as half:
        server.run(f"CREATE TABLE t (id int); COMMENT ON DATABASE {half} IS '{UNFINISHED} then'", half)
        refusals = restore(server.url(shop), saved, to=server.url(half)).plan.refusals
    assert any("not finished" in text and f'DROP DATABASE "{half}";' in text for text in refusals)
    assert not any("not empty" in text for text in refusals)
