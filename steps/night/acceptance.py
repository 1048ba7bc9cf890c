"""Acceptance: users arrive by public DNS, and nothing temporary is left."""

import time

from fixtures.connect.cloud import Cloud
from fixtures.connect.host import Host
from fixtures.connect.nameservers import Dns
from fixtures.connect.web import Web
from fixtures.errors import StepFailed
from fixtures.facts import parity
from fixtures.plan import DnsRecord, NameServer, Plan
from fixtures.policy import ingress
from fixtures.run.journal import Accepted
from fixtures.run.records import ResponseTimes, TargetFacts, UsersMoved
from fixtures.run.run import Run
from steps.keep import backups
from steps.night import following
from steps.provision import firewall
from steps.step import step
from steps.tools.copying import remove_temporary_keys


@step(
    needs=["dns_changed", "target_open", "source_closed", "smoke_tested"],
    gives=["accepted"],
    writes_to_source="takes away the keys that copies left there",
)
def accept(
    plan: Plan, run: Run, dns: Dns, cloud: Cloud, source: Host, open_source: Host, target: Host, web: Web
) -> None:
    """Wait until resolvers have forgotten production's address, back up, and take away every temporary key, rule and lock."""
    facts = run.records(TargetFacts)
    for resolver in plan.dns.resolvers:
        for record in plan.dns.records:
            wait_forgotten(plan, dns, resolver, record, facts)
    if not run.records(UsersMoved).silent:
        following.follow(plan, run, dns, source, target)
    times = parity.measure(
        web, {"target": facts.public_address}, plan.smoke, plan.web.pages or [plan.health_page], plan.parity
    )
    run.record(run.records(ResponseTimes).model_copy(update={"accepted": times["target"]}))
    backups.back_up(target, run, "accept")
    remove_temporary_keys(open_source, target, plan)
    firewall.set_ingress(cloud, plan, ingress.when_accepted(plan))
    if not run.happened(Accepted):
        run.journal(Accepted())


def wait_forgotten(plan: Plan, dns: Dns, resolver: NameServer, record: DnsRecord, facts: TargetFacts) -> None:
    """Wait until a resolver answers with the target alone; at most as long as the short TTL can last.

    Raises `StepFailed` with the seconds that the resolver still holds the old answer.
    """
    deadline = time.monotonic() + plan.dns.ttl + 10
    while (answer := dns.ask(resolver, record.name, record.type)).values != (facts.address(record.type),):
        if time.monotonic() > deadline:
            raise StepFailed(
                f"{record} through the resolver {resolver.name}",
                expected=facts.address(record.type),
                found=f"{', '.join(answer.values) or 'no record'}, held for {answer.ttl} more seconds",
                remedy=f"wait {answer.ttl} seconds, or have its cache flushed; then run the same command again",
            )
        time.sleep(min(1.0, max(0.2, (answer.ttl or 1) / 2)))
