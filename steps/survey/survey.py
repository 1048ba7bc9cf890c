"""The walk through the current environment: what production is, recorded once and compared with ever after."""

from typing import Any

from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.connect.web import Web
from fixtures.errors import Refused, StepFailed
from fixtures.facts import catalogue, files, likeness, machine, pack, release, runtimes, server, units
from fixtures.facts.fact import ask
from fixtures.facts.network import at_source
from fixtures.facts.runtimes.seam import OfPlan, of_directory
from fixtures.plan import Plan
from fixtures.run.records import Answered, Dependency, Said, Survey, SurveyedRuntime
from fixtures.run.run import Run
from steps.engine import guards
from steps.step import step


@step(needs=[], gives=["source_surveyed"], harmless=True, changes_checks=True)
def survey_source(plan: Plan, run: Run, source: Host, source_db: Database, web: Web) -> None:
    """Record what production is: its database, runtimes and what they load, release, settings, files and units."""
    if run.has(Survey):  # an edited plan has it made anew, and may lead elsewhere
        guards.prove_source(source, run, source_db)
    found = {name: _runtime(source, one) for name, one in runtimes.all_of(plan).items()}
    servers = plan.application.servers
    locale = ask(source_db, server.LOCALES)[plan.database.name]
    run.record(
        Survey(
            machine_id=ask(source, machine.MACHINE_ID),
            system_identifier=source_db.identity(),
            server_version=ask(source_db, server.setting("server_version")),
            encoding=locale.encoding,
            collation=locale.collation,
            ctype=locale.ctype,
            tables=ask(source_db, catalogue.TABLES),
            sequences=ask(source_db, catalogue.SEQUENCES),
            extensions=ask(source_db, catalogue.EXTENSIONS),
            platform=ask(source, machine.PLATFORM),
            runtimes=found,
            said=_said(plan, source, source_db),
            release=ask(source, files.real(str(plan.application.current))),
            release_packages=ask(source, release.packaged(plan)).packages,
            release_digest=ask(source, release.digest(plan)),
            environment=ask(source, release.settings(plan)),
            secret_files=_secret(plan, source),
            time_zone=ask(source, machine.TIME_ZONE),
            files={str(upload.path): ask(source, files.count(str(upload.path))) for upload in plan.files},
            unit_users={unit: ask(source, units.shown(unit, "User")).get("User", "") for unit in plan.application.pack},
            ready_seconds={one.unit: ask(source, units.took_to_start(one.unit, *one.sockets)) for one in servers},
            health={name: ask(web, at_source(plan, plan.health_page, host=name)).status for name in plan.web.hostnames},
            answers=_answers(plan, source),
            units=ask(source, units.enabled(*plan.application.pack, *plan.application.workers)),
            facts=likeness.read(source, source_db, likeness.Subject.of(plan)),
        )
    )


def _secret(plan: Plan, source: Host) -> list[str]:
    """Files that hold settings and secrets: of the further ones those that a user who has no business there cannot read."""
    further = [*map(str, plan.application.also_copy)]
    open_ones = ask(source, files.readable(files.NOBODY, *further))
    return [*map(str, plan.application.environment_files), *(path for path in further if path not in open_ones)]


def _answers(plan: Plan, source: Host) -> dict[str, Answered]:
    """What every listener of the pack answers."""
    name = ask(source, machine.HOSTNAME)
    found = {one.name: ask(source, pack.health(one, plan)) for one in plan.application.listeners}
    return {
        at: Answered(status=answer.status, own_name=sorted(key for key, value in answer.facts.items() if value == name))
        for at, answer in found.items()
    }


def _runtime(source: Host, runtime: OfPlan[Any]) -> SurveyedRuntime:
    """A runtime on production. What does not load there is not demanded of the target; what is not whole is refused."""
    version, settings = ask(source, runtime.version()), runtime.settings()
    wanted = runtime.part.version.split(".")
    if runtime.part.bring == "as_is" and version.split(".")[: len(wanted)] != wanted:
        raise Refused(
            f"{runtime.name} on production",
            expected=f"{runtime.part.version}, as the plan says: what was built for another one cannot be taken as it is",
            found=version,
            remedy='correct version in its [[runtime]], or say bring = "index" there; nothing was changed',
        )
    found = ask(source, runtime.dependencies())
    if found.broken is not None:
        raise StepFailed(
            f"what the application asks of {runtime.name} on the source",
            expected="complete: it is what the target is compared with",
            found=found.broken,
            remedy="mend what it names on the source, then run again",
        )
    as_is = runtime.directory if runtime.part.bring == "as_is" else None
    return SurveyedRuntime(
        version=version,
        dependencies={
            name: Dependency(version=one.version, digest=one.digest, loads=one.loads, origin=one.origin)
            for name, one in found.present.items()
        },
        settings=ask(source, settings) if settings else {},
        directory=ask(source, of_directory(as_is)) if as_is else "",
    )


def _said(plan: Plan, source: Host, source_db: Database) -> dict[str, Said]:
    """What the plan's framework says on production, with the versions that its own account there holds."""
    framework = runtimes.framework(plan)
    if framework is None:
        return {}
    said = ask(source, framework.said())
    if framework.ledger:
        said = said.model_copy(update={"applied": ask(source_db, framework.recorded())})
    return {framework.name: said}
