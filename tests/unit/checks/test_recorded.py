"""What demonstrations read is judged again by the checks of today: each check has passed, and has failed, before a host.

`tests/recorded/` holds the cases, and says how they are recorded.
"""

import hashlib
import json
import re
import tomllib

import pytest

from fixtures.lab.faults import FAULTS
from fixtures.lab.production import production
from fixtures.plan import load_plan
from fixtures.run.evidence import Verdict
from tests.recorded.cases import CASES, HERE, TEXTS, judge_again, place, read_cases
from tests.recorded.replay import functions
from tests.recorded.scrub import own_names, scrubbing
from tests.unit.example import EXAMPLE_TEXT, ROOT

AGAIN = "record it again with `python -m tests.recorded.collect RUNS...`, of a demonstration with the checks of today"
VERDICTS = {"go": [Verdict.GO], "no-go": [Verdict.NO_GO], "both": [Verdict.GO, Verdict.NO_GO]}
RECORDED = {(name, verdict): case for name in functions() for verdict, case in read_cases(name).items()}
MISSING = tomllib.loads((HERE / "missing.toml").read_text(encoding="utf-8"))
"""Check function -> for each verdict that is not recorded why, and what has seen it instead."""


@pytest.mark.parametrize(("name", "verdict"), RECORDED, ids=lambda one: str(one).removeprefix("checks/"))
def test_a_recorded_check_says_what_it_said(name, verdict):
    case = RECORDED[name, verdict]
    judged = judge_again(case)
    new, gone = sorted(set(judged.wanted) - case.asked), sorted(case.asked - set(judged.wanted))
    assert not new, f"the question of {name} changed since it was recorded: {AGAIN}\n  now: {new}\n  then: {gone}"
    assert not gone, f"{name} asks less than when it was recorded: {AGAIN}\n  then: {gone}"
    assert judged.verdict is verdict, (
        f"{case.check} said {verdict} of these answers, and says {judged.verdict} now: {judged.error}\n"
        f"a check that is meant to judge otherwise: {AGAIN}"
    )


def test_every_check_was_seen_to_pass_and_to_fail():
    """What is not recorded stands in the table, and nothing else does: it only becomes shorter."""
    wanted = {(name, verdict) for name in functions() for verdict in VERDICTS["both"]}
    excused = {(name, one) for name, reasons in MISSING.items() for verdict in reasons for one in VERDICTS[verdict]}
    lacking = sorted(wanted - RECORDED.keys() - excused)
    assert not lacking, f"nothing was recorded of these: `python -m tests.recorded.collect RUNS...`: {lacking}"
    superfluous = sorted(excused & RECORDED.keys())
    assert not superfluous, f"these are recorded: take them out of tests/recorded/missing.toml: {superfluous}"
    unknown = sorted(excused - wanted)
    assert not unknown, f"tests/recorded/missing.toml names what is no check: {unknown}"


@pytest.mark.parametrize("name", MISSING)
def test_what_has_seen_a_check_that_is_not_recorded_exists(name):
    for reason in MISSING[name].values():
        assert len(reason) > 10
        for word in re.findall(r"`([^`]+)`", reason):
            file, is_test, function = word.partition("::")
            if word.startswith("fault "):
                assert word.removeprefix("fault ") in FAULTS, f"{name}: {word}"
            elif is_test:
                text = (ROOT / file).read_text(encoding="utf-8")
                assert f"def {function}(" in text, f"{name}: {word}"


def test_nothing_lies_there_that_no_check_needs():
    cases = {place(name) for name in functions()}
    texts = {TEXTS / text for case in RECORDED.values() for text in (*case.beside.values(), *case.files.values())}
    assert sorted({*CASES.rglob("*.jsonl"), *TEXTS.iterdir()} - cases - texts) == []


# --- nothing of the machine that recorded -------------------------------------------------------------------------------

