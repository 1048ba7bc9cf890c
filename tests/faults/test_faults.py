"""A rehearsed lab: its gates are go, close over each fault by name, and are never fooled into a verdict."""

import json
import re

import pytest

from fixtures.lab.faults import FAULTS, break_it, mend
from fixtures.plan import load_plan
from fixtures.run.journal import SourceClosed
from tests.labsite import REHEARSED, Site


@pytest.fixture(scope="module")
def site():
    made = Site(REHEARSED)
    made.down()
    made.up(rehearsed=True, ttl=None)
    yield made
    made.down()


def test_before_the_cutover_only_the_ttl_its_clock_and_the_rights_are_red(site):
    done = site.checks("pre_cutover")
    assert done.code == 1, done.out
    assert "pre_cutover: no-go" in done.out
    failed = set(re.findall(r"^(?:FAILED|ERROR) checks/(\S+?)::", done.out, re.MULTILINE))
    assert failed == {"check_ttl.py", "check_window.py", "check_rights.py"}, done.out
    assert "3600" in done.out
    assert "300" in done.out
    assert "do:" in done.out


def test_a_key_that_the_name_server_no_longer_takes_is_named_while_production_is_open(site):
    site.up(rehearsed=True)
    done = site.gonogo("run", "--yes", "--until", "ttl_lowered")
    assert done.code == 0, done.out
    knot, kept = "/etc/knot/knot.conf", "/root/knot.conf"
    another = r"-e 's/^\( *secret: \)x/\1y/;t' -e 's/^\( *secret: \)./\1x/'"
    site.on("ns1", f"cp -p {knot} {kept}; sed -i {another} {knot}; systemctl reload knot")
    try:
        done = site.gonogo("run", "--yes", "--until", "rights_tried")
    finally:
        site.on("ns1", f"cp -p {kept} {knot}; systemctl reload knot")
    assert done.code == 1, done.out
    for record in load_plan(site.plan_path).dns.records:
        assert f"dns.tsig {record}" in done.out, done.out
    assert "production is open" in done.out
    assert "smoke.password (" not in done.out, "the others were granted"
    assert not site.last_run.happened(SourceClosed)
    done = site.gonogo("run", "--yes", "--until", "rights_tried")
    assert done.code == 0, done.out


def test_lowering_the_ttl_and_waiting_makes_it_go_with_and_without_workers(site):
    site.up(rehearsed=True)
    # Where the TTL was lowered before, and is long again, the same command lowers it again: reached means that it is short now.
    for state in ("ttl_lowered", "window_open"):
        done = site.gonogo("run", "--yes", "--until", state)
        assert done.code == 0, done.out
    for extra in ((), ("-n", "4")):
        done = site.checks("pre_cutover", *extra)
        assert done.code == 0, done.out
        assert "pre_cutover: go" in done.out


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_closes_its_gate_and_is_named(site, name):
    fault = break_it(site.name, name)
    try:
        done = site.checks(fault.state)
    finally:
        mend(site.name, name)
    assert done.code == 1, done.out
    assert f"{fault.state}: no-go" in done.out
    failed = [line for line in done.out.splitlines() if line.startswith("FAILED")]
    assert any(fault.check in line for line in failed), done.out
    assert "do:  " in done.out
    healed = site.checks(fault.state)
    assert healed.code == 0, healed.out


@pytest.mark.parametrize(
    "arguments",
    [("-k", "ttl"), ("-k", "nothing_at_all"), ("--deselect", "checks/check_runtime.py"), ("--collect-only",),
     ("--ignore", "checks/check_ttl.py")],
    ids=" ".join,
)  # fmt: skip
def test_a_narrowed_pre_cutover_is_never_go(site, arguments):
    done = site.checks("pre_cutover", *arguments)
    assert done.code != 0, done.out
    assert "pre_cutover: go" not in done.out


def test_the_environment_cannot_narrow_it(site):
    done = site.checks("pre_cutover", PYTEST_ADDOPTS="-k ttl")
    assert done.code != 0, done.out


def test_an_all_skipped_pre_cutover_is_never_go(site, tmp_path):
    plugin = tmp_path / "skip_everything.py"
    plugin.write_text("import pytest\ndef pytest_runtest_setup(item):\n    pytest.skip('all of them')\n")
    done = site.checks("pre_cutover", "-p", "skip_everything", PYTHONPATH=str(tmp_path))
    assert done.code != 0, done.out
    assert "could-not-verify" in done.out


def test_source_and_target_swapped_are_refused_before_anything_changes(site):
    facts = json.loads((site.last_run.directory / "records" / "target.json").read_text())
    text = site.plan_path.read_text()
    source = text[text.index("[source]") : text.index("[target]")]
    production = re.search(r'^address = "(\S+)"', source, re.MULTILINE)[1]
    sixth = re.search(r"^ipv6_address = .*\n", source, re.MULTILINE)
    swapped = (
        f'[source]\naddress = "{facts["public_address"]}"\nuser = "admin"\nkey_file = "keys/smallpayroll.pem"\n'
        f'host_key = "{" ".join(facts["host_keys"][0].split()[:2])}"\npublic_address = "{production}"\n{sixth[0] if sixth else ""}\n'
    )
    plan = site.plan_path.with_name("swapped.toml")
    plan.write_text(
        re.sub(r'^name = "\S+"', 'name = "swapped"', text.replace(source, swapped), count=1, flags=re.MULTILINE)
    )
    done = site.gonogo("run", "--yes", "--new", plan=plan)
    assert (done.code, "may be swapped" in done.out, "Traceback" in done.out) == (1, True, False), done.out


def test_uploads_that_are_not_mounted_are_refused(site):
    site.on(
        "production",
        "cp -p /etc/fstab /root/fstab; echo 'tmpfs /home/payroll/shared/uploads tmpfs defaults 0 0' >>/etc/fstab",
    )
    plan = site.plan_path.with_name("unmounted.toml")
    plan.write_text(
        re.sub(r'^name = "\S+"', 'name = "unmounted"', site.plan_path.read_text(), count=1, flags=re.MULTILINE)
    )
    try:
        done = site.gonogo("run", "--yes", "--new", plan=plan)
    finally:
        site.on("production", "mv /root/fstab /etc/fstab")
    assert (done.code, "not mounted" in done.out, "Traceback" in done.out) == (1, True, False), done.out


@pytest.mark.parametrize(
    "name",
    [
        "gem-missing",
        "hba-trust",
        "data-on-root-disk",
        "setting-changed",
        "worker-free",
        "chain-incomplete",
    ],
)
def test_the_command_of_a_remedy_mends_the_fault(site, name):
    # Last in this file: what broke is not put back, the command that the remedy names does that.
    site.up(rehearsed=True)
    fault = break_it(site.name, name)
    done = site.checks(fault.state)
    assert done.code == 1, done.out
    assert f"`gonogo run --until {fault.state}`" in " ".join(done.out.split()), done.out
    done = site.gonogo("run", "--yes", "--until", fault.state)
    assert done.code == 0, done.out
    healed = site.checks(fault.state)
    assert healed.code == 0, healed.out
