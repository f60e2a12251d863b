"""Triggers and rules of every kind stay still while rows come back, and are afterwards exactly what they were."""

from __future__ import annotations

import pytest
from tests.integration.postgres.restore.applying import contents, restore
from tests.integration.postgres.restore.damaging import EXACT, saved_before
from tests.integration.postgres.restore.fixture_snapshot import snapshot_of
from tests.servers.postgres import PostgresServer

from holdfast.model.errors import TargetError

FIRING = """
CREATE TABLE audit (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO public.audit VALUES (TG_TABLE_NAME || TG_OP); RETURN coalesce(NEW, OLD); END$$;
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TABLE acc (id int PRIMARY KEY, v text); CREATE TABLE gulp (LIKE acc INCLUDING ALL);
CREATE TABLE rul (LIKE acc INCLUDING ALL); CREATE TABLE kept (LIKE acc INCLUDING ALL);
INSERT INTO acc SELECT i, 'v' || i FROM generate_series(1, 10) i; INSERT INTO gulp SELECT * FROM acc;
INSERT INTO rul SELECT * FROM acc; INSERT INTO kept SELECT * FROM acc;
CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON acc FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE acc ENABLE ALWAYS TRIGGER a;
CREATE TRIGGER b BEFORE INSERT OR UPDATE OR DELETE ON gulp FOR EACH ROW EXECUTE FUNCTION swallow();
ALTER TABLE gulp ENABLE REPLICA TRIGGER b;
CREATE TRIGGER c AFTER INSERT ON gulp FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE gulp DISABLE TRIGGER c;
CREATE RULE r AS ON INSERT TO rul DO INSTEAD NOTHING; ALTER TABLE rul ENABLE ALWAYS RULE r;
CREATE RULE s AS ON DELETE TO rul DO ALSO INSERT INTO audit VALUES ('rule'); ALTER TABLE rul ENABLE REPLICA RULE s;
"""
DAMAGE = """
BEGIN; SET LOCAL session_replication_role = replica;
ALTER TABLE gulp DISABLE TRIGGER b; ALTER TABLE rul DISABLE RULE r; ALTER TABLE rul DISABLE RULE s;
ALTER TABLE acc DISABLE TRIGGER a;
DELETE FROM acc WHERE id < 4; DELETE FROM gulp WHERE id < 4; DELETE FROM rul WHERE id < 4;
UPDATE acc SET v = 'x' WHERE id = 9; UPDATE gulp SET v = 'x' WHERE id = 9; UPDATE rul SET v = 'x' WHERE id = 9;
INSERT INTO acc VALUES (99, 'n'); INSERT INTO gulp VALUES (99, 'n'); INSERT INTO rul VALUES (99, 'n');
ALTER TABLE gulp ENABLE REPLICA TRIGGER b; ALTER TABLE acc ENABLE ALWAYS TRIGGER a;
ALTER TABLE rul ENABLE ALWAYS RULE r; ALTER TABLE rul ENABLE REPLICA RULE s; COMMIT;
"""
MARKS = (
    "SELECT tgname::text, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal"
    " UNION ALL SELECT rulename::text, ev_enabled::text FROM pg_rewrite WHERE rulename IN ('r', 's') ORDER BY 1"
)


@pytest.mark.parametrize("mode", [{"in_place": True}, {"in_place": True, "overwrite": True}, EXACT])
def test_what_fires_always_or_for_replicas_is_kept_still(
    server: PostgresServer, shop: str, mode: dict[str, bool]
) -> None:
    """No row of another table is written, every row comes back as saved, and each is switched as it was."""
    server.run(FIRING, shop)
    saved, marks = snapshot_of(server, shop), server.run(MARKS, shop)
    server.run(DAMAGE, shop)
    outcome = restore(server.url(shop), saved, **mode)
    assert outcome.bad == []
    assert server.run("SELECT * FROM audit", shop) == []
    for table in ("acc", "gulp", "rul"):
        wanted = 10 if "exact" in mode else 11
        assert server.run(f"SELECT count(*) FROM {table}", shop) == [(wanted,)]
        assert server.run(f"SELECT v FROM {table} WHERE id = 2", shop) == [("v2",)]
    assert server.run(MARKS, shop) == marks
    assert restore(server.url(shop), saved, **EXACT).bad == []
    assert server.run("SELECT count(*) FROM audit", shop) == [(0,)]


def test_an_owner_keeps_his_own_triggers_and_rules_still(server: PostgresServer, shop: str, owner: str) -> None:
    """Also rules, and triggers beside keys that are checked at the end."""
    server.run(f"SET ROLE hf_plain; {FIRING}", shop)
    server.run("SET ROLE hf_plain; ALTER TABLE rul ADD FOREIGN KEY (id) REFERENCES kept DEFERRABLE", shop)
    saved, marks = snapshot_of(server, shop), server.run(MARKS, shop)
    server.run(DAMAGE.replace("INSERT INTO rul VALUES (99, 'n');", ""), shop)
    assert restore(owner, saved, **EXACT).bad == []
    assert server.run("SELECT count(*) FROM rul", shop) == [(10,)]
    assert server.run("SELECT * FROM audit", shop) == []
    assert server.run(MARKS, shop) == marks


