"""Production is open again with its data, DNS names it, and the target is fenced."""

from pathlib import PurePosixPath

import pytest

from checks.equality import must_be_none, must_equal
from fixtures.connect.nameservers import DnsAnswer
from fixtures.errors import NoGo
from fixtures.facts import catalogue, files, network, security_group, units, webserver
from fixtures.facts.fact import CloudFact
from fixtures.facts.instance import Described, InstanceFact, described
from fixtures.facts.logins import with_own_login
from fixtures.facts.network import Browsed, PageAnswer, at_source, browsed_at_source
from fixtures.facts.roles import RULES, STALE, WRONG_LINES, logins
from fixtures.facts.security_group import Group
from fixtures.facts.wanted import in_cloud, in_dns, in_source_db, on_source, on_target, on_web
from fixtures.plan import DnsRecord, NameServer, Page, Plan
from fixtures.policy import notices
from fixtures.policy.hba import HbaRule
from fixtures.run.records import DataCopy, DnsBefore, SourceClosure, Survey, TargetFacts
from fixtures.run.run import Run

pytestmark = pytest.mark.backed_out

BACK = "run `gonogo back-out` again: it finishes what is missing"


def check_production_answers_under_its_name(
    hostname: str,
    plan: Plan,
    run: Run,
    answer: PageAnswer = on_web(lambda plan, hostname: at_source(plan, plan.health_page, host=hostname)),
) -> None:
    """Production answers its users again, under every name, as it did when it was surveyed."""
    subject = f"the status of {hostname}{plan.health_page} at {plan.source.public_address}"
    must_equal(subject, expected=run.records(Survey).health[hostname], found=answer.status, remedy=BACK)


def check_login_works_on_production(plan: Plan, browsed: Browsed = on_web(browsed_at_source)) -> None:
    """Users can log in and browse on production again."""
    failed = browsed.failed(plan.smoke.signed_in_text)
    if failed:
        raise NoGo(
            f"{plan.web.hostnames[0]} at {plan.source.public_address}",
            expected="login and every page of the plan",
            found=f"failed: {', '.join(failed)}",
            remedy=f"see the application's log on production; {BACK}",
        )


def _logins_before(plan: Plan, run: Run) -> dict[str, bool]:
    return run.records(SourceClosure).logins if run.has(SourceClosure) else {plan.database.role: True}


def check_roles_may_log_in_as_before(
    plan: Plan, run: Run, found: dict[str, bool] = in_source_db(lambda plan, run: logins(_logins_before(plan, run)))
) -> None:
    """Every role of production's database may log in exactly if it could before it was closed."""
    expected = _logins_before(plan, run)
    must_equal("roles of production's database (role: may log in)", expected=expected, found=found, remedy=BACK)


def check_rules_let_in_as_before(
    plan: Plan,
    rules: list[HbaRule] = in_source_db(RULES),
    wrong: list[str] = in_source_db(WRONG_LINES),
    stale: bool = in_source_db(STALE),
) -> None:
    """pg_hba.conf of production refuses nobody on the closing's account any more, and the server has loaded it."""
    # A site may have rules of its own that refuse: ours come first, and refuse everybody.
    refused = ([plan.database.name], ["all"], "reject")
    left = [f"line {one.line}: reject" for one in rules[:3] if (one.databases, one.users, one.method) == refused]
    left += [*wrong, *(["changed since the server loaded it"] if stale else [])]
    remedy = f"mend a wrong line first: the server keeps its old rules until it can load the file; {BACK}"
    must_be_none("pg_hba.conf on production", expected="without gonogo's block, and loaded", found=left, remedy=remedy)


def check_subscriptions_feed_it_again(run: Run, found: dict[str, bool] = in_source_db(catalogue.SUBSCRIPTIONS)) -> None:
    """Every subscription that closing disabled feeds production's database again."""
    disabled = run.records(SourceClosure).subscriptions if run.has(SourceClosure) else []
    left = [name for name in disabled if found.get(name) is False]
    must_be_none("subscriptions that closing disabled", expected="enabled", found=left, remedy=BACK)


def check_password_is_accepted(plan: Plan, code: str | None = in_source_db(with_own_login)) -> None:
    """The application's password opens production's database again."""
    if code is not None:
        raise NoGo(
            f"logging in to {plan.database.name} on production as {plan.database.role}",
            expected="accepted",
            found=f"refused with SQLSTATE {code}",
            remedy=BACK,
        )


def check_production_has_its_data(
    run: Run,
    tables: list[str] = in_source_db(catalogue.TABLES),
    views: list[str] = in_source_db(catalogue.MATERIALISED),
) -> None:
    """Production has at least the tables that it had when it closed."""
    before = set(run.records(DataCopy).tables if run.has(DataCopy) else run.records(Survey).tables)
    missing = sorted(before - {*tables, *views})
    if missing:
        raise NoGo(
            "the tables of production",
            expected=f"all {len(before)}",
            found=f"missing: {', '.join(missing)}",
            remedy=BACK,
        )


