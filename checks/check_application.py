"""The application runs on the target, in production's mode and on its own database."""

import pytest

from checks.equality import in_words, must_equal
from fixtures.errors import NoGo
from fixtures.facts import machine, pack, runtimes, server, units
from fixtures.facts.fact import HostFact
from fixtures.facts.listeners import ESTABLISHED, TcpConnection
from fixtures.facts.pack import PackAnswer
from fixtures.facts.wanted import in_target_db, on_target
from fixtures.plan import Listens, Plan
from fixtures.run.records import Said, Survey, TargetFacts
from fixtures.run.run import Run

pytestmark = pytest.mark.application_running


def _answers(plan: Plan) -> dict[str, HostFact[PackAnswer]]:
    return {one.name: pack.health(one, plan) for one in plan.application.listeners}


@pytest.mark.smoke_tested
def check_pack_unit_runs(
    pack_unit: str,
    found: dict[str, str] = on_target(lambda pack_unit: units.shown(pack_unit, "ActiveState", "SubState", "NRestarts")),
) -> None:
    """Every application server runs."""
    if found["ActiveState"] != "active":
        raise NoGo(
            f"{pack_unit} on the target",
            expected="active",
            found=", ".join(f"{name}={value}" for name, value in found.items()),
            remedy=f"see `journalctl -u {pack_unit}` on the target",
        )


@pytest.mark.smoke_tested
def check_listener_answers(
    listener: Listens,
    run: Run,
    answer: PackAnswer = on_target(pack.health),
    own: str = on_target(machine.HOSTNAME),
) -> None:
    """Every port and socket of the pack answers as production's did, from this very host; what speaks no HTTP listens."""
    surveyed = run.records(Survey).answers[listener.name]
    expected = {"status": surveyed.status, **dict.fromkeys(surveyed.own_name, own)}
    found = {"status": answer.status, **{key: answer.facts.get(key, "nothing") for key in surveyed.own_name}}
    if found != expected:
        raise NoGo(
            f"{listener} of the target ({listener.unit})",
            expected=f"as production, {in_words(expected)}" if surveyed.status else "a server that listens",
            found="nobody listens" if answer.status == 0 else in_words(found),
            remedy=f"see `journalctl -u {listener.unit}` and the application's log on the target",
        )


def check_application_is_in_productions_mode(
    console: str, run: Run, found: dict[str, Said] = on_target(lambda plan: runtimes.said(plan))
) -> None:
    """The application starts, and in production's mode."""
    must_equal(
        "the mode that the application on the target starts in",
        expected=run.records(Survey).said[console].mode,
        found=found[console].mode,
        remedy="see that the setting of its mode is in an environment file (application.environment_files) on production and target",
    )


def check_application_uses_its_own_database(
    console: str,
    plan: Plan,
    found: dict[str, Said] = on_target(lambda plan: runtimes.said(plan)),
    cluster: str = in_target_db(server.IDENTITY),
) -> None:
    """The application on the target is connected to the target's database, not to production's."""
    must_equal(
        "the database (name, cluster) that the application on the target uses",
        expected=(plan.database.name, cluster),
        found=(found[console].database, found[console].cluster),
        remedy="correct host and name of the database in the application's settings on the target (application.environment_files)",
    )


def check_nothing_on_the_target_talks_to_the_source(
    plan: Plan,
    run: Run,
    said: dict[str, Said] = on_target(lambda plan: runtimes.said(plan)),
    answers: dict[str, PackAnswer] = on_target(lambda plan: _answers(plan)),
    # Asked when the application has been at work: before, it may have had nothing to say to anybody.
    established: list[TcpConnection] = on_target(lambda said, answers: ESTABLISHED),
) -> None:
    """No program on the target has a connection open to production, copying aside."""
    own = plan.source.addresses
    open_ones = [c for c in established if c.address in own and 22 not in (c.port, c.own_port)]
    if open_ones:
        raise NoGo(
            f"connections from the target {run.records(TargetFacts).instance_id} to production",
            expected="none",
            found="; ".join(map(str, open_ones[:3])),
            remedy="find the setting that names production's address and make it name the target's own",
        )
