"""Proofs of identity. A step asks for them before it destroys or overwrites anything on the target."""

from fixtures.connect.cloud import Cloud
from fixtures.connect.host import Host
from fixtures.errors import Refused
from fixtures.places import MARKER, OPENED, marker
from fixtures.plan import Plan
from fixtures.run.journal import TargetOpened
from fixtures.run.records import Survey, TargetFacts
from fixtures.run.run import Run

# Everything in one command; a file that is not there gives an empty line.
_IDENTITY = """
line() { printf '%s\\n' "$(cat "$1" 2>/dev/null | tr -d '\\n')"; }
line /etc/machine-id
line /var/lib/cloud/data/instance-id
line "$1"
test -e "$2" && echo opened || echo closed
/usr/lib/postgresql/"$3"/bin/pg_controldata "$4" 2>/dev/null | sed -n 's/^Database system identifier: *//p'
"""


def identity_command(plan: Plan) -> list[str]:
    """The command that makes a host say who it is, five lines: machine id, instance id, marker, opened, PostgreSQL."""
    return [
        "sh", "-c", _IDENTITY, "identity",
        str(MARKER), str(OPENED), str(plan.postgresql.version), str(plan.data_directory),
    ]  # fmt: skip


def prove_target(target: Host, run: Run, plan: Plan, cloud: Cloud) -> TargetFacts:
    """The facts of this run's own target, after it was proven that `target` is that host and nobody else.

    Proven: the account; the cloud shows our instance at the address we are logged in to; the host's own instance id and
    run marker are this run's; its machine id and PostgreSQL cluster are not the source's. Raises `Refused`.
    """
    facts = run.records(TargetFacts)
    survey = run.records(Survey)
    cloud.verify_account()
    instance = cloud.instance()
    if instance is None or instance.id != facts.instance_id:
        found = f"{instance.id}" if instance else "no instance of this plan"
        raise _refused("the cloud", f"instance {facts.instance_id}", found)
    if instance.public_address != facts.public_address or target.address != facts.public_address:
        found = f"the cloud shows {instance.public_address}, we are logged in to {target.address}"
        raise _refused(facts.instance_id, f"the address {facts.public_address}", found)
    lines = target.check(identity_command(plan)).splitlines()
    machine, instance_id, marked, _ = lines[:4]
    _not_the_source(machine, lines[4] if len(lines) > 4 else "", survey)
    if instance_id != facts.instance_id:
        raise _refused("the host we are logged in to", f"instance {facts.instance_id}", instance_id or "no instance id")
    if marked != marker(run, facts):
        raise _refused(str(MARKER), marker(run, facts), marked or "no marker: another run's host, or none of ours")
    return facts


def _not_the_source(machine: str, system_identifier: str, survey: Survey) -> None:
    if machine == survey.machine_id:
        raise _refused("the host we are logged in to", "the target", f"the source: its machine id is {machine}")
    if system_identifier and system_identifier == survey.system_identifier:
        raise _refused(
            "PostgreSQL on the target",
            "a cluster of its own",
            f"the source's cluster, or a physical copy of it: {system_identifier}",
        )


def refuse_after_opening(run: Run, target: Host) -> None:
    """Raise `Refused` once the target may hold writes that production lacks: by the journal or by the target's word."""
    said = []
    if run.happened(TargetOpened):
        said.append("the run's journal")
    if target.succeeds(["test", "-e", str(OPENED)]):
        said.append(f"{OPENED} on the target")
    if said:
        raise Refused(
            "the target",
            expected="not opened to users yet",
            found=f"opened, by {' and '.join(said)}",
            remedy="nothing here may be overwritten any more; go on with `gonogo run`, or `gonogo back-out`",
        )


def _refused(subject: str, expected: str, found: str) -> Refused:
    return Refused(
        subject,
        expected=expected,
        found=found,
        remedy="nothing was changed; see that plan and run belong together (`gonogo status`), then run again",
    )
