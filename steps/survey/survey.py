"""The walk through the current environment: what production is, recorded once and compared with ever after."""

from fixtures.connect.database import Database
from fixtures.connect.host import Host
from fixtures.errors import StepFailed
from fixtures.facts import facts, likeness
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run
from steps.step import step


@step(needs=[], gives=["source_surveyed"], harmless=True)
def survey_source(plan: Plan, run: Run, source: Host, source_db: Database) -> None:
    """Record what production is: its database, Ruby, gems, release, settings, files and units."""
    bundle = facts.bundle(source, plan)
    if bundle.bundle is not None:
        raise StepFailed(
            "the application's bundle on the source",
            expected="complete: it is what the target is compared with",
            found=bundle.bundle,
            remedy="see `bundle check` in the release on the source",
        )
    encoding, collation, ctype = source_db.rows(
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = %s",
        (plan.database.name,),
    )[0]
    extensions = source_db.rows("SELECT extname, extversion FROM pg_extension ORDER BY extname")
    units = [*plan.application.pack, *plan.application.workers]
    run.record(
        Survey(
            machine_id=source.read_file("/etc/machine-id").strip(),
            system_identifier=source_db.identity(),
            server_version=str(source_db.value("SHOW server_version")),
            encoding=encoding,
            collation=collation,
            ctype=ctype,
            tables=facts.tables(source_db),
            sequences=facts.sequences(source_db),
            extensions={str(name): str(version) for name, version in extensions},
            ruby=source.check(facts.as_application(plan, ["ruby", "-e", "print RUBY_VERSION"])),
            gems={name: gem.version for name, gem in bundle.gems.items()},
            features={name: gem.feature for name, gem in bundle.gems.items()},
            release=facts.release(source, plan),
            release_digest=facts.release_digest(source, plan),
            environment=facts.settings(source, plan),
            time_zone=facts.time_zone(source),
            files={str(upload.path): facts.count_files(source, str(upload.path)) for upload in plan.files},
            units=facts.enabled(source, units),
            facts=likeness.read(source, source_db, likeness.Subject.of(plan)),
        )
    )
