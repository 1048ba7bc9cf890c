"""The application on the target: started, tried, stopped, started again."""

import logging

from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.connect.web import Web
from fixtures.facts import parity
from fixtures.facts.fact import ask, ask_all
from fixtures.plan import Plan
from fixtures.run.records import BeforeJourneys, DataCopy, RehearsalReady, ResponseTimes, TargetFacts
from fixtures.run.run import Run
from fixtures.sameness.proofs import before_journeys, databases_open, rows_of, sequences_of
from steps.build.pack import enable
from steps.rehearse import sampling
from steps.rehearse.readiness import await_pack, await_site, limit_of
from steps.step import step

log = logging.getLogger(__name__)


@step(
    needs=[
        "data_copied",
        "redis_copied",
        "files_copied",
        "passwords_required",
        "pack_configured",
        "web_configured",
        "build_finished",
        "target_quarantined",
    ],
    gives=["application_running"],
    harmless=True,
)
def start_application(plan: Plan, run: Run, target: Host, target_db: Database, web: Web) -> None:
    """Start the pack and nginx; workers and cron stay held."""
    note_what_journeys_write(plan, run, target_db)
    start_pack(target, plan, run)
    await_site(plan, run.records(TargetFacts).public_address, web, limit_of(run))


@step(needs=["application_running", "pages_sampled"], gives=["rehearsed"])
def rehearse(plan: Plan, run: Run, web: Web) -> None:
    """Try the target under production's name: pages that must be equal, and their times; the checks do the judging."""
    facts = run.records(TargetFacts)
    sampling.ask_again(plan, run, web)
    hosts = {"source": str(plan.source.public_address), "target": facts.public_address}
    times = parity.measure(web, hosts, plan.smoke, plan.web.pages or [plan.health_page], plan.parity)
    run.record(ResponseTimes(source=times["source"], target=times["target"]))
    run.record(RehearsalReady(instance_id=facts.instance_id, snapshot=run.records(DataCopy).snapshot))


@step(needs=["source_closed"], gives=["target_stopped"])
def stop_target_application(plan: Plan, target: Host) -> None:
    """Stop the target's pack, so that nothing reads or writes while it is filled."""
    stop_pack(target, plan)


@step(
    needs=["source_closed", "final_data_copied", "final_files_copied", "final_redis_copied", "target_quarantined"],
    gives=["smoke_tested"],
)
def start_application_again(plan: Plan, run: Run, target: Host, target_db: Database, web: Web) -> None:
    """Start the pack on closed production's data; workers and cron stay held until the target opens."""
    note_what_journeys_write(plan, run, target_db)
    start_pack(target, plan, run)
    await_site(plan, run.records(TargetFacts).public_address, web, limit_of(run))


def note_what_journeys_write(plan: Plan, run: Run, target_db: Database) -> None:
    """Record what the target holds of the tables that a login or a journey may write to, while none was made on this copy.

    That is what checks compare with production from now on. Of a table that is noted already nothing is read again.
    """
    copied, before = run.records(DataCopy), before_journeys(run)
    noted = dict(before.tables) if before else {}
    new = tuple(table for table in plan.written_by_journeys if table not in noted)
    sequences = dict(before.sequences) if before else {}
    if new:
        with databases_open(log.info):
            found = ask_all(target_db, {table: rows_of(plan, run, table) for table in new})
            sequences |= ask(target_db, sequences_of(plan, run, new))
        noted |= {table: rows.copy for table, rows in found.items() if rows}
    run.record(BeforeJourneys(snapshot=copied.snapshot, tables=noted, sequences=sequences))


def start_pack(host: Host, plan: Plan, run: Run) -> None:
    """Start the application servers and nginx, enabled at boot, and wait for them; those that failed before get a fresh start."""
    units = plan.application.pack
    host.check(["sh", "-c", 'systemctl reset-failed -- "$@" 2>/dev/null || true', "reset", *units])
    enable(host, plan, run)
    host.check(["systemctl", "enable", "--quiet", "--", "nginx.service"])
    host.check(["systemctl", "start", "--no-block", "--", *units])
    host.check(["systemctl", "start", "--", "nginx.service"], timeout=180)
    await_pack(host, plan, run)


def stop_pack_if_there(target: Host, plan: Plan) -> bool:
    """Stop the pack where it was installed already; whether it was."""
    there = all(target.succeeds(["systemctl", "cat", "--", unit]) for unit in plan.application.pack)
    if there:
        stop_pack(target, plan)
    return there


def stop_pack(host: Host, plan: Plan) -> None:
    """Stop the application servers; each finishes the requests it has begun."""
    host.check(["systemctl", "stop", "--", *plan.application.pack], timeout=180)
