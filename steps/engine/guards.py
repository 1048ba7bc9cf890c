"""What is proven before anything is changed: which host is which, that the target is not opened, that no other run is at work.

The executor, the way back and `gonogo lock` ask for it; what is proven follows from what a step is handed.
"""

from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager, suppress

from fixtures.connect.connections import Connections
from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.errors import CouldNotVerify, GonogoError, Refused, StepFailed
from fixtures.run.places import MARKER, OPENED, marker
from fixtures.run.records import Survey, TargetFacts
from fixtures.run.run import Run
from fixtures.scripts import script
from steps.step import OPEN_SOURCE

TARGET = frozenset({"target", "target_db"})
"""The parameters by which a step is handed the target."""

_IDENTITY = script(__file__, "identity.sh")


@contextmanager
def guarded(
    connections: Connections,
    handed: Set[str],
    work: str,
    *,
    unopened: bool = False,
    unproven: bool = False,
    lock: bool = True,
) -> Iterator[None]:
    """Let the block change what it is `handed`, once everything is proven, and keep other runs away meanwhile.

    `work` is what refusals and host locks name. `unopened`: it must not happen any more once the target was opened.
    `unproven`: the target cannot prove its identity yet. Without `lock` another run's lock keeps nobody out: production's
    users wait for the way back. Raises `Refused`, and `CouldNotVerify` where nobody answers.
    """
    hosts = []
    if unproven:
        prove_instance(connections)
    elif handed & TARGET:
        hosts.append(connections.target)
        if prove_target(connections, database="target_db" in handed) and unopened:
            raise opened_already(work, f"the file {OPENED} on the target")
    elif "cloud" in handed:
        connections.cloud.verify_account()
    if handed & OPEN_SOURCE:
        hosts.append(connections.open_source)
        databases = [getattr(connections, name) for name in handed & {"source_db", "open_source_db"}]
        prove_source(connections.open_source, connections.run, *databases)
    with ExitStack() as locks:
        for host in hosts if lock else ():
            locks.enter_context(locked(host, connections.run, work))
        yield


@contextmanager
def locked(host: Host, run: Run, work: str) -> Iterator[None]:
    """Hold the host's lock in the name of the run; raises `Refused` when another run holds it."""
    host.lock(run.name, work)
    try:
        yield
    finally:
        # What the block raised says more. A lock that stays is the run's own: it takes it again, and then frees it.
        with suppress(GonogoError):
            host.unlock()


def prove_instance(connections: Connections) -> TargetFacts:
    """The recorded facts of this run's instance, which the plan's own account shows at the recorded address, or `Refused`."""
    facts = connections.run.records(TargetFacts)
    connections.cloud.verify_account()
    instance = connections.cloud.instance()
    if instance is None or instance.id != facts.instance_id:
        found = f"{instance.id}" if instance else "no instance of this plan"
        raise _refused("the cloud", f"instance {facts.instance_id}", found)
    if instance.public_address != facts.public_address:
        raise _refused(facts.instance_id, f"the address {facts.public_address}", f"{instance.public_address}")
    return facts


def prove_target(connections: Connections, *, database: bool = False) -> bool:
    """Prove that `target` is this run's own and nobody else; whether it was opened to users, by its own word.

    Proven: the instance; we are logged in at its address; the host's own instance id and run marker are this run's; its
    machine id, its PostgreSQL cluster and the one that serves (`database`) are not the source's. Raises `Refused`, and
    `CouldNotVerify` where it does not say.
    """
    target, run, plan = connections.target, connections.run, connections.plan
    facts, survey = prove_instance(connections), run.records(Survey)
    if target.address != facts.public_address:
        raise _refused("the host we are logged in to", f"the address {facts.public_address}", target.address)
    try:
        answer = target.check([*_IDENTITY, *map(str, (MARKER, OPENED, plan.postgresql.version, plan.data_directory))])
    except StepFailed as error:  # a host that begins no process any more has said nothing of who it is
        raise CouldNotVerify(
            "the host we are logged in to", expected="that it says who it is", found=error.found, remedy=error.remedy
        ) from error
    machine, instance_id, marked, opened, *clusters = answer.splitlines()
    if machine == survey.machine_id:
        raise _refused("the host we are logged in to", "the target", f"the source: its machine id is {machine}")
    if instance_id != facts.instance_id:
        raise _refused("the host we are logged in to", f"instance {facts.instance_id}", instance_id or "no instance id")
    if marked != marker(run, facts):
        raise _refused(str(MARKER), marker(run, facts), marked or "no marker: another run's host, or none of ours")
    if survey.system_identifier in [*clusters, *([connections.target_db.identity()] if database else [])]:
        found = f"the source's cluster, or a physical copy of it: {survey.system_identifier}"
        raise _refused("PostgreSQL on the target", "a cluster of its own", found)
    return opened == "opened"


def prove_source(source: Host, run: Run, *databases: Database) -> None:
    """Raise `Refused` unless the host, and each of the databases, is the one that the run surveyed as production."""
    survey = run.records(Survey)
    machine = source.read_file("/etc/machine-id").strip()
    if machine != survey.machine_id:
        raise _refused("the source", f"the surveyed machine {survey.machine_id}", machine)
    for identity in (database.identity() for database in databases):
        if identity != survey.system_identifier:
            raise _refused("PostgreSQL on the source", f"the surveyed cluster {survey.system_identifier}", identity)


def opened_already(work: str, by: str) -> Refused:
    """The refusal of what must not happen any more once users may have written on the target; `by` says who knows."""
    return Refused(
        work,
        expected="never to run once the target was opened to users",
        found=f"it was opened, says {by}",
        remedy="nothing was changed; `gonogo status` shows where the run stands; `gonogo back-out` is the way back",
    )


def _refused(subject: str, expected: str, found: str) -> Refused:
    return Refused(
        subject,
        expected=expected,
        found=found,
        remedy="nothing was changed; see that plan and run belong together (`gonogo status`), then run again",
    )
