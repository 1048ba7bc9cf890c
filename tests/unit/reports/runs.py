"""Run directories made by hand, and what is looked at in a report."""

from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

from pydantic import TypeAdapter

from fixtures.run.evidence import FORMAT, CheckResult, GateResult, Occasion, Problem, Terms, Verdict
from fixtures.run.journal import Entry
from fixtures.run.records import (
    DataCopy,
    DnsBefore,
    FileCount,
    FilesCopy,
    Opening,
    Record,
    SourceClosure,
    TableCopy,
    TargetFacts,
)
from reports import signoff, stored
from reports.models import SignOff

BEGIN = datetime(2026, 11, 23, 1, 40, 0, tzinfo=UTC)
GO, NO_GO, WAIVED, UNSURE = Verdict.GO, Verdict.NO_GO, Verdict.WAIVED, Verdict.COULD_NOT_VERIFY
PLAN = """
name = "smallpayroll"
[operator]
name = "Olga Operator"
contact = "support@smallpayroll.test"
[source]
address = "production.smallpayroll.test"
public_address = "198.51.100.10"
[web]
hostnames = ["app.smallpayroll.test"]
[dns]
ttl = 60
[cutover]
outage_minutes = 60
"""
TABLES = {
    "public.bank_accounts": 1204, "public.companies": 40, "public.company_totals": 40, "public.departments": 212,
    "public.documents": 512, "public.employees": 1204, "public.jobs": 96, "public.pay_periods": 960,
    "public.payslip_lines": 168_560, "public.payslips": 28_896, "public.schema_migrations": 14, "public.sessions": 310,
    "public.tax_tables": 420, "public.timesheets": 23_219, "public.users": 41, "public.ar_internal_metadata": 3,
}  # fmt: skip
STEPS: list[tuple[str, str, float]] = [
    ("survey_source", "source_surveyed", 2.4), ("publish_notice", "notice_published", 1.2), ("create_key_pair", "key_pair_present", 0.6),
    ("open_firewall", "firewall_ready", 0.8), ("launch_instance", "instance_running", 9.2),
    ("pin_host_key", "ssh_ready", 3.1), ("mount_data_volume", "data_mounted", 2.2), ("install_runtimes", "runtime_installed", 21),
    ("install_postgresql", "database_installed", 17), ("move_data_to_mount", "data_on_mnt", 4.5),
    ("require_passwords", "passwords_required", 1.3), ("create_role_and_database", "database_created", 1.1),
    ("hold_target", "target_quarantined", 1.4), ("copy_release", "release_copied", 2.8),
    ("bring_dependencies", "dependencies_installed", 14), ("configure_pack", "pack_configured", 1.2),
    ("configure_nginx", "web_configured", 5.4), ("copy_database", "data_copied", 6.6), ("copy_uploads", "files_copied", 1.9),
    ("start_application", "application_running", 4.0), ("rehearse", "rehearsed", 0.2), ("write_checklist", "night_prepared", 0.3), ("lower_ttl", "ttl_lowered", 1.5),
    ("close_source", "source_closed", 2.2), ("stop_target_application", "target_stopped", 0.9),
    ("copy_database_again", "final_data_copied", 6.1), ("copy_uploads_again", "final_files_copied", 0.8),
    ("start_application_again", "smoke_tested", 3.5), ("open_target", "target_open", 1.1), ("change_dns", "dns_changed", 0.9),
    ("accept", "accepted", 2.0),
]  # fmt: skip
NO_ROW = Problem(
    subject="table public.payslips", expected="28896 rows, as the copy's snapshot held", found="28895 rows",
    remedy="run `gonogo run` again: it copies the database anew",
)  # fmt: skip
TERMS = Terms(who="Petra Approver", until=date(2026, 12, 24), reason="the old host cannot serve it either")
ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)


def wrong(found: str) -> Problem:
    return Problem(subject="the subject", expected="another thing", found=found, remedy="mend it")


