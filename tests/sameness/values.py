"""Types of columns, and for each the values that are easily taken for one another."""

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

TYPES = """
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
CREATE TYPE public.mood AS ENUM ('sad', 'ok', '', 'ha"p,py', 'OK', 'ö');
CREATE DOMAIN public.short AS text CHECK (length(value) < 1000);
CREATE DOMAIN public."Amount" AS numeric DEFAULT 1.0;
CREATE TYPE public.pair AS (a integer, "B %s" text);
CREATE TYPE public.nest AS (p public.pair, m public.mood[]);
CREATE TYPE public.floats AS RANGE (subtype = float8);
"""
"""What a database must have before columns of these types can be made."""


@dataclass(frozen=True, repr=False)
class Kind:
    """A type of columns.

    `values` are texts that its input function takes. Only those with `key` can make
    a key, and of these only those that are `hashed` in every version can spread it over partitions.
    """

    sql: str
    values: SearchStrategy[str]
    key: bool = False
    hashed: bool = True
    since: int = 13

    def __repr__(self) -> str:
        return self.sql


def _of(*texts: str) -> SearchStrategy[str]:
    return st.sampled_from(texts)


def _json(separator: str) -> SearchStrategy[str]:
    leaves = st.none() | st.booleans() | st.integers(-9, 9) | _plain.map(lambda t: t.replace("\\", "/"))
    trees = st.recursive(
        leaves, lambda t: st.lists(t, max_size=3) | st.dictionaries(_word, t, max_size=3), max_leaves=6
    )
    return trees.map(lambda tree: json.dumps(tree, separators=(",", separator), ensure_ascii=False))


_letters = st.characters(exclude_categories=["Cs", "Cc"]) | _of("\n", "\t", "\x7f", "\\", '"', "'", ",", "%", "{", "(")
_plain = st.text(_letters, max_size=12)
_word = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=6)
_text = _of("", " ", "NULL", "null", "a", "A", "a ", "ä", "a\u0308", "(,)", "%s", '"', "\\N", "x" * 150) | _plain
_small = st.integers(-(2**15), 2**15 - 1).map(str)
_integer = _of("0", "1", "-1", "10", "2147483647", "-2147483648") | st.integers(-(2**31), 2**31 - 1).map(str)
_bigint = _of("0", "1", "9223372036854775807") | st.integers(-(2**63), 2**63 - 1).map(str)
_numeric = (
    _of("0", "0.0", "1", "1.0", "1.00", "100", "NaN", "1e-30", "1e30", "-1.0")
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=3).map(str)
)  # fmt: skip
_double = _of(
    "0", "-0", "NaN", "Infinity", "-Infinity", "0.1", "0.3", "0.30000000000000004", "5e-324"
) | st.floats().map(repr)
_real = _of("0", "-0", "NaN", "Infinity", "0.1", "16777216", "16777217", "1e-45") | st.floats(width=32).map(repr)
_day = st.dates().map(str) | _of("infinity", "-infinity", "0044-03-15 BC", "2000-02-29", "294276-12-31")
_moment = _of(
    "infinity", "0001-01-01 00:00:00 BC", "2026-03-29 01:30:00", "2026-03-29 01:30:00.000001"
) | st.datetimes().map(str)
_zoned = _of("infinity", "2026-10-25 02:30:00+02", "2026-10-25 02:30:00+01") | st.tuples(
    st.datetimes().map(str), _of("+00", "+02", "-08")
).map("".join)
_interval = _of(
    "0", "1 day", "24 hours", "1 mon", "30 days", "-1 day +1 hour", "1 year", "12 mons", "0.000001 s", "-0.5 s"
)
_hex = st.binary(max_size=40).map(lambda data: "\\x" + data.hex()) | _of("\\x", "\\x00", "\\x01", "\\x0000")
_address = _of("10.0.0.1", "10.0.0.1/24", "10.0.0.0/24", "::1", "::ffff:10.0.0.1", "fe80::1/64")
_printed = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=12)
_xml = _of("", "<a/>", "<a></a>", "<a b='1'/>", '<a b="1"/>', " <a/>", "<a><!-- c --></a>") | _printed.map(
    lambda text: f"<t>{escape(text)}</t>"
)
_quoted = _text.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
_texts = st.lists(_quoted | st.just("NULL"), max_size=4).map(lambda parts: "{" + ",".join(parts) + "}")
_integers = _of("{}", "{NULL}", "{1,2}", "{2,1}", "{{1,2}}", "{{1},{2}}", "[0:1]={1,2}", "[2:3]={1,2}") | st.lists(
    st.integers(-5, 5), max_size=5
).map(lambda numbers: "{" + ",".join(map(str, numbers)) + "}")
_pair = st.tuples(_integer | st.just(""), _quoted | st.just("")).map(lambda parts: "({},{})".format(*parts))
_moods = _of("sad", "ok", "", 'ha"p,py', "OK", "ö")
_ranges = _of("empty", "(,)", "[1,2)", "[1,1]", "[1,3)", "(,5)", "[5,)", "(0,2)")
_label = st.lists(_word, min_size=1, max_size=4).map(".".join) | _of("a", "A", "a.b", "a.B", "")

