"""The cutover: production is closed, and the target is opened."""

import json
import logging
import time
from collections.abc import Sequence
from pathlib import PurePosixPath

from fixtures.connect.cloud import Cloud
from fixtures.connect.database import SUPERUSER, Database
from fixtures.connect.host import Host
from fixtures.errors import Refused, StepFailed
from fixtures.facts import files
from fixtures.facts.catalogue import SUBSCRIPTIONS
from fixtures.facts.fact import ask, ask_all
from fixtures.facts.files import newest
from fixtures.facts.roles import ENTRANTS
from fixtures.facts.standstill import COUNTERS
from fixtures.facts.units import states
from fixtures.plan import Plan
from fixtures.policy import entrants, ingress, notices, standstill
from fixtures.run.evidence import now
from fixtures.run.journal import SourceClosed, SourceShut, TargetOpened
from fixtures.run.places import CLOSURE, HELD, OPENED, STATE_DIRECTORY, held
from fixtures.run.records import ClosedBy, Counters, Opening, SourceClosure, Standstill, Survey, TargetFacts
from fixtures.run.run import Run
from fixtures.scripts import script
from steps.build import quarantine
from steps.provision import firewall
from steps.rehearse import redis
from steps.rehearse.application import stop_pack
from steps.rehearse.readiness import AT_MOST
from steps.step import step
from steps.tools import fence, maintenance

log = logging.getLogger(__name__)

OPENED_ELSEWHERE = STATE_DIRECTORY / "target-opened"
"""On the source: when the target was opened, and its address."""

_SETTLING = 1.0
"""Seconds between two readings of what production counts: within them a server has passed on what it had counted."""
_STOPPED = ("inactive", "failed")
"""How systemd calls a unit that does not run, and is not about to."""

_ASIDE = script(__file__, "aside.sh")
_BACK = script(__file__, "back.sh")


@step(
    needs=["pre_cutover"],
    gives=["source_closed"],
    resumes=["target_quarantined", "ttl_lowered"],
    once=SourceClosed,
    writes_to_source="nginx's main file, units, cron, roles' logins, a block in pg_hba.conf, subscriptions",
)
def close_source(plan: Plan, run: Run, open_source: Host, open_source_db: Database) -> None:
    """Show the maintenance page, stop workers, cron and pack, and fence everybody but gonogo off the database."""
    fence.refuse_prepared(open_source_db)
    roles = ask(open_source_db, ENTRANTS)
    spared = entrants.spared(roles, plan, SUPERUSER)
    site = maintenance.prepare(open_source, plan, as_it_lies=run.happened(SourceClosed))
    closure = _closure(plan, run, open_source, open_source_db, entrants.held_roles(roles, spared), site.master.main)
    # Both records and the journal come before the first change, so that a back-out always knows what to undo.
    open_source.check(["install", "-d", "-m", "0755", str(STATE_DIRECTORY)])
    open_source.check(["install", "-d", "-m", "0700", str(HELD)])
    survey = run.records(Survey)
    known = ClosedBy(
        **dict(closure), run=run.name, machine_id=survey.machine_id, system_identifier=survey.system_identifier
    )
    open_source.write_file(str(CLOSURE), known.model_dump_json(indent=1), mode="0600")
    run.record(closure)
    if not run.happened(SourceClosed):
        elsewhere = {name for role in roles if role.name not in spared for name in role.elsewhere}
        run.journal(
            SourceClosed(
                roles=sorted(closure.logins),
                also_hit=sorted(elsewhere),
                spared=spared,
                subscriptions=closure.subscriptions,
            )
        )
    maintenance.shut(open_source, site, notices.outage_page(plan, closure.closed))
    log.info("production shows the maintenance page; waiting until the requests that had begun are answered")
    drain(open_source, plan)
    redis.await_drained(plan, open_source)
    log.info("stopping workers, cron and the application on production")
    hold_units(open_source, plan)
    log.info("fencing everybody but gonogo off production's database")
    fence.fence(open_source, open_source_db, closure.logins, file=closure.hba_file, subscriptions=closure.subscriptions)
    log.info("looking whether production's database stands still")
    run.record(_standstill(plan, open_source, open_source_db))
    run.journal(SourceShut())