def check_pack_runs_on_production(
    pack_unit: str,
    run: Run,
    states: list[str] = on_source(lambda pack_unit: units.states(pack_unit)),
    enabled: dict[str, bool] = on_source(lambda pack_unit: units.enabled(pack_unit)),
) -> None:
    """Every application server of production runs, and starts at boot as it did."""
    _runs_as_before(pack_unit, run, (states == ["active"], enabled[pack_unit]))


def check_worker_runs_on_production(
    worker_unit: str,
    run: Run,
    states: list[str] = on_source(lambda worker_unit: units.states(worker_unit)),
    enabled: dict[str, bool] = on_source(lambda worker_unit: units.enabled(worker_unit)),
) -> None:
    """Every worker of production runs that ran before, and starts at boot as it did."""
    _runs_as_before(worker_unit, run, (states == ["active"], enabled[worker_unit]))


def _runs_as_before(unit: str, run: Run, found: tuple[bool, bool]) -> None:
    ran = unit in run.records(SourceClosure).stopped_units if run.has(SourceClosure) else found[0]
    expected = (ran, run.records(Survey).units.get(unit, False))
    must_equal(f"{unit} on production (runs, starts at boot)", expected=expected, found=found, remedy=BACK)


def check_cron_is_back(
    cron_file: PurePosixPath,
    run: Run,
    status: files.Status | None = on_source(lambda cron_file: files.status(str(cron_file))),
) -> None:
    """Cron files that were moved aside are in place again."""
    held = run.has(SourceClosure) and str(cron_file) in run.records(SourceClosure).held_files
    if held and status is None:
        raise NoGo(f"{cron_file} on production", expected="in place", found="not there", remedy=BACK)


def check_nginx_goes_by_its_own_file(found: dict[str, bool] = on_source(webserver.closed_by)) -> None:
    """Production's nginx goes by its own main file again, and not by the one that closed it."""
    left = [main for main, ours in found.items() if ours]
    must_be_none("nginx's main file on production", expected="as it was", found=left, remedy=BACK)


def check_notice_is_gone(
    page_channel: Page, text: str = on_source(lambda page_channel: files.text(str(page_channel.file)))
) -> None:
    """The notice of the move is gone from production."""
    if notices.MARK in text:
        raise NoGo(
            f"{page_channel.file} on production", expected="no notice of gonogo", found="still there", remedy=BACK
        )


def check_dns_names_production(
    record: DnsRecord, name_server: NameServer, run: Run, plan: Plan, answer: DnsAnswer = in_dns(network.of_record)
) -> None:
    """Every record names production again on every authoritative server, with the TTL it had."""
    if run.has(DnsBefore):
        before = run.records(DnsBefore)
        expected: tuple[list[str], int | None] = (sorted(before.records[str(record)]), before.ttls[str(record)])
    else:
        expected = ([str(plan.source.address_for(record.type))], answer.ttl)
    found = (list(answer.values), answer.ttl)
    must_equal(f"{record} on {name_server.name} (values, TTL)", expected=expected, found=found, remedy=BACK)


def _firewall(run: Run, plan: Plan) -> dict[str, CloudFact[dict[str, Group]]]:
    """What there is to ask of the target's firewall: nothing where no target was ever launched."""
    return {plan.target.security_group: security_group.groups(plan)} if run.has(TargetFacts) else {}


def _network(run: Run, plan: Plan) -> dict[str, CloudFact[str]]:
    return {plan.target.subnet: security_group.network(plan)} if run.has(TargetFacts) else {}


def check_target_is_closed_to_users(
    run: Run,
    plan: Plan,
    groups: dict[str, dict[str, Group]] = in_cloud(_firewall),
    networks: dict[str, str] = in_cloud(_network),
) -> None:
    """The firewall lets no user reach the target."""
    if not run.has(TargetFacts):
        return  # no target was ever launched
    group = groups[plan.target.security_group].get(networks[plan.target.subnet])
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


def _instance(run: Run, plan: Plan) -> dict[str, InstanceFact]:
    return {plan.target.name: described(plan)} if run.has(TargetFacts) else {}


def _is_on(instances: dict[str, Described | None]) -> bool:
    """Whether there is a target that could act: not one that was never launched, is gone, or is switched off."""
    return any(one is not None and one.instance.state != "stopped" for one in instances.values())


def _units(plan: Plan) -> list[str]:
    return [*plan.application.pack, *plan.application.workers]


def check_target_acts_on_nobody(
    plan: Plan,
    instances: dict[str, Described | None] = in_cloud(_instance),
    states: dict[str, list[str]] = on_target(
        lambda instances, plan: {"units": units.states(*_units(plan))} if _is_on(instances) else {}
    ),
    enabled: dict[str, dict[str, bool]] = on_target(
        lambda instances, plan: {"pack": units.enabled(*plan.application.pack)} if _is_on(instances) else {}
    ),
) -> None:
    """No application server and no worker of the target runs, or would at boot."""
    if not _is_on(instances):
        return
    running = zip(_units(plan), states["units"], strict=True)
    acting = [unit for unit, state in running if state in {"active", "reloading"}]
    # Workers stay enabled: the quarantine's condition keeps them from starting.
    acting += [f"{unit} (at boot)" for unit, on in enabled["pack"].items() if on]
    must_be_none("units on the target", expected="stopped", found=acting, remedy=BACK)
