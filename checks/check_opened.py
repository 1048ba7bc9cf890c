"""The target may take writes: the quarantine is lifted, workers and cron run, the public ports are open."""

from pathlib import PurePosixPath

import pytest

from checks.equality import must_be_none, must_equal
from fixtures.errors import NoGo
from fixtures.facts import egress, files, security_group, units
from fixtures.facts.logins import with_own_login
from fixtures.facts.roles import barriers
from fixtures.facts.wanted import in_cloud, in_target_db, on_target
from fixtures.plan import Plan
from fixtures.policy import ingress
from fixtures.run.journal import TargetOpened
from fixtures.run.places import EGRESS_TABLE, OPENED, QUARANTINED
from fixtures.run.records import Opening, TargetFacts
from fixtures.run.run import Run

pytestmark = pytest.mark.target_open

OPEN = "open the target: `gonogo run`"


def check_opening_is_in_the_journal(run: Run) -> None:
    """The journal says that the target was opened: nothing may overwrite it any more."""
    opened = run.records(Opening).instance_id
    expected = run.records(TargetFacts).instance_id
    found = opened if run.happened(TargetOpened) else "no entry target_open in the journal"
    must_equal("the opening of the target", expected=expected, found=found, remedy=OPEN)


def check_target_knows_it_is_open(run: Run, text: str = on_target(files.text(str(OPENED)))) -> None:
    """The target itself says that it was opened, and by which run: another operator's gonogo sees it too."""
    must_equal(f"{OPENED} on the target", expected=run.name, found=text.strip() or "no such file", remedy=OPEN)


def check_quarantine_is_lifted(
    in_force: bool = on_target(egress.IN_FORCE),
    flag: files.Status | None = on_target(files.status(str(QUARANTINED))),
) -> None:
    """The target's quarantine is over: it may reach mail servers and whatever else production reached."""
    left = [f"the table {EGRESS_TABLE}"] if in_force else []
    left += [str(QUARANTINED)] if flag else []
    must_be_none("the quarantine of the target", expected="lifted", found=left, remedy=OPEN)


def check_worker_runs(
    worker_unit: str,
    states: list[str] = on_target(lambda worker_unit: units.states(worker_unit)),
    at_boot: dict[str, bool] = on_target(lambda worker_unit: units.enabled(worker_unit)),
) -> None:
    """Every worker runs on the target, and starts at boot."""
    (state,), on = states, at_boot[worker_unit]
    if (state, on) != ("active", True):
        raise NoGo(
            f"{worker_unit} on the target",
            expected="active, enabled",
            found=f"{state}, {'enabled' if on else 'not enabled'}",
            remedy=f"see `journalctl -u {worker_unit}` on the target; systemctl enable --now {worker_unit}",
        )


def check_cron_file_is_in_place(
    cron_file: PurePosixPath, file: files.Status | None = on_target(lambda cron_file: files.status(str(cron_file)))
) -> None:
    """Every cron file is in place on the target, as cron wants it."""
    if file is None or file.owner != "root" or int(file.mode, 8) & 0o022:
        raise NoGo(
            f"{cron_file} on the target",
            expected="a file of root that nobody else may write: cron passes over any other",
            found=f"{file.owner}, {file.mode}" if file else "no such file",
            remedy=OPEN,
        )


def check_cron_runs(plan: Plan, states: list[str] = on_target(units.states("cron.service"))) -> None:
    """The cron daemon runs on the target, where the application has cron files."""
    running = not plan.application.cron or states == ["active"]
    if not running:
        raise NoGo("cron on the target", expected="running", found="not running", remedy="systemctl enable --now cron")


def check_public_rules_are_open(
    plan: Plan,
    groups: dict[str, security_group.Group] = in_cloud(security_group.groups),
    network: str = in_cloud(security_group.network),
) -> None:
    """The security group lets users in as the plan says."""
    group = groups.get(network)
    missing = sorted(ingress.when_accepted(plan) - (group.ingress if group else frozenset()))
    if missing:
        raise NoGo(
            f"the security group {plan.target.security_group}",
            expected="every rule of target.public",
            found=f"no rule for {', '.join(map(str, missing))}",
            remedy=OPEN,
        )


def check_application_may_write(
    plan: Plan,
    refused: str | None = in_target_db(with_own_login),
    found: list[str] = in_target_db(lambda plan: barriers(plan.database.role)),
) -> None:
    """The target's database takes writes: the role may log in with its password and nothing is set read-only."""
    if refused or found:
        raise NoGo(
            f"{plan.database.role} in {plan.database.name} on the target",
            expected="may log in and write",
            found=f"refused with SQLSTATE {refused}" if refused else ", ".join(found),
            remedy="see pg_roles and pg_db_role_setting on the target",
        )