KINDS: tuple[Kind, ...] = (
    Kind("smallint", _small, key=True),
    Kind("integer", _integer, key=True),
    Kind("bigint", _bigint, key=True),
    Kind("numeric", _numeric, key=True),
    Kind("numeric", _of("Infinity", "-Infinity", "NaN", "1"), since=14),
    Kind("numeric(12,2)", st.integers(-(10**11), 10**11).map(lambda n: f"{n}e-2"), key=True),
    Kind("real", _real),
    Kind("double precision", _double, key=True),
    Kind("money", st.integers(-(10**9), 10**9).map(lambda n: f"{n / 100:.2f}")),
    Kind("boolean", _of("t", "f")),
    Kind("text", _text, key=True),
    Kind("character varying(20)", _plain, key=True),
    Kind("character(5)", _of("", "a", "A", "ab", "äöüßé", '"', "%s"), key=True),
    Kind('"char"', _of("", "a", "A", "1", "%", '"')),
    Kind("name", _word, key=True),
    Kind("bytea", _hex, key=True),
    Kind("date", _day, key=True),
    Kind("time", st.times().map(str)),
    Kind("time with time zone", _of("00:00+00", "00:00+02", "02:00+02", "24:00:00-08")),
    Kind("timestamp", _moment, key=True),
    Kind("timestamp with time zone", _zoned, key=True),
    Kind("interval", _interval, key=True),
    Kind("uuid", st.uuids().map(str), key=True),
    Kind("json", _json(":") | _json(" : ") | _of('{"a":1,"a":2}', '{"a":2}', "1.0", "1.00")),
    Kind("jsonb", _json(":") | _of("1.0", "1.00", "null", '""', '"\\u00e4"')),
    Kind("xml", _xml),
    Kind("inet", _address, key=True),
    Kind("cidr", _of("10.0.0.0/24", "10.0.0.0/25", "::/0", "10.0.0.0/32")),
    Kind("macaddr", _of("08:00:2b:01:02:03", "08:00:2b:01:02:04")),
    Kind("bit(5)", st.text("01", min_size=5, max_size=5)),
    Kind("bit varying", st.text("01", max_size=9) | _of("", "0", "00", "000")),
    Kind("tsvector", _of("", "'a'", "'a':1", "'a':1A", "'a':1,2", "'a' 'b'", "'a':1B 'ö':2")),
    Kind("tsquery", _of("", "'a'", "'a':*", "'a' & 'b'", "'a' | 'b'", "'a' <-> 'b'", "'a' <2> 'b'")),
    Kind("point", _of("(0,0)", "(-0,0)", "(0,-0)", "(1,2)", "(2,1)", "(NaN,0)", "(0.1,0.30000000000000004)")),
    Kind("polygon", _of("((0,0),(1,1),(0,1))", "((1,1),(0,1),(0,0))")),
    Kind("pg_lsn", _of("0/0", "0/1", "1/0")),
    Kind("jsonpath", _of("$", "$.a", "$.\"a\"[*]", "strict $.a")),
    Kind("int4range", _ranges, key=True),
    Kind("tstzrange", _of("empty", "(,)", "[2026-01-01,2026-01-02)", "[2026-01-01,2026-01-02]", "[2026-01-01 00:00+02,)")),
    Kind("int4multirange", _of("{}", "{[1,2)}", "{[1,2),[5,6)}", "{(,)}"), since=14),
    Kind("public.floats", _of("empty", "[0,1]", "[-0,1]", "(0,1)", "(NaN,)", "(,Infinity)", "(,)")),
    Kind("integer[]", _integers, key=True),
    Kind("text[]", _texts, key=True),
    Kind("public.mood", _moods, key=True),
    Kind("public.mood[]", _of("{}", "{sad,ok}", "{ok,sad}", '{""}', "{NULL}", "{OK}")),
    Kind("public.short", _text, key=True),
    Kind('public."Amount"', _numeric),
    Kind("public.pair", _pair, key=True, hashed=False),
    Kind("public.pair[]", _of("{}", '{"(1,a)"}', '{"(1,)"}', '{"(1,\\"\\")"}', '{"(,)"}', "{NULL}")),
    Kind("public.nest", _of("(,)", '("(1,a)",{})', '("(1,a)",)', '("(,)",{sad})', '(,"{sad,NULL}")')),
    Kind("public.citext", _text, key=True),
    Kind("public.hstore", _of("", "a=>1", "A=>1", "a=>NULL", 'a=>"NULL"', 'a=>""', "a=>1,b=>2", "a=>2,b=>1")),
    Kind("public.ltree", _label),
)  # fmt: skip

