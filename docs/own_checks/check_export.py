"""The newest file that a cron job wrote is fresh."""

from datetime import UTC, datetime, timedelta

import pytest

from fixtures.errors import NoGo
from fixtures.facts.fact import HostFact, shell
from fixtures.facts.wanted import on_source
from fixtures.run.evidence import now

# Yours: where the job writes, what its files are called, and how old the newest may be.
DIRECTORY, PATTERN, OLDEST = "/var/exports", "*.csv", timedelta(hours=26)


def read_newest(answer: str) -> datetime | None:
    """A line with the seconds since 1970 for each file; None where there is none."""
    return max((datetime.fromtimestamp(float(line), UTC) for line in answer.splitlines()), default=None)


# `test` first: a directory that is not there is no answer, and one without files is.
NEWEST = HostFact(
    shell('test -d "$1" && find "$1" -maxdepth 1 -type f -name "$2" -printf "%T@\\n"', DIRECTORY, PATTERN), read_newest
)


@pytest.mark.night_prepared
def check_export_is_fresh(newest: datetime | None = on_source(NEWEST)) -> None:
    """The nightly export ran: nothing is moved that was broken before."""
    if newest is None or now() - newest > OLDEST:
        raise NoGo(
            f"the newest {PATTERN} in {DIRECTORY} on production",
            expected=f"at most {OLDEST} old",
            found=f"of {newest:%Y-%m-%d %H:%M} UTC" if newest else "no such file",
            remedy="see why the job did not run, and have it run",
        )
