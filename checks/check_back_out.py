"""Production is open again with its data, DNS names it, and the target is fenced."""

from pathlib import PurePosixPath

import pytest

from checks.equality import must_be_none, must_equal
from fixtures.connect.cloud import Cloud
from fixtures.connect.connections import Connections
from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.connect.nameservers import Dns
from fixtures.connect.web import Web
from fixtures.errors import NoGo
from fixtures.facts import catalogue, files, units
from fixtures.facts.fact import ask
from fixtures.facts.roles import logins
from fixtures.facts.security_group import security_group
from fixtures.plan import DnsRecord, NameServer, Page, Plan
from fixtures.policy import notices
from fixtures.run.records import DataCopy, DnsBefore, SourceClosure, Survey, TargetFacts
from fixtures.run.run import Run

pytestmark = pytest.mark.backed_out

BACK = "run `gonogo back-out` again: it finishes what is missing"


def check_production_answers_under_its_name(hostname: str, plan: Plan, web: Web) -> None:
    """Production answers its users again, under every name."""
    answer = web.get(plan.application.health, str(plan.source.public_address), host=hostname)
    subject = f"the status of {hostname}{plan.application.health} at {plan.source.public_address}"
    must_equal(subject, expected=200, found=answer.status_code, remedy=BACK)


def check_login_works_on_production(plan: Plan, web: Web) -> None:
    """Users can log in and browse on production again."""
    failed = web.unbrowsable(str(plan.source.public_address), plan.smoke, plan.web.pages)
    if failed:
        raise NoGo(
            f"{web.hostname} at {plan.source.public_address}",
            expected="login and every page of the plan",
            found=f"failed: {', '.join(failed)}",
            remedy=f"see the application's log on production; {BACK}",
        )


def check_roles_may_log_in_as_before(run: Run, plan: Plan, source_db: Database) -> None:
    """Every role of production's database may log in exactly if it could before it was closed."""
    before = run.records(SourceClosure).logins if run.has(SourceClosure) else {plan.database.role: True}
    found = ask(source_db, logins(before))
    must_equal("roles of production's database (role: may log in)", expected=before, found=found, remedy=BACK)


def check_password_is_accepted(plan: Plan, source_db: Database) -> None:
    """The application's password opens production's database again."""
    code = source_db.password_login(plan.database.role, plan.database.password.reveal())
    if code is not None:
        raise NoGo(
            f"logging in to {plan.database.name} on production as {plan.database.role}",
            expected="accepted",
            found=f"refused with SQLSTATE {code}",
            remedy=BACK,
        )


def check_production_has_its_data(run: Run, source_db: Database) -> None:
    """Production has at least the tables that it had when it closed."""
    before = set(run.records(DataCopy).tables if run.has(DataCopy) else run.records(Survey).tables)
    missing = sorted(before - {*ask(source_db, catalogue.TABLES), *ask(source_db, catalogue.MATERIALISED)})
    if missing:
        raise NoGo(
            "the tables of production",
            expected=f"all {len(before)}",
            found=f"missing: {', '.join(missing)}",
            remedy=BACK,
        )


def check_pack_runs_on_production(pack_unit: str, run: Run, source: Host) -> None:
    """Every application server of production runs, and starts at boot as it did."""
    _runs_as_before(pack_unit, run, source)


def check_worker_runs_on_production(worker_unit: str, run: Run, source: Host) -> None:
    """Every worker of production runs that ran before, and starts at boot as it did."""
    _runs_as_before(worker_unit, run, source)


def _runs_as_before(unit: str, run: Run, source: Host) -> None:
    found = (ask(source, units.states(unit)) == ["active"], ask(source, units.enabled(unit))[unit])
    ran = unit in run.records(SourceClosure).stopped_units if run.has(SourceClosure) else found[0]
    expected = (ran, run.records(Survey).units.get(unit, False))
    must_equal(f"{unit} on production (runs, starts at boot)", expected=expected, found=found, remedy=BACK)


def check_cron_is_back(cron_file: PurePosixPath, run: Run, source: Host) -> None:
    """Cron files that were moved aside are in place again."""
    held = run.has(SourceClosure) and str(cron_file) in run.records(SourceClosure).held_files
    if held and ask(source, files.status(str(cron_file))) is None:
        raise NoGo(f"{cron_file} on production", expected="in place", found="not there", remedy=BACK)


def check_maintenance_page_is_gone(plan: Plan, source: Host) -> None:
    """The maintenance page is gone from production."""
    if ask(source, files.status(str(plan.application.maintenance_page))) is not None:
        raise NoGo(
            f"{plan.application.maintenance_page} on production", expected="gone", found="still there", remedy=BACK
        )


def check_notice_is_gone(page_channel: Page, source: Host) -> None:
    """The notice of the move is gone from production."""
    path = str(page_channel.file)
    if notices.MARK in ask(source, files.text(path)):
        raise NoGo(f"{path} on production", expected="no notice of gonogo", found="still there", remedy=BACK)


def check_dns_names_production(record: DnsRecord, name_server: NameServer, run: Run, plan: Plan, dns: Dns) -> None:
    """Every record names production again on every authoritative server, with the TTL it had."""
    answer = dns.ask(name_server, record.name, record.type)
    if run.has(DnsBefore):
        before = run.records(DnsBefore)
        expected: tuple[list[str], int | None] = (sorted(before.records[str(record)]), before.ttls[str(record)])
    else:
        expected = ([str(plan.source.address_for(record.type))], answer.ttl)
    found = (list(answer.values), answer.ttl)
    must_equal(f"{record} on {name_server.name} (values, TTL)", expected=expected, found=found, remedy=BACK)


def check_target_is_closed_to_users(run: Run, plan: Plan, cloud: Cloud) -> None:
    """The firewall lets no user reach the target."""
    if not run.has(TargetFacts):
        return  # no target was ever launched
    group = security_group(cloud, plan)
    own = f"{plan.operator.address}/"
    public = {rule.port for rule in plan.target.public}
    open_to = [
        str(r) for r in sorted(group.ingress if group else []) if r.first in public and not r.source.startswith(own)
    ]
    if open_to:
        raise NoGo(
            f"the security group {plan.target.security_group}",
            expected="lets no user in",
            found=f"lets in {', '.join(open_to)}",
            remedy=BACK,
        )


def check_target_acts_on_nobody(run: Run, plan: Plan, cloud: Cloud, connections: Connections) -> None:
    """No application server and no worker of the target runs, or would at boot."""
    instance = cloud.instance()
    if not run.has(TargetFacts) or instance is None or instance.state == "stopped":
        return  # never launched, gone, or switched off
    ours, target = [*plan.application.pack, *plan.application.workers], connections.target
    states = ask(target, units.states(*ours))
    acting = [unit for unit, state in zip(ours, states, strict=True) if state in {"active", "reloading"}]
    # Workers stay enabled: the quarantine's condition keeps them from starting.
    acting += [f"{unit} (at boot)" for unit, on in ask(target, units.enabled(*plan.application.pack)).items() if on]
    must_be_none("units on the target", expected="stopped", found=acting, remedy=BACK)