def _closure(
    plan: Plan, run: Run, source: Host, db: Database, held_roles: Sequence[str], nginx_main: str
) -> SourceClosure:
    """What will be changed, merged with what an interrupted attempt has changed already."""
    units = [*plan.application.workers, *plan.application.pack]
    # One that crashes again and again, or is about to be started again, runs too.
    running = [unit for unit, state in zip(units, ask(source, states(*units)), strict=True) if state not in _STOPPED]
    files = [str(file) for file in plan.application.cron if source.file(str(file)).exists]
    logins = dict.fromkeys(held_roles, True)
    subscriptions = [name for name, enabled in ask(db, SUBSCRIPTIONS).items() if enabled]
    rules = fence.rules_file(source, db)
    if not run.has(SourceClosure):
        refuse_foreign_closure(source, run)
        return SourceClosure(
            logins=logins, stopped_units=running, held_files=files, closed=now(), hba_file=rules,
            subscriptions=subscriptions, enabled_units=_enabled(run), nginx_main=nginx_main,
        )  # fmt: skip
    first = run.records(SourceClosure)
    return first.model_copy(
        update={
            "logins": {**logins, **first.logins},
            "stopped_units": [u for u in units if u in {*running, *first.stopped_units}],
            "held_files": sorted({*files, *first.held_files}),
            "hba_file": first.hba_file or rules,
            "nginx_main": first.nginx_main or nginx_main,
            "subscriptions": sorted({*subscriptions, *first.subscriptions}),
        }
    )


def _enabled(run: Run) -> list[str]:
    """The plan's units that started at boot when production was surveyed."""
    return [unit for unit, was in run.records(Survey).units.items() if was]


def _standstill(plan: Plan, source: Host, db: Database) -> Standstill:
    """What production stands at from now on; raises `StepFailed` when its counters do not come to rest.

    What ended sessions did may be counted a moment after they are gone.
    """
    deadline = time.monotonic() + fence.PATIENCE
    before, counters = ask(db, COUNTERS), _later(db)
    while moves := standstill.moved(before, counters):
        if time.monotonic() > deadline:
            raise StepFailed(
                f"what {plan.database.name} counts of writes, on production",
                expected="the same twice, once everybody is fenced off",
                found="; ".join(moves),
                remedy="find the writer (pg_stat_activity on production) and stop it, then run the same command again",
            )
        before, counters = counters, _later(db)
    changes = ask_all(source, {str(upload.path): newest(str(upload.path)) for upload in plan.files})
    return Standstill(counters=counters, uploads={path: moment for path, (moment, _) in changes.items()})


def _later(db: Database) -> Counters:
    time.sleep(_SETTLING)
    return ask(db, COUNTERS)


def refuse_foreign_closure(source: Host, run: Run) -> None:
    """Raise `Refused` where another run has closed production, and it was not opened again."""
    owner = closed_by(source)
    if owner not in ("", run.name):
        raise Refused(
            f"{CLOSURE} on the source",
            expected="production that no run has closed",
            found=f"closed by {owner}",
            remedy="back that run out first: `gonogo back-out` with its plan, or `gonogo back-out --from-source "
            f"{source.address}` where its directory is lost; nothing was changed by {run.name}",
        )


def closed_by(source: Host) -> str:
    """The run that has closed production, as production says itself; "" where it is open, or says nothing."""
    text = ask(source, files.text(str(CLOSURE)))
    try:
        return str(json.loads(text).get("run", "another run")) if text else ""
    except (ValueError, AttributeError):
        return "a run that the damaged file does not name"


