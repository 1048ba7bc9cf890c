-- One of everything that a schema can hold, as people write it. The roles payroll and readers must exist.
CREATE EXTENSION citext;
CREATE EXTENSION btree_gist;
CREATE EXTENSION postgres_fdw;
CREATE SCHEMA hr AUTHORIZATION payroll;
CREATE SCHEMA "Odd ""Name""";

CREATE TYPE hr.kind AS ENUM ('permanent', 'hourly', 'it''s odd');
ALTER TYPE hr.kind ADD VALUE 'apprentice' BEFORE 'hourly';
CREATE DOMAIN hr.hours AS numeric(5, 2) DEFAULT 8 NOT NULL CHECK (VALUE > 0 AND VALUE <= 24);
CREATE DOMAIN hr.code AS varchar(8) CHECK (VALUE IN ('a', 'b'));
CREATE TYPE hr.address AS (street text, town varchar(40));
CREATE TYPE hr.spans AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE COLLATION hr.plain (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION hr.c_like (provider = libc, locale = 'C');
CREATE SEQUENCE hr.invoices AS integer START 10001 INCREMENT 5 MAXVALUE 99999 CYCLE CACHE 7;

CREATE FUNCTION hr.twice(n integer, OUT o integer) LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 5
  SET search_path TO hr, public AS 'SELECT n * 2';
CREATE FUNCTION hr.stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $body$
BEGIN
  RETURN NEW;  -- $$ inside
END $body$;
CREATE PROCEDURE hr.tidy(INOUT n integer) LANGUAGE plpgsql AS 'BEGIN n := n + 1; END';
CREATE FUNCTION hr.add(numeric, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE AGGREGATE hr.total(numeric) (SFUNC = hr.add, STYPE = numeric, INITCOND = '0', PARALLEL = SAFE);
CREATE OPERATOR hr.+! (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = hr.add, COMMUTATOR = OPERATOR(hr.+!));
CREATE FUNCTION hr.text_of(hr.address) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT ($1).street$$;
CREATE CAST (hr.address AS text) WITH FUNCTION hr.text_of(hr.address) AS ASSIGNMENT;
CREATE OPERATOR CLASS hr.int_up FOR TYPE integer USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =,
  OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer);

CREATE TABLE hr.companies (
  id integer GENERATED ALWAYS AS IDENTITY (START 5) PRIMARY KEY,
  dropped text,
  name text COLLATE "C" NOT NULL DEFAULT 'none',
  email citext,
  state varchar(20) NOT NULL CHECK (state IN ('open', 'closed', 'on hold')),
  "Order" integer DEFAULT (-1) CHECK ("Order" BETWEEN -5 AND 5),
  created timestamptz NOT NULL DEFAULT now(),
  due date DEFAULT (CURRENT_DATE + interval '14 days'),
  net numeric(12, 2), gross numeric(12, 2) GENERATED ALWAYS AS (net * 1.19) STORED,
  doc jsonb DEFAULT '{"a": [1, 2]}', body text, tags text[] DEFAULT ARRAY['a', 'b'],
  EXCLUDE USING gist (name WITH =, "Order" WITH =)
) WITH (fillfactor = 80, toast.autovacuum_enabled = false);
ALTER TABLE hr.companies DROP COLUMN dropped;
ALTER TABLE hr.companies ALTER body SET STORAGE EXTERNAL, ALTER name SET STATISTICS 500, ALTER net SET (n_distinct = 5);
ALTER TABLE hr.companies ADD CONSTRAINT later CHECK (net > 0) NOT VALID;
CREATE TABLE hr.people (
  id bigserial PRIMARY KEY, company_id integer REFERENCES hr.companies ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  kind hr.kind NOT NULL DEFAULT 'hourly', hours hr.hours, home hr.address, worked hr.spans, number varchar(12) UNIQUE,
  period tstzrange, search tsvector, manager bigint
);
ALTER TABLE hr.people ADD FOREIGN KEY (manager) REFERENCES hr.people MATCH FULL ON UPDATE SET NULL;
ALTER TABLE hr.people REPLICA IDENTITY USING INDEX people_pkey;
ALTER TABLE hr.people CLUSTER ON people_number_key;
CREATE INDEX people_kinds ON hr.people (kind DESC NULLS LAST, lower(number) text_pattern_ops) INCLUDE (id)
  WHERE number IN ('x', 'y') AND manager IS NULL;
CREATE INDEX people_search ON hr.people USING gin (search) WITH (fastupdate = off);
CREATE INDEX people_up ON hr.people ((company_id + 1) hr.int_up);
ALTER INDEX hr.people_up ALTER COLUMN 1 SET STATISTICS 200;
CREATE STATISTICS hr.people_stats (dependencies, ndistinct) ON company_id, kind FROM hr.people;
ALTER STATISTICS hr.people_stats SET STATISTICS 300;
CREATE TRIGGER stamped BEFORE INSERT OR UPDATE OF number ON hr.people FOR EACH ROW
  WHEN (NEW.number IS NOT NULL) EXECUTE FUNCTION hr.stamp();
CREATE TRIGGER held AFTER DELETE ON hr.people FOR EACH STATEMENT EXECUTE FUNCTION hr.stamp();
ALTER TABLE hr.people DISABLE TRIGGER held;
CREATE CONSTRAINT TRIGGER checked AFTER UPDATE ON hr.people DEFERRABLE FOR EACH ROW EXECUTE FUNCTION hr.stamp();
ALTER TABLE hr.people ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON hr.people AS RESTRICTIVE FOR UPDATE TO readers, payroll USING (kind = 'hourly')
  WITH CHECK (company_id IN (SELECT c.id FROM hr.companies c WHERE c.state IN ('open', 'closed')));
CREATE POLICY everybody ON hr.people USING (true);

CREATE TABLE hr.slips (id bigint, at date NOT NULL, person bigint REFERENCES hr.people, amount money, PRIMARY KEY (id, at))
  PARTITION BY RANGE (at);
CREATE TABLE hr.slips_24 PARTITION OF hr.slips FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE hr.slips_rest PARTITION OF hr.slips DEFAULT;
CREATE TABLE hr.slips_old (amount money, at date NOT NULL, person bigint, id bigint NOT NULL);
ALTER TABLE hr.slips ATTACH PARTITION hr.slips_old FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE INDEX slips_person ON hr.slips (person);
CREATE TRIGGER slip AFTER INSERT ON hr.slips FOR EACH ROW EXECUTE FUNCTION hr.stamp();
ALTER TABLE hr.slips_24 DISABLE TRIGGER slip;
CREATE TABLE hr.paid (slip bigint, at date, FOREIGN KEY (slip, at) REFERENCES hr.slips);
CREATE TABLE hr.words (word text, n integer) PARTITION BY HASH (lower(word));
CREATE TABLE hr.words_0 PARTITION OF hr.words FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE hr.lists (k hr.kind, n integer) PARTITION BY LIST (k);
CREATE TABLE hr.lists_p PARTITION OF hr.lists FOR VALUES IN ('permanent', 'it''s odd');

CREATE TABLE hr.parent (a integer, b text);
CREATE TABLE hr.child (c integer DEFAULT 3) INHERITS (hr.parent);
ALTER TABLE hr.parent ADD COLUMN late text CHECK (late <> '');
CREATE UNLOGGED TABLE "Odd ""Name"""."T t" ("a b" text PRIMARY KEY, t integer GENERATED BY DEFAULT AS IDENTITY, "Ünï" real);
CREATE TABLE hr.typed OF hr.address (PRIMARY KEY (street));
CREATE TABLE hr.bare ();
CREATE TABLE hr.nothing (a integer);
ALTER TABLE hr.nothing REPLICA IDENTITY FULL;

CREATE VIEW hr.simple AS SELECT id, number, upper(number) AS loud, kind::text, home FROM hr.people
  WHERE kind IN ('permanent', 'hourly') AND number = ANY ('{a,b}') AND (manager IS NULL OR id > 5);
CREATE VIEW hr.aliased WITH (security_barrier) AS SELECT p.id, (p.home).town, count(*) OVER w AS n, p AS whole FROM hr.people p
  WHERE EXISTS (SELECT 1 FROM hr.companies c WHERE c.id = p.company_id AND c.state NOT IN ('open', 'closed'))
  WINDOW w AS (PARTITION BY p.kind ORDER BY p.id) ORDER BY p.id DESC LIMIT 10;
CREATE VIEW hr.joined AS SELECT people.*, at, amount FROM hr.people JOIN hr.paid ON paid.slip = people.id LEFT JOIN hr.slips USING (at);
CREATE VIEW hr.tree AS WITH RECURSIVE t(id, depth) AS (SELECT id, 1 FROM hr.people WHERE manager IS NULL UNION ALL
  SELECT p.id, t.depth + 1 FROM hr.people p, t WHERE p.manager = t.id) SELECT * FROM t;
CREATE VIEW hr.unions AS SELECT id FROM hr.people UNION ALL (SELECT id FROM hr.companies EXCEPT SELECT 3);
CREATE VIEW hr.times AS SELECT EXTRACT(year FROM created) AS year, created AT TIME ZONE 'UTC' AS utc, substring(name FROM 2 FOR 3)
  AS part, trim(both 'x' FROM name) AS t, position('a' IN name) AS p, (created, created) OVERLAPS (now(), now()) AS o,
  CASE state WHEN 'open' THEN 1 ELSE 0 END AS c, coalesce(name, 'x') AS n, name ~~ 'a%' AS l, name COLLATE "C" < 'b' AS s,
  doc ->> 'a' AS d, tags[1:2] AS sliced, interval '1 day 2 hours' AS i, name IS DISTINCT FROM 'x' AS x,
  state::text LIKE ANY (ARRAY['a%', 'b%']) AS any_of, xmlelement(name x, name)::text AS xml, GREATEST(1, net) AS g,
  grouping(name) AS gr FROM hr.companies GROUP BY GROUPING SETS ((id, name, created, state, doc, tags, net));
CREATE VIEW hr.lateral_one AS SELECT c.id, l.n, f.* FROM hr.companies c CROSS JOIN LATERAL (SELECT count(*) AS n FROM hr.people p
  WHERE p.company_id = c.id) l, unnest(c.tags) WITH ORDINALITY AS f(tag, place), generate_series(1, 2) g;
CREATE VIEW hr.checked AS SELECT id, state FROM hr.companies WHERE state = 'open' WITH LOCAL CHECK OPTION;
CREATE VIEW hr.vals AS VALUES (1, 'a'), (2, 'b');
CREATE VIEW hr.bool_mix AS SELECT id FROM hr.companies WHERE (net > 1 AND net < 5) AND (name = 'x' OR (name = 'y' AND NOT state = 'z'));
CREATE MATERIALIZED VIEW hr.totals WITH (fillfactor = 70) AS SELECT kind, count(*) AS n FROM hr.people GROUP BY kind;
CREATE UNIQUE INDEX totals_kind ON hr.totals (kind);
CREATE MATERIALIZED VIEW hr.empty AS SELECT 1 AS one WITH NO DATA;
CREATE RULE no_delete AS ON DELETE TO hr.nothing WHERE old.a > 5 DO INSTEAD NOTHING;
CREATE RULE log_it AS ON UPDATE TO hr.nothing DO ALSO INSERT INTO hr.parent (a, b) SELECT new.a, c.name FROM hr.companies c WHERE c.id = old.a;

CREATE TEXT SEARCH DICTIONARY hr.stems (TEMPLATE = snowball, language = 'english', stopwords = 'english');
CREATE TEXT SEARCH CONFIGURATION hr.english_too (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION hr.english_too ALTER MAPPING FOR asciiword WITH hr.stems, simple;
CREATE FUNCTION hr.noticed() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER noticed ON ddl_command_end WHEN TAG IN ('DROP TABLE', 'ALTER TABLE') EXECUTE FUNCTION hr.noticed();
ALTER EVENT TRIGGER noticed DISABLE;
CREATE SERVER ledger FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', dbname 'ledger');
CREATE USER MAPPING FOR payroll SERVER ledger OPTIONS (user 'x', password 'geheim');
CREATE FOREIGN TABLE hr.ledger (id integer OPTIONS (column_name 'no') NOT NULL, what text) SERVER ledger OPTIONS (table_name 'l');
CREATE PUBLICATION feed FOR TABLE hr.people, hr.companies WITH (publish = 'insert, update');
CREATE CONVERSION hr.odd FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;

COMMENT ON TABLE hr.people IS 'Those who work here';
COMMENT ON COLUMN hr.people.number IS 'as on the badge';
COMMENT ON CONSTRAINT later ON hr.companies IS 'since 2020';
COMMENT ON FUNCTION hr.twice(integer) IS 'doubles';
COMMENT ON SCHEMA hr IS 'people';
COMMENT ON EXTENSION citext IS 'without case';
COMMENT ON TRIGGER held ON hr.people IS 'not now';

ALTER TABLE hr.people OWNER TO payroll;
GRANT SELECT ON hr.people TO readers;
GRANT UPDATE (number) ON hr.people TO readers;
GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO payroll;
GRANT EXECUTE ON FUNCTION pg_read_file(text) TO readers;
ALTER DEFAULT PRIVILEGES FOR ROLE payroll IN SCHEMA hr GRANT SELECT ON TABLES TO readers;

INSERT INTO hr.companies (name, state, net) VALUES ('a', 'open', 5), ('B', 'closed', 7);
INSERT INTO hr.people (company_id, number) SELECT 5, 'n' || n FROM generate_series(1, 300) n;
REFRESH MATERIALIZED VIEW hr.totals;