def test_what_this_role_cannot_keep_still_is_refused_with_the_statement(
    server: PostgresServer, shop: str, owner: str
) -> None:
    """Only for tables whose rows change; the statement is for the owner."""
    server.run(FIRING, shop)
    server.run("GRANT ALL ON ALL TABLES IN SCHEMA public TO hf_plain; DROP RULE r ON rul; DROP RULE s ON rul", shop)
    saved = saved_before(server, shop, "DELETE FROM rul WHERE id < 4")
    assert restore(owner, saved, in_place=True).bad == []
    server.run("DELETE FROM acc WHERE id = 4", shop)
    refused = restore(owner, saved, in_place=True).plan.refusals
    assert any('ALTER TABLE public.acc DISABLE TRIGGER "a"' in text for text in refused), refused


def test_keys_that_act_always_do_not_cascade(server: PostgresServer, shop: str) -> None:
    """A foreign key's own triggers, switched to fire always, are kept still as well."""
    server.run(
        "CREATE TABLE up (id int PRIMARY KEY); INSERT INTO up VALUES (1), (2);"
        "CREATE TABLE down (id int PRIMARY KEY, up int REFERENCES up ON DELETE CASCADE);"
        "INSERT INTO down VALUES (1, 1)",
        shop,
    )
    names = server.run(
        "SELECT tgname::text FROM pg_trigger WHERE tgrelid = 'up'::regclass AND tgfoid::regproc::text ~ 'del'", shop
    )
    saved = snapshot_of(server, shop)
    server.run("INSERT INTO up VALUES (3); INSERT INTO down VALUES (3, 3)", shop)
    server.run(f'ALTER TABLE up ENABLE ALWAYS TRIGGER "{names[0][0]}"', shop)
    before = contents(server, shop)
    with pytest.raises(TargetError, match="would be broken"):
        restore(server.url(shop), saved, **EXACT, only=("public.up",))
    assert contents(server, shop) == before


@pytest.mark.parametrize("counts", ["on", "off"])
def test_a_table_that_is_no_part_of_the_plan_does_not_change(server: PostgresServer, shop: str, counts: str) -> None:
    """Whatever writes into it: the restore is taken back, and the table is named; also where nobody counts rows."""
    server.run(f"ALTER DATABASE {shop} SET track_counts = {counts}", shop)
    server.run(
        "CREATE TABLE audit (what text); CREATE TABLE t (id int PRIMARY KEY, v text);"
        "CREATE FUNCTION sly(int) RETURNS bool LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO public.audit VALUES ('checked'); RETURN true; END$$;"
        "ALTER TABLE t ADD CHECK (sly(id)); INSERT INTO t VALUES (1, 'a'), (2, 'b')",
        shop,
    )
    saved = saved_before(server, shop, "DELETE FROM t WHERE id = 1; TRUNCATE audit")
    with pytest.raises(TargetError, match="tables that are no part of the restore") as caught:
        restore(server.url(shop), saved, in_place=True, only=("public.t",))
    assert "public.audit" in (caught.value.where + caught.value.why)
    assert server.run("SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM audit)", shop) == [(1, 0)]


def test_event_triggers_that_log_are_no_stray_writers(server: PostgresServer, shop: str, owner: str) -> None:
    """A role that cannot keep them still can restore all the same."""
    server.run(
        "CREATE TABLE ddl_log (tag text); GRANT SELECT, INSERT ON ddl_log TO PUBLIC;"
        "CREATE FUNCTION logged() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO public.ddl_log VALUES (tg_tag); END$$;"
        "CREATE EVENT TRIGGER logged ON ddl_command_end EXECUTE FUNCTION logged()",
        shop,
    )
    server.run("SET ROLE hf_plain; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)", shop)
    saved = saved_before(server, shop, "DELETE FROM t WHERE id = 1")
    assert restore(owner, saved, in_place=True, only=("public.t",)).bad == []
    assert server.run("SELECT count(*) FROM t", shop) == [(2,)]


def test_large_objects_of_another_role_come_back(server: PostgresServer, shop: str) -> None:
    """With their owners, together with objects of our own."""
    server.run("CREATE ROLE hf_lo", shop)
    try:
        server.run("SELECT lo_from_bytea(4711, 'hello'), lo_from_bytea(4712, 'mine')", shop)
        server.run("ALTER LARGE OBJECT 4711 OWNER TO hf_lo", shop)
        saved = snapshot_of(server, shop)
        server.run("SELECT lo_unlink(4711), lo_unlink(4712)", shop)
        assert restore(server.url(shop), saved, in_place=True).bad == []
        owners = "SELECT oid::int, lomowner::regrole::text, lo_get(oid) FROM pg_largeobject_metadata ORDER BY oid"
        assert server.run(owners, shop) == [(4711, "hf_lo", b"hello"), (4712, "postgres", b"mine")]
    finally:
        server.run("DROP OWNED BY hf_lo; DROP ROLE hf_lo", shop)