def at_work(host: Host, plan: Plan) -> bool:
    """Whether the pack works on requests: whether anybody is connected to it."""
    listeners = plan.application.listeners
    ports = " or ".join(f"sport = :{one.at}" for one in listeners if not one.is_socket)
    sockets = {one.name for one in listeners if one.is_socket}
    if ports and host.check(["ss", "-Htn", "state", "established", f"( {ports} )"]).strip():
        return True
    # ss would take a path for a pattern. Who connects has no path, what was accepted has that of the listening socket.
    found = host.check(["ss", "-Hxn", "state", "established"]) if sockets else ""
    return any(line.split()[3] in sockets for line in found.splitlines())


def drain(host: Host, plan: Plan) -> None:
    """Wait until the requests that had begun are answered, for `cutover.drain_seconds` at most."""
    deadline = time.monotonic() + plan.cutover.drain_seconds
    while time.monotonic() < deadline and at_work(host, plan):
        time.sleep(0.2)


def hold_units(host: Host, plan: Plan) -> None:
    """Stop workers and pack and take them out of the boot, and move cron files aside."""
    for file in plan.application.cron:
        host.check([*_ASIDE, str(file), str(held(file))])
    if plan.application.workers:
        host.check(["systemctl", "stop", "--", *plan.application.workers], timeout=180)
    stop_pack(host, plan)
    host.check(["systemctl", "disable", "--quiet", "--", *plan.application.workers, *plan.application.pack])


def release_units(host: Host, plan: Plan, closure: SourceClosure) -> None:
    """Undo `hold_units`: what ran runs, what started at boot starts at boot, cron files are in place.

    Raises `StepFailed` where a unit does not start, once all others were told to.
    """
    failed: list[StepFailed] = []
    in_order = [*plan.application.pack, *plan.application.workers]
    if closure.enabled_units:
        host.check(["systemctl", "enable", "--quiet", "--", *closure.enabled_units])
    # A socket that begins after its own service would be refused.
    for unit in sorted(closure.stopped_units, key=lambda unit: in_order.index(unit) if unit in in_order else -1):
        try:
            host.check(["systemctl", "start", "--", unit], timeout=AT_MOST)
        except StepFailed as error:
            failed.append(error)
    for file in map(PurePosixPath, closure.held_files):
        host.check([*_BACK, str(file), str(held(file))])
    if failed:
        raise failed[0]


@step(
    needs=["source_closed", "final_data_copied", "final_files_copied", "final_redis_copied", "smoke_tested"],
    gives=["target_open"],
    resumes=["source_closed"],
    once=TargetOpened,
    writes_to_source="a note that the target was opened",
)
def open_target(plan: Plan, run: Run, target: Host, open_source: Host, cloud: Cloud) -> None:
    """Note that the target is open, end its quarantine, and let users in."""
    _refuse_reopened_source(open_source, run)
    # Before anything else: whoever has production alone must know that the target may hold what production lacks.
    open_source.write_file(
        str(OPENED_ELSEWHERE), f"{now():%Y-%m-%d %H:%M} UTC, {run.records(TargetFacts).public_address}\n"
    )
    mark_open(run, target, run.records(TargetFacts).instance_id)
    quarantine.lift(target, plan)
    firewall.set_ingress(cloud, plan, ingress.when_open(plan))


def _refuse_reopened_source(source: Host, run: Run) -> None:
    """Raise `Refused` where production does not say itself that this run has closed it: somebody may have opened it again."""
    owner = closed_by(source)
    if owner != run.name:
        raise Refused(
            f"{CLOSURE} on the source",
            expected=f"closed by {run.name}",
            found=f"closed by {owner or 'nobody'}",
            remedy="the target stays closed: find out who opened production (`gonogo back-out --from-source`?), then back this run out",
        )


def mark_open(run: Run, target: Host, instance_id: str) -> None:
    """Say in the run, in its journal and on the target that from now on the target may hold what production lacks."""
    if not run.has(Opening):
        run.record(Opening(instance_id=instance_id))
    if not run.happened(TargetOpened):
        run.journal(TargetOpened(instance=instance_id))
    target.write_file(str(OPENED), f"{run.name}\n")
