"""The reports, from run directories made by hand: what each kind of ending looks like, and that nothing is trusted."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml
from pydantic import TypeAdapter

from fixtures import states as all_states
from fixtures.run import journal
from fixtures.run.evidence import FORMAT, PASS, CheckResult, GateResult, Occasion, Problem, Terms, Verdict
from fixtures.run.journal import Entry
from fixtures.run.records import (
    Attested,
    Checklist,
    DataCopy,
    DnsBefore,
    FileCount,
    FilesCopy,
    Opening,
    PagePrint,
    PagesReplayed,
    Record,
    ReplayedPage,
    ResponseTimes,
    SignedRisk,
    SourceClosure,
    TableCopy,
    TargetFacts,
    Times,
    Users,
)
from reports import __main__ as reports_main
from reports import history, junit, page, sentences, signoff, stored, timeline, words
from reports.models import Outcome, SignOff, Status

ROOT = Path(__file__).resolve().parents[2]
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
    ("pin_host_key", "ssh_ready", 3.1), ("mount_data_volume", "data_mounted", 2.2), ("install_ruby", "ruby_installed", 21),
    ("install_postgresql", "database_installed", 17), ("move_data_to_mount", "data_on_mnt", 4.5),
    ("require_passwords", "passwords_required", 1.3), ("create_role_and_database", "database_created", 1.1),
    ("hold_target", "target_quarantined", 1.4), ("copy_release", "release_copied", 2.8),
    ("install_gems", "gems_installed", 14), ("configure_pack", "pack_configured", 1.2),
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
             occasion: Occasion = Occasion.AFTER, same: bool = False, seconds: float = 0.8) -> None:  # fmt: skip
        self.number += not same
        said = {"number": self.number, "states": states, "occasion": occasion, "step": step, "verdict": verdict}
        result = GateResult.model_validate({
            **said, "covers": states, "reason": reason, "started": self.now,
            "finished": self.now + timedelta(seconds=seconds), "results": results, "catalogue": "ab" * 32,
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


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "20261123T014000Z-smallpayroll")


class _Links(HTMLParser):
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


def look(text: str) -> _Links:
    parser = _Links()
    parser.feed(text)
    return parser


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


# --- how runs end -------------------------------------------------------------------------------------------------------


def test_an_accepted_run_says_so_in_one_sentence(made: Made) -> None:
    made.walk()
    sign = made.sign()
    assert sign.status is Status.ACCEPTED
    assert plain(sign.sentence) == (
        "Accepted: app.smallpayroll.test runs on i-0c9d7e21b3a4f5d68 since 2026-11-23 06:42 UTC; outage 24 s; "
        "225 731 rows in 16 tables proven equal; 512 files."
    )
    assert sum(TABLES.values()) == 225_731
    assert (sign.troubles, sign.next, sign.standing, sign.unreadable) == ([], [], "", [])
    assert {step.outcome for step in sign.steps} == {Outcome.FINISHED}
    assert len(sign.steps) == len(STEPS)
    assert {state.verdict for state in sign.states} == {GO}
    assert sign.data
    assert {table.verdict for table in sign.data.tables} == {GO}
    assert sign.dns[0].model_dump() == {
        "record": "app.smallpayroll.test A", "before": ["198.51.100.10"], "ttl": 3600, "after": "198.51.100.100",
    }  # fmt: skip
    assert "Raise the DNS records' TTL again, before the move it was 3600 s." in sign.not_done


def test_what_users_measured_goes_before_the_journals_own_moments(made: Made) -> None:
    made.walk()
    made.record(Users(write_gap_seconds=13.4, outage_seconds=14.2, acknowledged=812, lost=[], served_by_target=77))
    sign = made.sign()
    assert "outage 14 s" in plain(sign.sentence)
    assert sign.outage
    assert sign.outage.measured
    text = plain(look(page.html(sign)).text)
    assert "13 s, from the last accepted write on the source to the first on the target" in text
    assert "812 acknowledged, 0 lost" in text


def test_response_times_stand_beside_the_old_hosts(made: Made) -> None:
    made.walk()
    before = made.sign()
    assert before.speed == []
    assert "Performance not compared yet" in [risk.name for risk in before.risks]
    old, new = Times(n=40, p50=21.4, p95=80), Times(n=40, p50=18, p95=77)
    made.record(ResponseTimes(source=old, target=new, accepted=Times(n=40, p50=19, p95=91)))
    sign = made.sign()
    assert [(row.host, row.p95) for row in sign.speed] == [
        ("old host", 80), ("target, rehearsed", 77), ("target, in use", 91),
    ]  # fmt: skip
    assert "Performance not compared yet" not in [risk.name for risk in sign.risks]
    assert "| target, in use | 40 | 19 ms | 91 ms |" in page.markdown(sign)


def test_pages_that_production_changed_itself_are_named(made: Made) -> None:
    made.walk()
    assert made.sign().pages is None
    shown = PagePrint(status=200, headers={}, length=1, sha256="", lines="")
    rests, moves = (
        ReplayedPage(kind="sampled", method="GET", url=url, print=shown) for url in ("/rests", "/moves?a=<b>")
    )
    made.record(PagesReplayed(sampled=BEGIN, pages=[rests], changed=[moves, moves]))
    sign = made.sign()
    assert (sign.pages.compared, sign.pages.changed) == (1, ["/moves?a=<b>"])
    assert "nothing is claimed of them: /moves?a=&lt;b\\>." in page.markdown(sign)
    assert "/moves?a=&lt;b&gt;" in page.html(sign)


def test_a_lost_write_is_no_go_whatever_the_gates_said(made: Made) -> None:
    made.walk()
    made.record(Users(write_gap_seconds=1, outage_seconds=1, acknowledged=9, lost=["timesheet 81"], served_by_target=1))
    sign = made.sign()
    assert sign.status is Status.NO_GO
    assert sign.troubles[0].problem.found == "1 lost: timesheet 81"


def test_accepted_needs_the_gate_beside_the_journals_word(made: Made) -> None:
    made.walk("dns_changed")
    made.journal("accepted")
    sign = made.sign()
    assert sign.status is Status.COULD_NOT_VERIFY
    assert sign.troubles[0].problem.found == "the journal says so, and no gate does"


def test_a_gate_after_acceptance_can_take_it_back(made: Made) -> None:
    made.walk()
    made.gate(["accepted"], made.checks("accepted", NO_GO, wrong("the hosts entry is back")), NO_GO)
    assert made.sign().status is Status.NO_GO


def test_a_no_go_is_named_first_with_its_four_parts(made: Made) -> None:
    made.walk("target_stopped")
    made.ahead("copy_database_again", "target_stopped", "final_data_copied")
    made.journal("step_started", "copy_database_again")
    made.wait(6)
    made.events("copy_database_again")
    made.gate(["final_data_copied"], made.checks("final_data_copied", NO_GO, NO_ROW), NO_GO)
    made.journal("step_failed", "copy_database_again", problem=wrong("no-go"))
    sign = made.sign(later=600)
    assert sign.status is Status.NO_GO
    assert plain(sign.sentence) == (
        "No-go: table public.payslips: expected 28896 rows, as the copy's snapshot held, found 28895 rows."
    )
    found = sign.troubles[0].problem
    assert (found.subject, found.found) == ("table public.payslips", "28895 rows")
    assert found.expected.startswith("28896 rows")
    assert found.remedy.startswith("run `gonogo run` again")
    assert sign.standing.startswith("Production has been closed since")
    assert any(
        "49 min" in plain(line) and "of the outage budget of 60 min were left" in plain(line) for line in sign.next
    )
    assert sign.data
    assert not sign.data.proven
    assert {t.name: t.verdict for t in sign.data.tables}["public.payslips"] is NO_GO
    assert {t.name: t.verdict for t in sign.data.tables}["public.users"] is GO
    text = look(page.html(sign)).text
    assert text.index("28895 rows") < text.index("Timeline")
    assert "proven equal" not in plain(sign.sentence)


def test_could_not_verify_names_the_reason_of_the_whole_gate(made: Made) -> None:
    made.walk("ruby_installed")
    made.gate(
        ["ruby_installed"], made.checks("ruby_installed")[:1], UNSURE, "1 of 2 checks did not run: check_it_lasts"
    )
    sign = made.sign()
    assert sign.status is Status.COULD_NOT_VERIFY
    assert "1 of 2 checks did not run" in sign.troubles[0].problem.found
    assert {s.name: s.verdict for s in sign.states}["ruby_installed"] is UNSURE


def test_a_failed_step_says_what_failed(made: Made) -> None:
    made.walk("data_mounted")
    made.ahead("install_ruby", "data_mounted", "ruby_installed")
    made.journal("step_started", "install_ruby")
    made.wait(3)
    problem = Problem(
        subject="apt on the target",
        expected="to install ruby",
        found="No space left on device",
        remedy="enlarge the disk",
    )
    made.journal("step_failed", "install_ruby", problem=problem)
    sign = made.sign()
    assert sign.status is Status.FAILED
    assert (
        sign.sentence
        == "Failed in the step install_ruby: apt on the target: expected to install ruby, found No space left on device."
    )
    assert sign.troubles[0].problem.found == "No space left on device"
    assert sign.standing == "Production is open on the old host, as before."


def test_a_crash_in_the_middle_with_a_cut_line(made: Made) -> None:
    made.walk("target_stopped")
    made.ahead("copy_database_again", "target_stopped", "final_data_copied")
    made.journal("step_started", "copy_database_again")
    with (made.directory / "journal.jsonl").open("a") as file:
        file.write('{"at":"2026-11-23T06:42:')
    sign = made.sign()
    assert sign.status is Status.STOPPED
    assert sign.steps[-1].outcome is Outcome.CUT_SHORT
    assert sign.unreadable == []
    assert sign.next[0].startswith("Go on: gonogo run")
    assert sign.next[1].startswith("Or go back")
    assert "Nothing is left of the outage budget" in plain(sign.next[2])
    fresh = made.sign(later=5)
    assert fresh.status is Status.UNDER_WAY
    assert fresh.steps[-1].outcome is Outcome.RUNNING
    assert '<meta http-equiv="refresh"' in page.html(fresh)
    assert '<meta http-equiv="refresh"' not in page.html(sign)


def test_a_resumed_run_shows_both_tries(made: Made) -> None:
    made.walk("target_stopped")
    made.journal("step_started", "copy_database_again")
    made.wait(900)
    made.journal("resumed")
    for name, gives, seconds in STEPS[23:]:
        made.step(name, "", gives, seconds)
    sign = made.sign()
    assert sign.status is Status.ACCEPTED
    again = next(step for step in sign.steps if step.name == "copy_database_again")
    assert [a.outcome for a in again.attempts] == [Outcome.CUT_SHORT, Outcome.FINISHED]
    assert again.attempts[0].ended == again.attempts[0].started


def test_a_proof_of_an_earlier_copy_is_none_of_the_next(made: Made) -> None:
    made.walk("final_data_copied")
    assert (data := made.sign().data)
    assert data.proven
    made.wait(1)
    made.events("copy_database_again")
    data = made.sign().data
    assert data
    assert not data.proven
    assert {table.verdict for table in data.tables} == {None}


def test_a_crashed_try_ends_with_its_last_sign_of_life(made: Made) -> None:
    made.walk("data_mounted")
    made.journal("step_started", "install_ruby")
    made.wait(7)
    made.journal("waiver_used", gate=1, check="x", waiver=TERMS)
    made.wait(900)
    made.journal("catalogue", checks=1, sha256="ab")
    made.step("install_ruby", "data_mounted", "ruby_installed", 5)
    first, second = made.sign().steps[-1].attempts
    assert ((first.ended - first.started).total_seconds(), first.outcome) == (7, Outcome.CUT_SHORT)
    assert second.outcome is Outcome.FINISHED


def test_an_ended_run_that_was_asked_to_stop_early_is_not_under_way(made: Made) -> None:
    made.walk("rehearsed")
    assert made.sign(later=1).status is Status.UNDER_WAY
    sign = made.sign(later=1, ended=True)
    assert sign.status is Status.PAUSED
    assert sign.not_done[:2] == ["Write the checklist, and have every risk signed.", "Lower the DNS records' TTL."]
    assert "Close production." in sign.not_done


def test_backed_out(made: Made) -> None:
    made.walk("final_data_copied")
    made.journal("back_out_started")
    made.wait(4)
    made.journal("source_reopened")
    made.journal("backed_out")
    assert made.sign(later=1).status is Status.UNDER_WAY
    made.gate(["backed_out"], made.checks("backed_out"), GO)
    sign = made.sign()
    assert sign.status is Status.BACKED_OUT
    assert plain(sign.sentence).startswith(
        "Backed out: app.smallpayroll.test runs on the old host again since 2026-11-23 06:4"
    )
    assert "it was closed for 15 s" in plain(sign.sentence)
    assert sign.dns[0].after == ""


def test_a_waived_check_keeps_its_terms_and_spoils_the_proof(made: Made) -> None:
    made.walk()
    made.gate(["final_data_copied"], made.checks("final_data_copied", WAIVED, NO_ROW), WAIVED)
    sign = made.sign()
    assert sign.status is Status.ACCEPTED
    assert sign.waivers[0].terms.model_dump() == TERMS.model_dump()
    assert "rows" not in sign.sentence
    assert plain(sign.sentence).endswith("; 512 files proven equal; 1 failed check waived.")
    assert "Petra Approver" in page.html(sign)
    assert "Petra Approver" in page.markdown(sign)


def test_an_empty_run_and_no_run(tmp_path: Path) -> None:
    made = Made(tmp_path / "empty")
    sign = made.sign()
    assert sign.status is Status.NOT_BEGUN
    assert reports_main.main([str(made.directory)]) == 0
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    assert reports_main.main([str(nowhere)]) == 2
    assert list(nowhere.iterdir()) == []


def test_a_gate_asked_beforehand_is_no_trouble(made: Made) -> None:
    made.begin()
    made.ahead("survey_source", "", "source_surveyed")
    sign = made.sign(later=1)
    assert sign.status is Status.UNDER_WAY
    assert sign.states == []
    assert sign.gates[0].before


def test_an_already_true_step(made: Made) -> None:
    made.begin()
    made.gate(["key_pair_present"], made.checks("key_pair_present"), GO, step="create_key_pair",
              occasion=Occasion.GIVEN_BEFORE, seconds=2)  # fmt: skip
    made.journal("already_true", "create_key_pair")
    sign = made.sign()
    assert sign.steps[0].outcome is Outcome.ALREADY_TRUE
    assert sign.steps[0].seconds == 2
    assert [s.name for s in sign.states] == ["key_pair_present"]


def test_an_interrupted_run(made: Made) -> None:
    made.walk("data_mounted")
    made.journal("step_started", "install_ruby")
    made.wait(2)
    made.journal("interrupted", "install_ruby")
    sign = made.sign(later=1)
    assert sign.status is Status.INTERRUPTED
    assert sign.sentence == "Interrupted by the operator after the step install_ruby."


# --- damaged and hostile evidence ---------------------------------------------------------------------------------------


def test_damaged_evidence_is_named_and_the_rest_is_shown(made: Made) -> None:
    made.walk()
    next((made.directory / "gates").glob("0003-*.json")).write_text("{")
    (made.directory / "records" / "data_copy.json").write_bytes(b"\xff\xfe")
    (made.directory / "plan.toml").write_text("name = ")
    lines = (made.directory / "journal.jsonl").read_text().splitlines(keepends=True)
    (made.directory / "journal.jsonl").write_text("".join([lines[0], "garbage\n", *lines[1:]]))
    sign = made.sign()
    assert sign.status is Status.ACCEPTED
    assert "rows" not in sign.sentence
    said = "\n".join(sign.unreadable)
    for name in ("gates/0003-", "gate 3: the journal names it", "data_copy.json", "plan.toml", "journal.jsonl, line 2"):
        assert name in said
    assert "Evidence that could not be read" in page.html(sign)


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> | `code` [a](http://x) \x00\x1b[31m \u202egnp.exe {{ 7*7 }}"


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    made = Made(tmp_path / "hostile", PLAN.replace("Olga Operator", json.dumps(HOSTILE)[1:-1].replace("\\ud", "\\uD")))
    made.begin()
    made.journal("step_started", HOSTILE)
    made.record(DataCopy(
        final=True, snapshot=HOSTILE, source_identifier=HOSTILE, target_identifier=HOSTILE, sequences={}, sequences_after={}, large_objects=0,
        tables={HOSTILE: TableCopy(rows=1, digest=HOSTILE)},
    ))  # fmt: skip
    made.record(DnsBefore(records={HOSTILE: [HOSTILE]}, ttls={}))
    bad = CheckResult(
        id=f"checks/{HOSTILE}::{HOSTILE}", states=["final_data_copied"], claim=HOSTILE, function=HOSTILE, file=HOSTILE,
        parameters={HOSTILE: HOSTILE}, line=1, outcome=NO_GO,
        problem=Problem(subject=HOSTILE, expected=HOSTILE, found=HOSTILE, remedy=HOSTILE),
    )  # fmt: skip
    made.gate(["final_data_copied"], [bad], NO_GO, HOSTILE)
    assert reports_main.main([str(made.directory)]) == 0
    text = (made.directory / "signoff.html").read_text(encoding="utf-8")
    looked = look(text)
    assert looked.found == []
    assert "<script" not in text
    assert "{{ 7*7 }}" in looked.text
    assert "\u202e" not in text
    assert "\x1b" not in text
    markdown = (made.directory / "signoff.md").read_text(encoding="utf-8")
    assert "<script" not in markdown
    assert "[a](" not in markdown
    ET.parse(made.directory / "junit.xml")
    SignOff.model_validate_json((made.directory / "signoff.json").read_text(encoding="utf-8"))


# --- the files ----------------------------------------------------------------------------------------------------------


def test_the_command_writes_four_files_that_need_nothing_else(made: Made) -> None:
    made.walk()
    done = subprocess.run(
        [sys.executable, "-m", "reports", str(made.directory)], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert {p.name for p in made.directory.glob("*.*")} >= {"signoff.json", "signoff.html", "signoff.md", "junit.xml"}
    assert list(made.directory.glob(".*")) == []
    sign = SignOff.model_validate_json((made.directory / "signoff.json").read_text(encoding="utf-8"))
    html = (made.directory / "signoff.html").read_text(encoding="utf-8")
    assert html == page.html(sign), "the page is made from signoff.json alone"
    assert look(html).found == []
    assert "url(" not in html
    assert sign.sentence in look(html).text
    assert "225\u00a0731" in (made.directory / "signoff.md").read_text(encoding="utf-8")


def test_reports_import_nothing_but_the_evidence() -> None:
    code = (
        "import sys, reports.__main__;"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('fixtures', 'steps', 'checks', 'pytest')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    rooms = ["fixtures", "fixtures.errors", "fixtures.run"]
    assert done.stdout.strip() == str(
        [*rooms, *(f"fixtures.run.{name}" for name in ("evidence", "journal", "records"))]
    )


def test_the_states_that_reports_name_exist() -> None:
    known = set(all_states.names())
    assert {state for state, _ in sentences.MILESTONES} <= known
    assert {"data_copied", "final_data_copied", "files_copied", "final_files_copied", "accepted", "backed_out"} <= known


# --- JUnit --------------------------------------------------------------------------------------------------------------


def merge(made: Made) -> JUnitXml:
    return junit.merged(stored.read(made.directory), made.sign())


def test_junit_counts_every_check_once_with_its_last_result(made: Made) -> None:
    made.walk("database_installed")
    made.gate(["data_on_mnt"], made.checks("data_on_mnt", NO_GO, NO_ROW), NO_GO)
    made.step("move_data_to_mount", "", "data_on_mnt", 2)
    document = merge(made)
    assert (document.failures, document.errors) == (0, 0)
    names = [(case.classname, case.name) for suite in document for case in suite]
    assert len(names) == len(set(names))
    suites = {suite.name: suite for suite in document}
    assert ("checks.check_data_on_mnt", "check_it_is_there") in names
    case = next(iter(suites["data_on_mnt"]))
    assert (case._elem.get("file"), case._elem.get("line")) == ("checks/check_data_on_mnt.py", "17")
    noted = {p.name: p.value for p in suites["gates"].properties()}
    assert next(iter(suites["gates"]._elem)).tag == "properties"
    number = next(g.number for g in made.sign().gates if g.verdict is NO_GO and not g.before)
    assert noted == {f"gate {number:04d} data_on_mnt": "no-go; checks/check_data_on_mnt.py::check_it_lasts"}


def test_junit_is_red_when_the_run_is(made: Made) -> None:
    made.walk("database_installed")
    made.journal("step_started", "move_data_to_mount")
    made.wait(1)
    made.gate(["data_on_mnt"], made.checks("data_on_mnt", NO_GO, NO_ROW), NO_GO)
    made.journal("step_failed", "move_data_to_mount", problem=wrong("no-go"))
    made.gate(["ssh_ready"], made.checks("ssh_ready", UNSURE, wrong("away")), UNSURE, "1 of 3 checks did not run")
    made.gate(["data_mounted"], made.checks("data_mounted", WAIVED, wrong("it")), WAIVED)
    document = merge(made)
    assert (document.failures, document.errors, document.skipped) == (1, 3, 1)
    failed = next(case for suite in document for case in suite if case.is_failure)
    assert str(NO_ROW) in failed.result[0].text


# --- pieces -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.04, "40 ms"), (2.34, "2.3 s"), (9.96, "10 s"), (14.2, "14 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"),
     (3599.7, "1 h 00 min"), (18_720, "5 h 12 min"), (183_600, "2 d 3 h"), (-3, "0 ms")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert plain(words.duration(seconds)) == text


def test_numbers_and_sizes() -> None:
    assert plain(words.number(225_731)) == "225 731"
    assert [plain(words.size(n)) for n in (0, 999, 1000, 48_123_456, 10**13)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "48.1 MB",
        "10.0 TB",
    ]
    assert [plain(words.counted(n, "file")) for n in (0, 1, 2)] == ["0 files", "1 file", "2 files"]


def test_times_are_utc_with_offset() -> None:
    at = datetime(2026, 11, 23, 3, 14, 7, tzinfo=UTC).astimezone()
    assert words.day_and_time(at) == "2026-11-23 03:14:07+00:00"
    assert words.utc(datetime(2026, 1, 1)) == datetime(2026, 1, 1, tzinfo=UTC)


def test_the_timeline_squeezes_a_long_wait(made: Made) -> None:
    made.walk()
    drawn = timeline.picture(made.sign())
    assert drawn
    assert [plain(b.text) for b in drawn.breaks] == ["5 h 00 min"]
    for shape in (*drawn.steps, *drawn.gates, *drawn.outage):
        assert timeline.LABELS <= shape.x <= timeline.WIDTH
        assert shape.x + shape.width <= timeline.WIDTH
    widths = {s.text.partition(":")[0]: s.width for s in drawn.steps}
    assert widths["install_ruby"] > 5 * widths["pin_host_key"] > 0


moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
problems = st.builds(Problem, subject=texts, expected=texts, found=texts, remedy=texts)
terms = st.builds(Terms, who=texts, until=st.dates(), reason=texts)
check_results = st.builds(
    CheckResult, id=texts, states=st.lists(st.sampled_from(["accepted", "final_data_copied", "x"]), max_size=2), claim=texts,
    function=texts, file=texts, line=st.integers(1, 9), parameters=st.dictionaries(texts, texts, max_size=2),
    outcome=st.sampled_from(Verdict), problem=st.none() | problems, waiver=st.none() | terms, seconds=st.floats(0, 1e6),
)  # fmt: skip
some = st.sampled_from(["accepted", "x"])
steps_of = st.sampled_from(["a", "b"])
entries = st.one_of(
    *(st.builds(kind, at=moments) for kind in (journal.Resumed, journal.SourceClosed, journal.TargetOpened,
      journal.Accepted, journal.BackOutStarted, journal.SourceReopened, journal.BackedOut, journal.TargetFenced)),
    *(st.builds(kind, at=moments, step=steps_of) for kind in (journal.StepStarted, journal.StepFinished,
      journal.Interrupted, journal.AlreadyTrue, journal.Voided)),
    st.builds(journal.StepFailed, at=moments, step=steps_of, problem=problems),
    st.builds(journal.RunStarted, at=moments, plan=texts), st.builds(journal.CatalogueMade, at=moments, checks=st.integers(), sha256=texts),
    st.builds(journal.DnsChanged, at=moments, records=st.dictionaries(texts, texts, max_size=2)),
    st.builds(journal.GateJudged, at=moments, number=st.integers(0, 3), states=st.lists(some, max_size=2),
              occasion=st.sampled_from(Occasion), step=steps_of, verdict=st.sampled_from(Verdict), reason=texts),
    st.builds(journal.WaiverUsed, at=moments, gate=st.integers(0, 3), check=texts, waiver=terms),
)  # fmt: skip
GATE_FIELDS = set(journal.GateJudged.model_fields) - {"at", "kind"}
gate_results = st.builds(
    GateResult, number=st.integers(0, 3), states=st.lists(some, max_size=2), covers=st.lists(some, max_size=2),
    occasion=st.sampled_from(Occasion), step=st.sampled_from(["a", "b", ""]),
    verdict=st.sampled_from(Verdict), reason=texts, started=moments, finished=moments, results=st.lists(check_results, max_size=3),
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    written=st.lists(entries, max_size=8),
    results=st.lists(gate_results, max_size=3),
    later=st.floats(-1e5, 1e5),
    ended=st.booleans(),
)
def test_any_evidence_makes_a_report(
    tmp_path_factory: pytest.TempPathFactory, written: list[Entry], results: list[GateResult], later: float, ended: bool
) -> None:
    directory = tmp_path_factory.mktemp("run")
    (directory / "gates").mkdir()
    (directory / "format").write_text(f"{FORMAT}\n")
    (directory / "journal.jsonl").write_text("".join(e.model_dump_json() + "\n" for e in written), encoding="utf-8")
    for i, result in enumerate(results):
        judged = journal.GateJudged(at=result.finished, **result.model_dump(include=GATE_FIELDS))
        with (directory / "journal.jsonl").open("a", encoding="utf-8") as file:
            file.write(judged.model_dump_json() + "\n")
        (directory / "gates" / f"{i}-gate.json").write_text(result.model_dump_json(), encoding="utf-8")
    evidence = stored.read(directory)
    sign = signoff.build(evidence, BEGIN + timedelta(seconds=later), ended=ended)
    assert sign.sentence
    assert sign.unreadable is not None
    assert SignOff.model_validate_json(sign.model_dump_json()) == sign
    assert look(page.html(sign)).found == []
    page.markdown(sign)
    ET.fromstring(junit.text(evidence, sign))
    if sign.status is Status.ACCEPTED:
        assert any(e.kind == "accepted" for e in written)
        assert any("accepted" in r.covers and r.verdict in PASS for r in results)


@given(st.lists(st.sampled_from(Verdict)))
def test_the_worst_verdict_wins_and_nothing_is_never_go(verdicts: list[Verdict]) -> None:
    found = history.worst(verdicts)
    assert (found is GO) == (bool(verdicts) and set(verdicts) == {GO})
    assert (found is NO_GO) == (NO_GO in verdicts)


def test_who_signed_for_a_risk_and_what_was_attested_is_shown(made: Made) -> None:
    made.walk("night_prepared")
    assert made.sign().attestations == []
    signed = SignedRisk(name="one-server", meaning="One host.", who="Mara", when=date(2026, 11, 1), reason="bearable")
    drill = Attested(what="back-out drill", who="Olga", when=date(2026, 11, 2), how="in the lab")
    unsigned = SignedRisk(name="plain-http", meaning="No HTTPS.")
    made.record(Checklist(plan="p", sha256="s", risks=[signed, unsigned], attestations=[drill]))
    sign = made.sign()
    assert [risk.signed for risk in sign.risks[:2]] == ["Mara, 2026-11-01: bearable", ""]
    for text in (page.html(sign), page.markdown(sign)):
        for part in (
            "one-server",
            "Signed by Mara, 2026-11-01: bearable",
            "back-out drill",
            "Olga, 2026-11-02: in the lab",
        ):
            assert part in text
        assert text.count("Signed by") == 1
