"""How text sorts: what servers of several releases and locales say."""

import shutil
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from checks import check_collations
from fixtures.errors import NoGo
from fixtures.sameness import collations, pinned
from tests.servers import running


def reader(server, dbname="postgres"):
    session = server.connect(dbname)
    session.autocommit = True
    pinned.pin(session)
    return session


@pytest.fixture(scope="module")
def english():
    directory = Path(tempfile.mkdtemp())
    with ExitStack() as stack:
        made = {v: stack.enter_context(running(v, directory / str(v), locale="en_US.UTF-8")) for v in (13, 15, 17)}
        yield made
    shutil.rmtree(directory)


def locales_match(one, other):
    check_collations.check_encoding_and_locale_match(*map(collations.read_locale, (one, other)))


def versions_are_current(_, session):
    check_collations.check_collation_versions_are_current(collations.stale_collations(session))


def text_sorts_alike(one, other):
    used = collations.used_collations(one)
    words = [collations.sorted_by(session, collations.DEFAULT, *used) for session in (one, other)]
    check_collations.check_text_sorts_alike(used, *words)


CHECKS = (locales_match, versions_are_current, text_sorts_alike)


@pytest.mark.parametrize("pair", [(13, 15), (15, 17), (13, 17)], ids=lambda p: f"{p[0]}-to-{p[1]}")
def test_debians_releases_sort_english_alike(pair, english):
    with closing(reader(english[pair[0]])) as one, closing(reader(english[pair[1]])) as other:
        for check in CHECKS:
            check(one, other)


def test_bookworm_and_trixie_sort_by_code_point_alike_and_bullseye_does_not(server13, server15, server17):
    with closing(reader(server13)) as one, closing(reader(server15)) as two, closing(reader(server17)) as three:
        for check in CHECKS:
            check(two, three)
        for later in (two, three):
            with pytest.raises(NoGo, match="\\+'😀'"):
                text_sorts_alike(one, later)


def test_another_locale_is_named_and_sorts_otherwise(english, server15):
    with closing(reader(english[15])) as one, closing(reader(server15)) as other:
        with pytest.raises(NoGo, match=r"LC_COLLATE: C\.UTF-8 instead of en_US\.UTF-8"):
            locales_match(one, other)
        with pytest.raises(NoGo, match=r'pg_catalog\."default"'):
            text_sorts_alike(one, other)


def test_a_collation_counts_once_something_uses_it_and_its_version_is_compared(server17):
    server17.run("psql", "-Xqc", "CREATE DATABASE sorted")
    with closing(reader(server17, "sorted")) as session, session.cursor() as cursor:
        cursor.execute("CREATE COLLATION public.de (provider = icu, locale = 'de-u-co-phonebk');"
                       "CREATE TABLE public.t (a text, b text COLLATE public.de)")  # fmt: skip
        assert collations.used_collations(session) == ["public.de"]
        words = collations.sorted_words(session, "public.de")
        assert words.index("ä") < words.index("b") < words.index("z")
        versions_are_current(session, session)
        cursor.execute("SET allow_system_table_mods = on; UPDATE pg_collation SET collversion = '1' WHERE collname = 'de';"
                       "UPDATE pg_database SET datcollversion = '2.1' WHERE datname = 'sorted'")  # fmt: skip
        with pytest.raises(NoGo, match=r"the database: made with 2.1.*collation public.de: made with 1"):
            versions_are_current(session, session)
        cursor.execute("DROP TABLE public.t")
        assert collations.used_collations(session) == []
    server17.run("psql", "-Xqc", "DROP DATABASE sorted WITH (FORCE)")


def test_a_database_of_another_encoding_is_asked_for_what_it_can_hold(server15):
    server15.run(
        "psql", "-Xqc", "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    with closing(reader(server15, "latin")) as session:
        assert collations.read_locale(session)["encoding"] == "LATIN1"
        assert collations.sorted_words(session, collations.DEFAULT)[-1] == "~"
    server15.run("psql", "-Xqc", "DROP DATABASE latin WITH (FORCE)")
