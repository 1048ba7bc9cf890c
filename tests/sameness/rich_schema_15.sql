-- What PostgreSQL 15 adds to the rich schema.
CREATE VIEW hr.invoked WITH (security_invoker = true) AS SELECT id, state FROM hr.companies;
CREATE TABLE hr.fifteen (a integer, b text COMPRESSION lz4, c jsonb, UNIQUE NULLS NOT DISTINCT (a));
CREATE STATISTICS hr.fifteen_stats ON (a + 1), lower(b) FROM hr.fifteen;
CREATE PUBLICATION parts FOR TABLE hr.people (id, number) WHERE (id > 5);
CREATE PUBLICATION folder FOR TABLES IN SCHEMA "Odd ""Name""";
CREATE UNLOGGED SEQUENCE hr.fast;
CREATE FUNCTION hr.named(p integer) RETURNS text LANGUAGE sql STABLE
  BEGIN ATOMIC SELECT c.name FROM hr.companies c WHERE c.id = p AND c.state IN ('open', 'closed'); END;
CREATE PROCEDURE hr.out(IN a integer, OUT b integer) LANGUAGE plpgsql AS 'BEGIN b := a; END';
CREATE TYPE hr.other AS RANGE (subtype = date, multirange_type_name = hr.other_many);
CREATE VIEW hr.dates AS SELECT EXTRACT(epoch FROM created) AS e, date_bin('1 hour', created, created) AS b FROM hr.companies;
CREATE TABLE hr.held (slip bigint, at date, FOREIGN KEY (slip, at) REFERENCES hr.slips ON DELETE SET NULL (slip));