OWN_PLACES = re.compile(
    r"(?<![\w./-])(?:/(?:work|root|tmp|var/lib/gonogo/lab)(?:/[\w.+-]+)+|/home/(?!payroll\b|admin\b|ops\b|operator\b)[\w.-]+)"
)
"""Where people who record keep their checkouts, labs and keys; other homes than those of the lab's hosts."""
OF_HOSTS = {"/root/.ssh/authorized_keys", "/root/payroll_prod.sql.gz"}
"""What lies in such a place on the lab's hosts, or would in a fault."""
OF_THE_LAB = [text for name, text in vars(production).items() if name.endswith(("_PASSWORD", "SECRET_KEY_BASE"))]
SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|b3BlbnNzaC1rZXkt"),
    "an AWS key": re.compile(r"\bA[KS]IA[0-9A-Z]{16}\b"),
    "a verifier of a password": re.compile(r"SCRAM-SHA-256\$\d+:|\$(?:y|5|6)\$[\w./]+\$"),
    "a secret of the lab": re.compile("|".join(map(re.escape, OF_THE_LAB))),
}


def left_by_runs():
    """Each text below tests/recorded, and the file it is of. Questions of checks are our own words, and name what they like."""
    for path in TEXTS.iterdir():
        yield path.name, path.read_text(encoding="utf-8")
    for path in CASES.rglob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield from ((path.name, text) for text in strings({**json.loads(line), "question": ""}))


def strings(part):
    """Every string of a part, names of fields too."""
    match part:
        case str():
            yield part
        case list():
            for one in part:
                yield from strings(one)
        case dict():
            for key, one in part.items():
                yield key
                yield from strings(one)


def test_nothing_names_the_machine_that_recorded():
    own = re.compile("|".join([OWN_PLACES.pattern, *own_names()]))
    found = ((name, one[0]) for name, text in left_by_runs() for one in own.finditer(text))
    assert [one for one in found if one[1] not in OF_HOSTS] == []


@pytest.mark.parametrize("kind", SECRETS)
def test_no_secret_was_recorded(kind):
    assert [name for name, text in left_by_runs() if SECRETS[kind].search(text)] == []


def test_what_must_not_be_recorded_would_be_found():
    for leak in ("/tmp/checkout/runs/1/journal.jsonl", "/root/gonogo/plan.toml", "/home/somebody/gonogo"):
        assert OWN_PLACES.search(f"see {leak}")
    for fine in ("/home/payroll/current/tmp/pids", "./tmp/x", "/home/ops"):
        assert not OWN_PLACES.search(f"see {fine}")
    leaks = ["-----BEGIN OPENSSH PRIVATE KEY-----", "AKIAABCDEFGHIJKLMNOP", "SCRAM-SHA-256$4096:salt", OF_THE_LAB[0]]
    assert all(SECRETS[kind].search(leak) for kind, leak in zip(SECRETS, leaks, strict=True))


def test_the_scrub_replaces_the_machine_everywhere_alike(tmp_path, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "vm")
    text = re.sub(
        r"^password = .*", 'password = { file = "/var/labs/one/secrets/database" }', EXAMPLE_TEXT, count=1, flags=re.M
    )
    (tmp_path / "plan.toml").write_text(text)
    run = "20261129T120000Z-smallpayroll"
    scrub = scrubbing(load_plan(tmp_path / "plan.toml"), run, [text], [f"see /opt/checkout/runs/{run}/run.log"])
    assert 'password = { env = "RECORDED_DATABASE_PASSWORD" }' in scrub(text)
    assert scrub(f"/opt/checkout/runs/{run} /opt/checkout/checks") == f"/srv/gonogo/runs/{run} /srv/gonogo/checks"
    assert scrub("cat /var/labs/one/mail.jsonl") == "cat /srv/lab/mail.jsonl"
    assert scrub("vm.swappiness on vm") == "vm.swappiness on operators-machine"
    # A record that knows the plan by its SHA-256 knows the scrubbed one.
    before, after = (hashlib.sha256(one.encode()).hexdigest() for one in (text, scrub(text)))
    assert scrub(f'"plan": "{before}"') == f'"plan": "{after}"'
