"""gonogo's proof of two databases, as the tests ask for it: verdicts by table, and what differs where."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import psycopg2

from fixtures.connect.sessions import Session
from fixtures.errors import CouldNotVerify
from fixtures.sameness.digest import choose_method, differing
from fixtures.sameness.localise import Difference, locate
from fixtures.sameness.reading import Reading

CONNECTIONS = 2


@contextmanager
def _readings(here: Session, there: Session) -> Iterator[list[Reading]]:
    with ExitStack() as stack:
        method = choose_method(here, there)
        for session in (here, there):
            session.rollback()
        yield [
            stack.enter_context(
                closing(
                    Reading(
                        name,
                        lambda dsn=side.dsn: psycopg2.connect(dsn, connection_factory=Session),
                        connections=CONNECTIONS,
                        method=method,
                    )
                )
            )
            for name, side in (("source", here), ("target", there))
        ]


def verdicts(here: Session, there: Session) -> dict[str, str]:
    """Table ("schema.table", nothing quoted) -> equal, different, or could-not-verify."""
    found: dict[str, str] = {}
    with _readings(here, there) as (source, target):
        one, other = source.digests(), target.digests()
        relations = source.relations | target.relations
    for name in one.keys() | other.keys():
        pair = (one.get(name), other.get(name))
        if any(isinstance(digest, CouldNotVerify) for digest in pair):
            verdict = "could-not-verify"
        else:
            texts = [digest.text if digest else None for digest in pair]
            verdict = "equal" if texts[0] == texts[1] else "different"
        found[f"{relations[name].schema}.{relations[name].table}"] = verdict
    assert found.pop("pg_catalog.pg_largeobject") in ("equal", "could-not-verify")
    return found


def located(here: Session, there: Session, tables: Collection[str]) -> dict[str, Sequence[Difference]]:
    """What differs in some tables, as gonogo names it."""
    with _readings(here, there) as (source, target):
        names = {f"{relation.schema}.{relation.table}": name for name, relation in source.relations.items()}
        return {table: _located(source, target, names[table]) for table in tables}


def _located(source: Reading, target: Reading, name: str) -> Sequence[Difference]:
    one, other = source.digest(name).buckets, target.digest(name).buckets
    nothing = (0, 0, 0)
    buckets = {b: (one.get(b, nothing), other.get(b, nothing)) for b in differing(one, other)}
    found = locate(source, target, name, buckets)
    assert not found.more
    return found.differences
