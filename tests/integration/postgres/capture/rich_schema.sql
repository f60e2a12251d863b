-- Everything PostgreSQL keeps in a database that a backup must bring back. Runs on 15 and later.
CREATE SCHEMA "we""ird
schema";
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s');
CREATE TYPE pair AS (a int, b text);
CREATE TYPE nested AS (p pair, m mood[]);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN blob AS bytea;
CREATE TYPE floats AS RANGE (subtype = float8);

CREATE SEQUENCE counter START 5 INCREMENT 3;
SELECT nextval('counter'), nextval('counter');
CREATE SEQUENCE untouched START 42;
CREATE SEQUENCE moved_back;
SELECT setval('moved_back', 77, false);

CREATE TABLE plain (id int PRIMARY KEY, body text, n numeric, f float8, t timestamptz, i interval, b bytea);
INSERT INTO plain VALUES
  (1, E'tab\tnew\nline\\back', 1.10, 0.30000000000000004, '2024-02-29 12:34:56.789+02', '1 mon -3 days 04:05:06', '\x00ff'),
  (2, NULL, 'NaN', '-0', 'infinity', '-1 years', ''), (3, '\N', 1e-20, 5e-324, '-infinity', '0', NULL),
  (4, '\.', 123456789012345678901234567890, 'Infinity', '0044-03-15 00:00:00 BC', '178000000 years', '\xdeadbeef');
COMMENT ON TABLE plain IS 'a comment with ''quotes''';
CREATE TABLE typed (m mood, ms mood[], p pair, n nested, d positive, r floats, j jsonb, u uuid, a int[][],
                    net inet, bits bit varying, ts tsvector, cash money, c char(5), ir int4range[]);
INSERT INTO typed VALUES ('it''s', '{sad,ok}', '(1,"x,y")', '("(2,)","{ok}")', 7, '[1.5,2.5)', '{"a": [1, null]}',
  '00000000-0000-0000-0000-000000000001', '{{1,2},{3,4}}', '10.0.0.1/8', B'101', 'a b:1', '12.34', 'ab',
  '{"[1,2)","[5,9)"}');
CREATE TABLE named_things (rel regclass, fn regproc, ro regrole);
INSERT INTO named_things VALUES ('plain', 'now', 'pg_monitor');
CREATE TABLE ident_always (id int GENERATED ALWAYS AS IDENTITY, v text);
INSERT INTO ident_always (v) VALUES ('a'), ('b');
CREATE TABLE generated (a int, twice int GENERATED ALWAYS AS (a * 2) STORED, z text);
INSERT INTO generated (a, z) VALUES (1, 'x'), (21, 'y');
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE duplicates (v text);
INSERT INTO duplicates VALUES ('same'), ('same'), (NULL), (NULL);
CREATE TABLE dropped (a int, gone text, b text);
INSERT INTO dropped VALUES (1, 'x', 'y');
ALTER TABLE dropped DROP COLUMN gone;
ALTER TABLE dropped ADD COLUMN later text DEFAULT 'fast';
INSERT INTO dropped VALUES (2, 'z', 'given');
CREATE TABLE empty_table (id int);
CREATE TABLE ancestor (id int, name text);
CREATE TABLE heir (extra int) INHERITS (ancestor);
INSERT INTO ancestor VALUES (1, 'only parent');
INSERT INTO heir VALUES (2, 'child', 3);
CREATE TABLE parted (id int, day date, v text) PARTITION BY RANGE (day);
CREATE TABLE parted_a PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY HASH (id);
CREATE TABLE parted_a0 PARTITION OF parted_a FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parted_a1 PARTITION OF parted_a FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE parted_rest (v text, day date, id int);
ALTER TABLE parted ATTACH PARTITION parted_rest DEFAULT;
INSERT INTO parted SELECT g, '2024-06-01'::date + g * 20, 'v' || g FROM generate_series(1, 30) g;
CREATE UNLOGGED TABLE scratch (id int);
INSERT INTO scratch SELECT generate_series(1, 10);
CREATE TABLE chicken (id int PRIMARY KEY, egg int);
CREATE TABLE egg (id int PRIMARY KEY, chicken int REFERENCES chicken);
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE;
INSERT INTO chicken VALUES (1, NULL);
INSERT INTO egg VALUES (1, 1);
UPDATE chicken SET egg = 1;
CREATE TABLE guarded (owner text, secret text);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarded USING (owner = current_user);
INSERT INTO guarded VALUES ('a', 'one'), ('b', 'two');
CREATE VIEW seen AS SELECT id, body FROM plain;
CREATE RULE no_delete AS ON DELETE TO duplicates DO INSTEAD NOTHING;
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.body := NEW.body; RETURN NEW; END$$;
CREATE TRIGGER touch BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION touched();
CREATE MATERIALIZED VIEW filled AS SELECT count(*) FROM plain;
CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE PUBLICATION everything FOR TABLE plain;
CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN END$$;
CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION noted();
CREATE FOREIGN DATA WRAPPER dummy;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER dummy;
CREATE FOREIGN TABLE far_away (id int) SERVER elsewhere;
CREATE TABLE "we""ird
schema"."--rm -rf; 'x' \ :v ""q"" %s é" ("col ""1"" \. :x
y" int, "é\" text, "select" text);
INSERT INTO "we""ird
schema"."--rm -rf; 'x' \ :v ""q"" %s é" VALUES (1, 'ünï', E'\n'), (2, NULL, ':v \q');
CREATE TABLE "-c" (id int);
INSERT INTO "-c" VALUES (1);
CREATE TABLE "\! touch /tmp/holdfast-pwned" (id int);
INSERT INTO "\! touch /tmp/holdfast-pwned" VALUES (1);
SELECT lo_from_bytea(91001, '\x0001ff'::bytea), lo_from_bytea(91002, convert_to(repeat('large ', 2000), 'UTF8'));
SELECT lo_put(91003, 10000, 'end'::bytea) FROM (SELECT lo_create(91003)) x;
COMMENT ON LARGE OBJECT 91001 IS 'a small one';
GRANT SELECT ON LARGE OBJECT 91002 TO pg_monitor;
