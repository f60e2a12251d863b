"""Rows that one table refuses until another is mended come in all the same, or it is told what helps."""

from __future__ import annotations

import pytest
from tests.integration.postgres.restore.applying import restore
from tests.integration.postgres.restore.damaging import EXACT, saved_before
from tests.servers.postgres import PostgresServer

from holdfast.model.errors import TargetError

READING_CHECK = (
    "CREATE TABLE z_prices (id int PRIMARY KEY, least int); CREATE TABLE a_sales (id int PRIMARY KEY, price int);"
    "CREATE FUNCTION dear(int) RETURNS bool LANGUAGE sql AS 'SELECT $1 >= min(least) FROM public.z_prices';"
    "ALTER TABLE a_sales ADD CONSTRAINT dear CHECK (dear(price));"
    "INSERT INTO z_prices VALUES (1, 5); INSERT INTO a_sales VALUES (1, 7), (2, 9)"
)
RING = (
    "SET ROLE hf_plain; CREATE TABLE lefts (id int PRIMARY KEY, other int);"
    "CREATE TABLE rights (id int PRIMARY KEY, other int REFERENCES lefts);"
    "ALTER TABLE lefts ADD CONSTRAINT ring FOREIGN KEY (other) REFERENCES rights;"
    "INSERT INTO lefts VALUES (1, NULL); INSERT INTO rights VALUES (1, 1); UPDATE lefts SET other = 1"
)
BROKEN_RING = "UPDATE lefts SET other = NULL; DELETE FROM rights; DELETE FROM lefts"


@pytest.mark.parametrize("mode", [{"in_place": True, "overwrite": True}, EXACT])
def test_a_check_that_reads_another_table_waits_for_it(
    server: PostgresServer, shop: str, mode: dict[str, bool]
) -> None:
    """The table it reads is mended first, whatever their names."""
    server.run(READING_CHECK, shop)
    saved = saved_before(server, shop, "UPDATE z_prices SET least = 100; DELETE FROM a_sales WHERE id = 1")
    assert restore(server.url(shop), saved, **mode).bad == []
    assert server.run("SELECT least, (SELECT count(*) FROM a_sales) FROM z_prices", shop) == [(5, 2)]


def test_a_check_that_cannot_be_kept_is_told_with_what_helps(server: PostgresServer, shop: str) -> None:
    """The table it is on, and that the one it reads may be the reason."""
    server.run(READING_CHECK, shop)
    saved = saved_before(server, shop, "UPDATE z_prices SET least = 100; DELETE FROM a_sales WHERE id = 1")
    with pytest.raises(TargetError, match="rows were refused") as caught:
        restore(server.url(shop), saved, **EXACT, only=("public.a_sales",))
    assert caught.value.where == "public.a_sales"
    assert "if it reads another table, restore that one as well" in caught.value.hint
    assert server.run("SELECT count(*) FROM a_sales", shop) == [(1,)]


@pytest.mark.parametrize("mode", [{"in_place": True, "overwrite": True}, EXACT])
def test_rings_come_back_for_their_owner(
    server: PostgresServer, shop: str, owner: str, mode: dict[str, bool]
) -> None:
    """No superuser is needed; afterwards the keys are checked when they were before."""
    server.run(RING, shop)
    saved = saved_before(server, shop, BROKEN_RING)
    if "exact" in mode:
        server.run("INSERT INTO lefts VALUES (9, NULL); INSERT INTO rights VALUES (9, 9)", shop)
        server.run("UPDATE lefts SET other = 9", shop)
    keys = "SELECT conname::text, condeferrable, condeferred FROM pg_constraint WHERE contype = 'f' ORDER BY 1"
    before = server.run(keys, shop)
    assert restore(owner, saved, **mode).bad == []
    assert server.run("SELECT l.id, r.id FROM lefts l JOIN rights r ON r.id = l.other AND r.other = l.id", shop) == [
        (1, 1)
    ]
    assert server.run(keys, shop) == before


def test_a_ring_that_another_role_owns_is_told_with_what_helps(server: PostgresServer, shop: str, owner: str) -> None:
    """The key, the statement for its owner, and the right that does without."""
    server.run(RING.replace("SET ROLE hf_plain;", ""), shop)
    server.run("GRANT ALL ON lefts, rights TO hf_plain", shop)
    saved = saved_before(server, shop, BROKEN_RING)
    with pytest.raises(TargetError, match="rows were refused") as caught:
        restore(owner, saved, in_place=True)
    assert "DEFERRABLE" in caught.value.hint and "session_replication_role" in caught.value.hint
    assert "ALTER TABLE public." in caught.value.hint
