"""The walk through the current environment: what production is, recorded once and compared with ever after."""

from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.connect.web import Web
from fixtures.errors import StepFailed
from fixtures.facts import bundle as bundles
from fixtures.facts import catalogue, files, likeness, machine, pack, release, server, units
from fixtures.facts.fact import ask
from fixtures.facts.network import at_source
from fixtures.plan import Plan
from fixtures.run.records import Answered, Survey
from fixtures.run.run import Run
from steps.engine import guards
from steps.step import step


@step(needs=[], gives=["source_surveyed"], harmless=True, changes_checks=True)
def survey_source(plan: Plan, run: Run, source: Host, source_db: Database, web: Web) -> None:
    """Record what production is: its database, Ruby, gems, release, settings, files and units."""
    if run.has(Survey):  # an edited plan has it made anew, and may lead elsewhere
        guards.prove_source(source, run, source_db)
    bundle = ask(source, bundles.bundle(plan))
    if bundle.bundle is not None:
        raise StepFailed(
            "the application's bundle on the source",
            expected="complete: it is what the target is compared with",
            found=bundle.bundle,
            remedy=f"run `bundle check` in {plan.application.current} on the source, mend what it names, then run again",
        )
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
            ruby=ask(source, bundles.ruby(bundles.as_application(plan, ["ruby"]))),
            gems={name: gem.version for name, gem in bundle.gems.items()},
            features={name: gem.feature for name, gem in bundle.gems.items()},
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
