"""What a gate read is judged again without asking anybody; what is missing from it is never go."""

import gzip
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.unit.example import ROOT
from tests.unit.nameservers import holds, serving

CHECKS = '''
"""One fact, and one question of its own."""
import pytest
from fixtures.connect.nameservers import Dns, DnsAnswer
from fixtures.errors import NoGo
from fixtures.facts import network
from fixtures.facts.wanted import in_dns
from fixtures.plan import DnsRecord, NameServer, Plan
from fixtures.run.records import TargetFacts
from fixtures.run.run import Run
from fixtures.sameness.keys import Keys, kept_keys

pytestmark = pytest.mark.ttl_lowered

def check_ttl(record: DnsRecord, name_server: NameServer, answer: DnsAnswer = in_dns(network.of_record)) -> None:
    """The TTL is short."""
    if answer.ttl is None or answer.ttl > 300:
        raise NoGo("the TTL", expected="300", found=str(answer.ttl), remedy="lower it")

def check_of_its_own(plan: Plan, dns: Dns) -> None:
    """Somebody answers."""
    dns.ask(plan.dns.primary, plan.dns.records[0].name)

def check_record(run: Run) -> None:
    """There was no target yet."""
    assert not run.has(TargetFacts)

def check_kept_keys(run: Run) -> None:
    """What a copy held is known again by its SHA-256."""
    assert kept_keys(run.directory, Keys({"0/a#1": "string aa -"}).sha256)
'''
ASK = """
from pathlib import Path
from fixtures.plan import load_plan
from fixtures.run.run import new_run
from fixtures.sameness.keys import Keys, keep_keys
from steps.engine.gate import Gates
plan = load_plan(Path("plan.toml"))
run = new_run(plan, Path("runs"))
keep_keys(run.directory, Keys({"0/a#1": "string aa -"}))
gates = Gates(plan, run)
gates.collect()
print(gates.ask(["ttl_lowered"]).verdict, run.directory)
"""


@pytest.fixture
def project(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__", "smallpayroll")
    for package in ("fixtures", "steps", "reports"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    for file in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path)
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "check_all.py").write_text(CHECKS)
    return tmp_path


def run(project, *arguments):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "GONOGO"))}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=project, env=clean, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_gate_is_judged_again_from_what_it_read(project):
    with serving(holds("192.0.2.1", ttl=3600)) as (server, _):
        example = (ROOT / "docs" / "plan.example.toml").read_text()
        place = f'address = "127.0.0.1", port = {server.port}'
        (project / "plan.toml").write_text(re.sub(r'address = "198\.51\.100\.[234]"', place, example))
        code, out = run(project, "-c", ASK)
        assert (code, out.split()[0]) == (0, "no-go"), out
    directory = out.split()[1]
    (readings,) = (project / directory / "gates").glob("0001-*.readings")
    assert readings.stat().st_mode & 0o077 == 0
    asked = len(server.seen)
    # What the run recorded later was not there when the gate was asked.
    shutil.copy(ROOT / "pyproject.toml", project / directory / "records" / "target.json")

    code, out = run(project, "-m", "steps", "replay", directory, "1")
    assert (code, "0 of them otherwise; 1 could not be" in out) == (0, True), out
    (project / "checks" / "check_all.py").write_text(CHECKS.replace("> 300", "> 3600"))
    code, out = run(project, "-m", "steps", "replay", directory, "1")
    assert (code, "no-go then, go now" in out) == (10, True), out

    lines = gzip.decompress(readings.read_bytes()).decode().splitlines()
    left = [line for line in lines if '"connection":"dns"' not in line]
    assert len(left) < len(lines)
    readings.write_bytes(gzip.compress("\n".join(left).encode()))
    code, out = run(project, "-m", "steps", "replay", directory, "1")
    assert "go now" not in out, out
    assert len(server.seen) == asked, "nobody was asked again"

    (project / directory / "records" / "target.json").unlink()
    code, out = run(project, "-m", "steps", "forget", directory, "--yes")
    assert (code, "what gates asked and were answered" in out) == (0, True), out
    code, out = run(project, "-m", "steps", "replay", directory, "1")
    assert (code, "nothing is left to be judged" in out) == (1, True), out
    junit = next((project / directory / "gates").glob("0001-*.xml")).read_text()
    assert ('value="no-go"' in junit, "lower it" in junit) == (True, False)


def test_a_gate_without_readings_is_named(project):
    shutil.copy(ROOT / "docs" / "plan.example.toml", project / "plan.toml")
    code, out = run(project, "-m", "steps", "replay", "runs/none", "7")
    assert (code, "gate 7" in out, "Traceback" in out) == (1, True, False), out
