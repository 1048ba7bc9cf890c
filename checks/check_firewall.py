"""The security group lets in what the plan lists, at each moment of the migration, and nothing else."""

import pytest

from checks.equality import must_be_none
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import security_group
from fixtures.facts.wanted import in_cloud
from fixtures.plan import Plan
from fixtures.policy.ingress import SSH, Ingress, before_opening, when_accepted, when_open
from fixtures.run.journal import Accepted, TargetOpened
from fixtures.run.run import Run

pytestmark = pytest.mark.firewall_ready

MEND = "remove that rule from the security group (EC2 console, inbound rules), or run `gonogo run` again"


def _ingress(plan: Plan, group: security_group.Group | None) -> frozenset[Ingress]:
    """What the target's security group lets in."""
    if group is None:
        raise CouldNotVerify(
            f"the security group {plan.target.security_group}",
            expected="present",
            found="absent",
            remedy="run `gonogo run --until firewall_ready`",
        )
    return group.ingress


def _wanted(plan: Plan, run: Run) -> frozenset[Ingress]:
    if run.happened(Accepted):
        return when_accepted(plan)
    # From the opening to acceptance the executor opens the group and back-out closes it: the journal decides.
    return when_open(plan) if run.happened(TargetOpened) else before_opening(plan)


def check_nothing_wider_than_the_plan(
    plan: Plan,
    run: Run,
    groups: dict[str, security_group.Group] = in_cloud(security_group.groups),
    network: str = in_cloud(security_group.network),
) -> None:
    """The group lets in nobody that the plan does not list at this moment."""
    allowed = _wanted(plan, run) | (when_open(plan) if run.happened(TargetOpened) else frozenset())
    extra = sorted(_ingress(plan, groups.get(network)) - allowed)
    if extra:
        raise NoGo(
            f"the security group {plan.target.security_group}",
            expected="only what the plan lists now",
            found="also " + ", ".join(map(str, extra)),
            remedy=MEND,
        )


def check_what_the_plan_lists_is_let_in(
    plan: Plan,
    run: Run,
    groups: dict[str, security_group.Group] = in_cloud(security_group.groups),
    network: str = in_cloud(security_group.network),
) -> None:
    """The group lets in everyone whom the plan lists at this moment."""
    ingress = _ingress(plan, groups.get(network))
    missing = sorted(_wanted(plan, run) - ingress)
    if run.happened(TargetOpened) and not run.happened(Accepted):
        missing = sorted(when_accepted(plan) - ingress)  # acceptance is taking the temporary rules away
    if missing:
        raise NoGo(
            f"the security group {plan.target.security_group}",
            expected="everything the plan lists now",
            found="without " + ", ".join(map(str, missing)),
            remedy="run the same command again; the step open_firewall adds it",
        )


def check_ssh_only_from_one_address(
    plan: Plan,
    groups: dict[str, security_group.Group] = in_cloud(security_group.groups),
    network: str = in_cloud(security_group.network),
) -> None:
    """SSH is open to single addresses only, never to a network."""
    wide = sorted(
        rule
        for rule in _ingress(plan, groups.get(network))
        if (rule.protocol in {"tcp", "-1"} and rule.first <= SSH <= rule.last)
        and not rule.source.endswith(("/32", "/128"))
    )
    must_be_none(
        f"SSH through {plan.target.security_group}", expected="from single addresses (/32)", found=wide, remedy=MEND
    )