class Made:
    """A run's directory written as the executor writes it, with a clock of its own."""

    def __init__(self, directory: Path, plan: str = PLAN) -> None:
        self.directory = directory
        self.now = BEGIN
        self.number = 0
        (directory / "gates").mkdir(parents=True)
        (directory / "records").mkdir()
        (directory / "format").write_text(f"{FORMAT}\n")
        (directory / "plan.toml").write_text(plan, encoding="utf-8")

    def journal(self, kind: str, step: str = "", **fields: object) -> None:
        entry = ENTRY.validate_python({"kind": kind, "at": self.now, **({"step": step} if step else {}), **fields})
        with (self.directory / "journal.jsonl").open("a", encoding="utf-8") as file:
            file.write(entry.model_dump_json() + "\n")

    def record(self, record: Record) -> None:
        (self.directory / "records" / record.file).write_text(record.model_dump_json(), encoding="utf-8")

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def checks(self, state: str, verdict: Verdict = GO, problem: Problem | None = None) -> list[CheckResult]:
        file = f"checks/check_{state}.py"
        names: list[tuple[str, dict[str, str]]] = [("check_it_is_there", {}), ("check_it_lasts", {})]
        if state in ("data_copied", "final_data_copied"):
            names = [("check_rows", {"table": table}) for table in TABLES]
        made = [
            CheckResult(
                id=f"{file}::{function}" + "".join(f"[{value}]" for value in parameters.values()), states=[state],
                claim=f"{state.replace('_', ' ').capitalize()}, and a reader can rely on it.", function=function,
                parameters=parameters, file=file, line=17 + number, outcome=GO, seconds=0.21,
            )
            for number, (function, parameters) in enumerate(names)
        ]  # fmt: skip
        bad = made[9 % len(made)]
        bad.outcome, bad.problem, bad.waiver = verdict, problem, TERMS if verdict is WAIVED else None
        return made

    def gate(self, states: list[str], results: list[CheckResult], verdict: Verdict, reason: str = "", *, step: str = "",
             occasion: Occasion = Occasion.AFTER, same: bool = False, seconds: float = 0.8,
             own: str = "") -> None:  # fmt: skip
        self.number += not same
        said = {"number": self.number, "states": states, "occasion": occasion, "step": step, "verdict": verdict}
        result = GateResult.model_validate({
            **said, "covers": states, "reason": reason, "started": self.now,
            "finished": self.now + timedelta(seconds=seconds), "results": results, "catalogue": "ab" * 32, "own": own,
        })  # fmt: skip
        self.wait(seconds)
        name = f"{self.number:04d}-{occasion.name.lower()}-{'+'.join(states)}"
        (self.directory / "gates" / f"{name}.json").write_text(result.model_dump_json(), encoding="utf-8")
        self.journal("gate", reason=reason, **said)

    def ahead(self, name: str, previous: str, gives: str) -> None:
        """The gate before a step, and what the step gives, asked ahead of it in the same process."""
        if previous:
            self.gate([previous], self.checks(previous), GO, step=name, occasion=Occasion.NEEDED)
        self.gate([gives], self.checks(gives, NO_GO, wrong("not there yet")), NO_GO, step=name,
                  occasion=Occasion.GIVEN_BEFORE, same=bool(previous), seconds=0.1)  # fmt: skip

    def begin(self) -> None:
        self.journal("run_started", plan="f" * 64)
        self.journal("catalogue", checks=153, sha256="ab" * 32)

    def step(self, name: str, previous: str, gives: str, seconds: float) -> None:
        self.ahead(name, previous, gives)
        self.journal("step_started", step=name)
        self.wait(seconds)
        self.events(name)
        self.gate([gives], self.checks(gives), GO, step=name)
        self.journal("step_finished", step=name)

    def events(self, name: str) -> None:
        """What some steps note and record while they run."""
        if name == "launch_instance":
            self.record(TargetFacts(
                instance_id="i-0c9d7e21b3a4f5d68", private_address="10.77.0.11", public_address="198.51.100.100",
                allocation_id="eipalloc-1", volume_id="vol-1", security_group_id="sg-1", recorded=self.now,
            ))  # fmt: skip
        elif name in ("copy_database", "copy_database_again"):
            tables = {t: TableCopy(rows=n, digest=str(n * 982_451_653 * 2_147_483_629)) for t, n in TABLES.items()}
            self.record(DataCopy(
                final=name.endswith("again"), snapshot="00000003-0000001B-1", source_identifier="7439182200011",
                target_identifier="7439182209912", tables=tables, sequences={"public.payslips_id_seq": (28_896, True)}, sequences_after={"public.payslips_id_seq": (28_896, True)},
                large_objects=1, seconds=5.2, recorded=self.now,
            ))  # fmt: skip
        elif name in ("copy_uploads", "copy_uploads_again"):
            uploads = "/home/payroll/shared/uploads"
            self.record(FilesCopy(
                final=name.endswith("again"), manifests={uploads: "c0ffee" * 10 + "beef"},
                counts={uploads: FileCount(files=512, links=3, bytes=48_123_456)}, seconds=0.7, recorded=self.now,
            ))  # fmt: skip
        elif name == "lower_ttl":
            record = "app.smallpayroll.test A"
            self.record(DnsBefore(records={record: ["198.51.100.10"]}, ttls={record: 3600}, recorded=self.now))
        elif name == "close_source":
            self.journal("source_closed")
            self.record(SourceClosure(logins={"payroll": True}, stopped_units=[], held_files=[], closed=self.now))
            self.journal("source_shut")
        elif name == "open_target":
            self.journal("target_open")
            self.record(Opening(instance_id="i-0c9d7e21b3a4f5d68"))
        elif name == "change_dns":
            self.journal("dns_changed", records={"app.smallpayroll.test A": "198.51.100.100"})
        elif name == "accept":
            self.journal("accepted")

    def walk(self, until: str = "accepted") -> str:
        """All steps up to and with the one that gives `until`; the state reached."""
        self.begin()
        previous = ""
        for name, gives, seconds in STEPS:
            if name == "close_source":
                self.wait(5 * 3600)  # the announced window
            self.step(name, previous, gives, seconds)
            previous = gives
            if gives == until:
                break
        return previous

    def sign(self, later: float = 3600, *, ended: bool = False) -> SignOff:
        return signoff.build(stored.read(self.directory), self.now + timedelta(seconds=later), ended=ended)


class Links(HTMLParser):
    """What a page could fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if tag in ("script", "link", "img", "iframe", "object", "embed", "base", "form") or {"src", "href"} & set(
            names
        ):
            self.found.append(tag)
        self.found += [name for name in names if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def look(text: str) -> Links:
    parser = Links()
    parser.feed(text)
    return parser


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")
