"""Functions that do not say in which schema their names are find them as the application's sessions do."""

from __future__ import annotations

import pytest
from tests.integration.postgres.restore.applying import restore, verify
from tests.integration.postgres.restore.damaging import saved_before
from tests.integration.postgres.restore.fixture_snapshot import snapshot_of
from tests.servers.postgres import PostgresServer

from holdfast.model.errors import TargetError

FUNCTIONS = """
CREATE SCHEMA app; CREATE SCHEMA fn;
CREATE FUNCTION {where}.inner_(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'select lower($1)';
CREATE FUNCTION fn.norm(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN inner_(t); END';
SET search_path = {where};
CREATE TABLE public.g (id int PRIMARY KEY, t text); INSERT INTO public.g VALUES (1, 'A'), (2, 'B');
CREATE INDEX gi ON public.g (fn.norm(t));
CREATE TABLE public.c (t text CHECK (fn.norm(t) <> 'x')); INSERT INTO public.c VALUES ('A'), ('B');
CREATE MATERIALIZED VIEW public.m AS SELECT fn.norm(t) FROM public.g;
"""


def _made(server: PostgresServer, shop: str, where: str) -> None:
    lines = FUNCTIONS.format(where=where).splitlines()
    if server.major >= 17:  # indexes and views over such functions cannot be made there at all
        lines = [line for line in lines if not line.startswith(("CREATE INDEX", "CREATE MATERIALIZED"))]
    server.run("\n".join(lines), shop)
    if where != "public":
        server.run(f"ALTER DATABASE {shop} SET search_path TO {where}, public", shop)


@pytest.mark.parametrize("where", ["public", "app"])
def test_a_new_place_finds_names_as_the_database_did(server: PostgresServer, shop: str, where: str) -> None:
    """Checks, indexes and views over them: with PostgreSQL's own path, and with one the database was given."""
    _made(server, shop, where)
    saved = snapshot_of(server, shop)
    try:
        outcome = restore(server.url(shop), saved, to=server.url(f"{shop}_copy"))
        assert outcome.bad == []
        assert verify(outcome, saved) == []
        assert server.run("SELECT count(*) FROM pg_indexes WHERE indexname = 'gi'", f"{shop}_copy") == server.run(
            "SELECT count(*) FROM pg_indexes WHERE indexname = 'gi'", shop
        )
    finally:
        server.drop_database(f"{shop}_copy")


@pytest.mark.parametrize("where", ["public", "app"])
def test_a_living_database_is_mended_with_the_names_it_finds(server: PostgresServer, shop: str, where: str) -> None:
    """A lost index and a lost table are made again, and rows come into tables whose indexes and checks need it."""
    _made(server, shop, where)
    saved = saved_before(server, shop, "DELETE FROM g WHERE id = 1; DELETE FROM c WHERE t = 'A'")
    assert restore(server.url(shop), saved, in_place=True).bad == []
    assert server.run("SELECT (SELECT count(*) FROM g), (SELECT count(*) FROM c)", shop) == [(2, 2)]
    server.run("DROP INDEX IF EXISTS public.gi; DROP TABLE public.c", shop)
    outcome = restore(server.url(shop), saved, in_place=True)
    assert outcome.bad == []
    assert verify(outcome, saved) == []


def test_names_that_are_nowhere_are_told(server: PostgresServer, shop: str) -> None:
    """What could not be made or filled is named, with the reason."""
    _made(server, shop, "app")
    server.run(f"ALTER DATABASE {shop} RESET search_path", shop)
    saved = snapshot_of(server, shop)
    for damage, what in (("DROP INDEX IF EXISTS gi", "gi could not be made"), ("DELETE FROM c", "rows were refused")):
        if what == "rows were refused" or server.major < 17:
            server.run(damage, shop)
            with pytest.raises(TargetError, match=what) as caught:
                restore(server.url(shop), saved, in_place=True)
            assert "inner_" in caught.value.why
            server.run("SET search_path = app; CREATE INDEX IF NOT EXISTS gi ON public.g (t)", shop)
