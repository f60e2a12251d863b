"""``guard status`` compares what stands with what the entities need now; what is removed bares nobody else."""

from __future__ import annotations

import psycopg
import pytest
from tests.faults.world import World
from tests.integration.guard.application import EVENT, Application

from holdfast.entities.declared import Declaration
from holdfast.usecases.guard import install
from holdfast.usecases.guard_state import Standing, remove, status

REG = Declaration(source="shop", root="regs")
BOTH = {"event": EVENT, "reg": REG}


def standing(application: Application, entities: dict[str, Declaration] | None = None) -> Standing:
    return status({"shop": application.source}, entities or {"event": EVENT})["shop"]


def gaps(application: Application, entities: dict[str, Declaration] | None = None) -> dict[str, str]:
    """Table -> what is wrong with it, where something is."""
    watched = standing(application, entities).state.watched
    return {each.table: " ".join(each.gaps) for each in watched if each.gaps}


@pytest.fixture
def guarded(application: Application) -> Application:
    install(application.source, "event", EVENT)
    assert gaps(application) == {}
    return application


def test_a_table_made_again_is_told_as_not_guarded(guarded: Application) -> None:
    """Its triggers went with the old one: named with the command that mends it, and mended by it."""
    again = "CREATE TABLE lines (reg integer REFERENCES regs (id) ON DELETE CASCADE, no integer, PRIMARY KEY (reg, no))"
    guarded.run("DROP TABLE lines", again)
    found = gaps(guarded)
    assert set(found) == {guarded.table("lines")}
    assert "not guarded" in found[guarded.table("lines")]
    assert "holdfast guard install event" in found[guarded.table("lines")]
    install(guarded.source, "event", EVENT)
    assert gaps(guarded) == {}


def test_a_table_reached_by_a_new_foreign_key_is_told(guarded: Application) -> None:
    """It belongs to the event from now on, and no trigger stands on it."""
    guarded.run("CREATE TABLE extras (id integer PRIMARY KEY, reg integer REFERENCES regs (id) ON DELETE CASCADE)")
    assert "not guarded" in gaps(guarded)[guarded.table("extras")]


def test_all_tables_made_again_are_told_though_nothing_stands(guarded: Application) -> None:
    """For what the guard was installed is remembered beside what it keeps, not read from the triggers."""
    with guarded.connected() as connection:
        for name in ("lines", "notes", "payments", "regs", "events"):
            connection.execute(f"DROP TABLE {name}" + (" CASCADE" if guarded.kind == "postgres" else ""))
        connection.commit()
    assert "entity event" in " ".join(gaps(guarded).values())
    guarded.run("CREATE TABLE events (id integer PRIMARY KEY, title text UNIQUE)")
    found = standing(guarded)
    assert found.state.installed
    assert [each.guarded for each in found.state.watched] == [False]
    gone = gaps(guarded, {"other": EVENT})  # configured no more: what it was installed for counts
    assert "the table is gone" in gone[guarded.table("regs")]
    assert "not guarded" in gone[guarded.table("events")]


def test_an_entity_that_was_never_put_under_guard_is_said_and_no_alarm(guarded: Application) -> None:
    """To guard some entities only is a choice; it is told, with no gap."""
    audit = Declaration(source="shop", root="audit")
    found = standing(guarded, {"event": EVENT, "audit": audit})
    assert found.apart == ("audit",)
    assert not [each for each in found.state.watched if each.gaps]


def test_removing_one_entity_leaves_what_another_needs(guarded: Application) -> None:
    """Shared tables stay under guard until the last entity that needs them is removed."""
    install(guarded.source, "reg", REG)
    shared = {guarded.table("regs"), guarded.table("lines")}
    done = remove(guarded.source, BOTH, "event")
    assert done.kept == dict.fromkeys(sorted(shared), "reg")
    assert {each.table for each in standing(guarded, BOTH).state.watched} == shared
    assert gaps(guarded, BOTH) == {}
    assert standing(guarded, BOTH).apart == ("event",)
    assert remove(guarded.source, BOTH, "reg").kept == {}
    assert standing(guarded, BOTH).state.watched == ()


def test_an_entity_not_configured_here_keeps_its_tables(guarded: Application) -> None:
    """Installed from another configuration: what it was installed for stays."""
    install(guarded.source, "reg", REG)
    done = remove(guarded.source, {"event": EVENT}, "event")
    assert set(done.kept) == {guarded.table("regs"), guarded.table("lines")}
    remove(guarded.source, {"event": EVENT})
    assert not standing(guarded).state.installed


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_inheriting_tables_and_partitions_are_told(guarded: Application, world: World) -> None:
    """A child that inherits later, and a partition attached later: both named, both mended by installing again."""
    guarded.run("CREATE TABLE regs_vip (vip text) INHERITS (regs)")
    found = gaps(guarded)
    assert "not guarded" in found["public.regs_vip"]
    assert "inherit from it since" in found["public.regs"]
    install(guarded.source, "event", EVENT)
    assert gaps(guarded) == {}
    guarded.run(
        "CREATE TABLE logs (id int, event int REFERENCES events (id) ON DELETE CASCADE, PRIMARY KEY (id, event))"
        " PARTITION BY RANGE (id)",
        "CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10)",
    )
    install(guarded.source, "event", EVENT)
    guarded.run("CREATE TABLE logs_2 (id int NOT NULL, event int NOT NULL)",
                "ALTER TABLE logs ATTACH PARTITION logs_2 FOR VALUES FROM (10) TO (20)")  # fmt: skip
    assert "logs_2" in gaps(guarded)["public.logs"]
    install(guarded.source, "event", EVENT)
    assert gaps(guarded) == {}


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_a_guard_whose_owner_may_not_read_a_table_says_so(application: Application) -> None:
    """Its DELETE goes on being kept; its TRUNCATE is refused with the grant that mends it, which status tells first."""
    application.run(
        "DROP ROLE IF EXISTS guard_keeper", "CREATE ROLE guard_keeper LOGIN PASSWORD 'x'",
        "DROP ROLE IF EXISTS guard_next", "CREATE ROLE guard_next",
        "GRANT CREATE, USAGE ON SCHEMA public TO guard_keeper, guard_next",
        "DO $$BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO guard_keeper', current_database()); END$$",
        *(f"ALTER TABLE {name} OWNER TO guard_keeper" for name in ("events", "regs", "lines", "notes", "payments")),
    )
    try:
        parts = psycopg.conninfo.conninfo_to_dict(application.place)
        source = type(application.source)(
            f"postgresql://guard_keeper:x@{parts['host']}:{parts['port']}/{parts['dbname']}"
        )
        install(source, "event", EVENT)
        assert gaps(application) == {}
        application.run("ALTER TABLE lines OWNER TO guard_next")
        found = gaps(application)["public.lines"]
        assert "TRUNCATE is refused: guard_keeper" in found
        assert 'GRANT SELECT ON "public"."lines" TO "guard_keeper"' in found
        application.run("DELETE FROM lines WHERE reg = 1")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot be kept") as caught:
            application.run("TRUNCATE lines")
        assert "GRANT SELECT ON public.lines TO guard_keeper" in (caught.value.diag.message_hint or "")
        application.run('GRANT SELECT ON "public"."lines" TO "guard_keeper"')
        assert gaps(application) == {}
        application.run("TRUNCATE lines")
        assert standing(application).state.waiting.rows == 120
    finally:
        application.run("DROP OWNED BY guard_keeper, guard_next CASCADE", "DROP ROLE guard_keeper, guard_next")
