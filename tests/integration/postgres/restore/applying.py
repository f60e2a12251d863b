"""Carrying out restores the way the use case does, and an application to try them on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.integration.postgres.restore.fixture_snapshot import FixtureSnapshot
from tests.servers.postgres import PostgresServer

from holdfast.model.events import Event, Warned
from holdfast.model.plans import ItemResult, RestorePlan
from holdfast.sources.base import RestoreRequest
from holdfast.sources.postgres.target import PostgresTarget

EVERYTHING = r"""
CREATE SCHEMA "s;x";
CREATE TYPE public.mood AS ENUM ('sad', 'happy');
CREATE DOMAIN public.positive AS int CHECK (VALUE > 0);
CREATE TABLE public.venue (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE,
  twice int GENERATED ALWAYS AS (id * 2) STORED, feeling public.mood DEFAULT 'happy', n public.positive);
CREATE TABLE public.event (id serial PRIMARY KEY, venue_id int NOT NULL REFERENCES public.venue, gone int,
  title varchar(80) CHECK (title <> ''), at timestamptz, price numeric(10,2), data jsonb, raw bytea);
ALTER TABLE public.event DROP COLUMN gone;
CREATE TABLE "s;x"."t ""1"" ' \ " ("c'\n;" text, "select" int REFERENCES public.venue);
CREATE TABLE public.nothing ();
CREATE TABLE public.noted (t text, n int);
CREATE TABLE public.part (day date NOT NULL, v int) PARTITION BY RANGE (day);
CREATE TABLE public.part_a PARTITION OF public.part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE public.part_b (v int, day date NOT NULL);
ALTER TABLE public.part ATTACH PARTITION public.part_b FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE public.person (x int); CREATE TABLE public.worker (y int) INHERITS (public.person);
CREATE TABLE public.tree (id int PRIMARY KEY, up int REFERENCES public.tree);
CREATE TABLE public.left_ring (id int PRIMARY KEY, other int);
CREATE TABLE public.right_ring (id int PRIMARY KEY, other int REFERENCES public.left_ring);
ALTER TABLE public.left_ring ADD CONSTRAINT ring FOREIGN KEY (other) REFERENCES public.right_ring;
CREATE TABLE public.secret (owner text, note text); ALTER TABLE public.secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.secret USING (owner = current_user);
CREATE INDEX ON public.event (at); CREATE INDEX ON public.event ((lower(title)));
CREATE VIEW public.grouped AS SELECT id, name FROM public.venue GROUP BY id;
CREATE MATERIALIZED VIEW public.a_second AS SELECT 1 AS placeholder;
DROP MATERIALIZED VIEW public.a_second;
CREATE MATERIALIZED VIEW public.z_first AS SELECT count(*) AS n FROM public.event;
CREATE MATERIALIZED VIEW public.a_second AS SELECT n FROM public.z_first;
CREATE MATERIALIZED VIEW public.empty_one AS SELECT 1 AS one WITH NO DATA;
CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'trigger fired'; END$$;
CREATE FUNCTION public.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'event trigger fired'; END$$;
CREATE SEQUENCE public.down INCREMENT -3; SELECT nextval('public.down');
COMMENT ON TABLE public.event IS 'it''s; "quoted"'; GRANT SELECT ON public.event TO PUBLIC;
INSERT INTO public.venue (name, n) SELECT 'venue ' || i || E' \\ \t \n', i FROM generate_series(1, 100) i;
INSERT INTO public.event (venue_id, title, at, price, data, raw) SELECT 1 + i % 100, 'event ' || i,
  timestamptz '2026-11-01 UTC' + i * interval '1 hour', i + 0.10,
  jsonb_build_object('i', i), decode(md5(i::text), 'hex')
  FROM generate_series(1, 3000) i;
INSERT INTO public.event (venue_id, title) VALUES (1, '\N'), (2, NULL), (3, '\.');
INSERT INTO "s;x"."t ""1"" ' \ " VALUES ('a', 1), ('a', 1), (NULL, NULL);
INSERT INTO public.nothing DEFAULT VALUES; INSERT INTO public.nothing DEFAULT VALUES;
INSERT INTO public.noted VALUES ('a', 1), ('a', 1), ('b', NULL);
INSERT INTO public.part VALUES ('2026-01-05', 1), ('2026-02-05', 2);
INSERT INTO public.person VALUES (1); INSERT INTO public.worker VALUES (2, 3);
INSERT INTO public.tree VALUES (1, 1), (2, 1), (3, 2);
INSERT INTO public.left_ring VALUES (1, NULL); INSERT INTO public.right_ring VALUES (1, 1);
UPDATE public.left_ring SET other = 1; INSERT INTO public.secret VALUES ('joe', 'x'), ('ann', 'y');
REFRESH MATERIALIZED VIEW public.z_first; REFRESH MATERIALIZED VIEW public.a_second;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE OR DELETE ON public.event FOR EACH ROW EXECUTE FUNCTION public.stamp();
SELECT lo_from_bytea(4711, '\x00ff10'), lo_create(4712); COMMENT ON LARGE OBJECT 4711 IS 'a picture';
SELECT lo_put(4712, 5000, '\x01'); GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC;
CREATE EVENT TRIGGER no_ddl ON ddl_command_end EXECUTE FUNCTION public.on_ddl();
"""


@dataclass(slots=True)
class Outcome:
    """What a restore said and did."""

    plan: RestorePlan
    results: list[ItemResult] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    target: PostgresTarget | None = None

    def of(self, name: str) -> ItemResult:
        return next(result for result in self.results if result.name == name)

    def counts(self, name: str) -> dict[str, int]:
        return next(step.counts for step in self.plan.steps if step.label == name)

    def actions(self) -> dict[str, str]:
        return {step.label: step.action.value for step in self.plan.steps}

    @property
    def bad(self) -> list[ItemResult]:
        return [result for result in self.results if result.status not in ("ok", "skipped")]


def restore(url: str, snapshot: FixtureSnapshot, **more: Any) -> Outcome:
    """Preview, hold, apply, as the use case does; stops at refusals."""
    told: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Warned):
            told.append(event.text)

    target = PostgresTarget(url, None, RestoreRequest(**{"label": "then", "report": listen, **more}))
    outcome = Outcome(target.preview(snapshot, snapshot), warnings=told, target=target)
    if not outcome.plan.refusals:
        with target.hold(outcome.plan):
            outcome.results = target.apply(outcome.plan, snapshot, snapshot)
    return outcome


def verify(outcome: Outcome, snapshot: FixtureSnapshot) -> list[ItemResult]:
    """What ``--verify=content`` finds wrong."""
    assert outcome.target is not None
    found = outcome.target.verify(outcome.plan, snapshot, snapshot)
    assert found
    return [result for result in found if result.status != "ok"]


def contents(server: PostgresServer, database: str, *options: str) -> list[bytes]:
    """Everything pg_dump finds, in an order that does not depend on where rows lie."""
    known = server.program("pg_dump", "--help").stdout
    steady = ["--restrict-key=x"] if b"--restrict-key" in known else []
    return sorted(server.client("pg_dump", *steady, *options, database=database).stdout.split(b"\n"))