TEXTUAL: Mapping[str, bool] = dict.fromkeys(
    ["text", "character varying(20)", "character(5)", "name", "public.short", "public.citext", "xml"], True
)
"""Types in which an empty text is a value."""

TWINS: Mapping[str, Sequence[tuple[str, str]]] = {
    "smallint": [("1", "-1"), ("0", "1")],
    "integer": [("1", "-1"), ("0", "1")],
    "bigint": [("1", "4294967296"), ("-1", "-4294967297"), ("0", "1")],
    "numeric": [("1.0", "1.00"), ("5", "-5"), ("0", "0.0"), ("NaN", "0")],
    "real": [("0", "-0"), ("16777216", "16777218"), ("NaN", "Infinity")],
    "double precision": [("0", "-0"), ("0.3", "0.30000000000000004"), ("Infinity", "-Infinity"), ("NaN", "0")],
    "text": [("", " "), ("a", "a "), ("a", "A"), ("\u00e4", "a\u0308"), ("NULL", "null")],
    "character varying(20)": [("", " "), ("a", "a "), ("a", "A")],
    "character(5)": [("a", "A"), ("", "a")],
    "bytea": [("\\x", "\\x00"), ("\\x00", "\\x01"), ("\\x00", "\\x0000")],
    "date": [("infinity", "-infinity"), ("0044-03-15 BC", "0044-03-15")],
    "time with time zone": [("00:00+00", "02:00+02")],
    "timestamp": [("2026-03-29 01:30:00", "2026-03-29 01:30:00.000001"), ("infinity", "-infinity")],
    "timestamp with time zone": [("2026-10-25 02:30:00+02", "2026-10-25 02:30:00+01")],
    "interval": [("1 day", "24 hours"), ("1 mon", "30 days")],
    "json": [('{"a":1}', '{"a": 1}'), ('{"a":1,"a":2}', '{"a":2}'), ("1.0", "1.00")],
    "jsonb": [("1.0", "1.00"), ('{"a": null}', "{}")],
    "xml": [("<a/>", "<a></a>"), ("<a b='1'/>", '<a b="1"/>'), ("<a/>", " <a/>")],
    "inet": [("10.0.0.1", "10.0.0.1/24"), ("10.0.0.1", "::ffff:10.0.0.1")],
    "cidr": [("10.0.0.0/24", "10.0.0.0/25")],
    "bit varying": [("0", "00"), ("", "0")],
    "tsvector": [("'a'", "'a':1"), ("'a':1", "'a':1A")],
    "point": [("(0,0)", "(-0,0)"), ("(1,2)", "(2,1)")],
    "int4range": [("empty", "(,)"), ("[1,2)", "[1,3)")],
    "public.floats": [("[0,1]", "[-0,1]"), ("[0,1]", "(0,1)")],
    "integer[]": [("{1,2}", "{{1,2}}"), ("{1,2}", "[0:1]={1,2}"), ("{{1,2}}", "{{1},{2}}"), ("{}", "{NULL}")],
    "text[]": [("{NULL}", '{"NULL"}'), ("{}", '{""}'), ('{"a,b"}', "{a,b}")],
    "public.mood": [("ok", "OK"), ("", "sad")],
    "public.short": [("", " "), ("a", "A")],
    'public."Amount"': [("1.0", "1.00")],
    "public.pair": [("(1,)", '(1,"")'), ("(,a)", "(0,a)")],
    "public.nest": [('("(1,a)",{})', '("(1,a)",)'), ("(,)", '("(,)",)')],
    "public.citext": [("a", "A"), ("", " ")],
    "public.hstore": [("a=>NULL", 'a=>"NULL"'), ("a=>NULL", 'a=>""'), ("a=>1", "A=>1")],
    "public.ltree": [("a", "A"), ("a.b", "a.B")],
}  # fmt: skip
"""Pairs of values by type that some function or other takes for equal."""
