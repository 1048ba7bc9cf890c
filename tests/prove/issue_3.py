"""`make prove-3`: the whole article, a line each. Names as arguments choose items: `... issue_3 drill`."""

import re
import sys
import time

from fixtures.lab.users import ledger
from fixtures.plan import load_plan
from fixtures.run.evidence import Verdict
from fixtures.run.journal import Accepted
from fixtures.run.run import Run, runs_of
from steps import CUT_OVER
from tests.labsite import REHEARSED, ROOT, Done, Site, run
from tests.prove.demonstration import WARM_MINUTES, cold_demo, demonstration
from tests.prove.drafted import draft
from tests.prove.proof import main
from tests.unit.test_rows import BEFORE, ROWS, quoted

REHEARSALS = 3
IN_THE_DEMO = ("notice_published", "ami_inspected", "image_made", "backed_up", "restore_tested", "window_open")
"""What the article owes beside the move itself; the survey and HTTPS are looked at by name."""


def warm() -> str:
    """The demonstration with every image in the cache, and what it must hold."""
    site = Site("prove")
    figure = demonstration(site, WARM_MINUTES)
    _holds_the_article(site)
    return figure


def _holds_the_article(site: Site) -> None:
    gates = site.gates()
    for state in ("source_surveyed", *IN_THE_DEMO):
        assert any(state in g.states and g.verdict is Verdict.GO for g in gates), f"{state} was never go"
    assert load_plan(site.plan_path).web.scheme == "https"
    assert any("check_tls" in r.id and r.outcome is Verdict.GO for g in gates for r in g.results), "no TLS check ran"


def rehearse() -> str:
    """`gonogo rehearse` again and again with users at work: they see nothing of it."""
    site = Site(REHEARSED)
    site.down()
    site.up(rehearsed=True)
    try:
        site.gonogo("lab", "users", "start", "--name", site.name)
        time.sleep(5)
        seconds = []
        for _ in range(REHEARSALS):
            done = site.gonogo("rehearse", "--yes")
            assert done.code == 0, done.out
            seconds.append(done.seconds)
        site.gonogo("lab", "users", "stop", "--name", site.name)
        requests = ledger.read(site.plan_path.parent / "ledger.jsonl")
        bad = [r for r in requests if not r.good]
        assert not bad, f"{len(bad)} of {len(requests)} requests of the users failed or were slow: {bad[:3]}"
        assert len(requests) > 100, f"only {len(requests)} requests"
        times = ", ".join(f"{s:.0f} s" for s in seconds)
        return f"{REHEARSALS} rehearsals ({times}), {len(requests)} requests of users meanwhile, none failed or slow"
    finally:
        site.down()


def rows() -> str:
    """The table of rows is true, and what it calls red before its step was no-go there in the demonstration."""
    done = run([sys.executable, "-m", "pytest", "-q", "tests/unit/test_rows.py"])
    assert done.code == 0, done.out[-2000:]
    ran, red = set(), set()
    for gate in Site("prove").gates():
        for result in gate.results:
            function = result.id.partition("[")[0]
            ran.add(function)
            if result.outcome is Verdict.NO_GO:
                red.add(function)
    called = [row for row, cells in ROWS.items() if BEFORE in quoted(cells[2])]
    for row in called:
        checks = {"checks/{}.py::{}".format(*word.split("::")) for word in quoted(ROWS[row][1])}
        assert checks & red, f"{row}: none of {sorted(checks)} was no-go in the demonstration"
    return (
        f"{len(ROWS)} rows, {len(called)} of them red before their step in the demonstration, the others by a test or a fault; "
        f"{len(ran)} check functions ran in it, {len(red)} were no-go before their step"
    )


def drafted() -> str:
    """A plan that `gonogo discover` drafted, with only the marked decisions filled in, runs through."""
    site = Site("drafted")
    site.down()
    up = site.gonogo("lab", "up", "--name", site.name, "--ttl", "20")
    assert up.code == 0, up.out
    try:
        plan, decisions = draft(site.plan_path)
        done = site.gonogo("run", "--yes", "--new", plan=plan)
        assert done.code == 0, done.out[-3000:]
        last = runs_of(load_plan(plan), ROOT / "runs")[-1]
        assert last.happened(Accepted)
        return f"{decisions} decisions filled in; {_steps(last)} steps; accepted in {done.seconds:.0f} s"
    finally:
        site.down()


def second() -> str:
    """Bookworm with PostgreSQL 15 to trixie with 17: instance store, md5, a Ruby tarball, Redis, a jump host, no HTTPS."""
    site = Site("second")
    site.down()
    up = site.gonogo("lab", "up", "--name", site.name, "--variant", "second", "--ttl", "20")
    assert up.code == 0, up.out
    try:
        plan = load_plan(site.plan_path)
        assert plan.target.volume.kind == "instance-store"
        assert plan.database.authentication == "md5"
        assert plan.runtime[0].tarball is not None
        assert plan.redis is not None
        assert plan.source.jump is not None
        assert plan.web.scheme == "http"
        done: Done = site.gonogo("run", "--yes", "--new")
        assert done.code == 0, done.out[-3000:]
        assert site.last_run.happened(Accepted)
        release = site.on("target", "cat /etc/debian_version").strip()
        server = site.sql("target", "SHOW server_version")
        ruby = site.on("target", f"{plan.runtime[0].tarball.prefix}/bin/ruby --version").strip()
        before = site.sql("production", "SHOW server_version")
        return (
            f"accepted in {done.seconds:.0f} s, {_steps(site.last_run)} steps; PostgreSQL {before.split()[0]} -> "
            f"{server.split()[0]}; Debian {release}; {ruby.rsplit(' ', 1)[0]} in {plan.runtime[0].tarball.prefix}"
        )
    finally:
        site.down()


def before_second() -> str:
    """The second variant as it comes up, and its tarball's Ruby on a bare instance."""
    done = run([sys.executable, "-m", "pytest", "-q", "tests/second"])
    assert done.code == 0, done.out[-3000:]
    return done.out.strip().splitlines()[-1]


def drill() -> str:
    """The back-out from after every step of the cutover, users at work."""
    done = run([sys.executable, "-m", "steps", "lab", "drill", "--name", REHEARSED], timeout=3600)
    assert done.code == 0, done.out[-3000:]
    lines = re.findall(r"^\s*(\w+)\s+production is open again after ([\d.]+) s", done.out, re.MULTILINE)
    wanted = [step.name for step in CUT_OVER if not step.only_with]  # the lab is down by now, and its plan with it
    assert [name for name, _ in lines] == wanted, done.out[-2000:]
    slowest = max(float(seconds) for _, seconds in lines)
    return f"{len(lines)} back-outs, from after {', '.join(n for n, _ in lines)}; production open again each time, slowest {slowest} s"


def _steps(last: Run) -> int:
    return len({e.step for e in last.entries() if e.kind in ("step_finished", "already_true")})


ITEMS = (
    ("warm: make demo with survey, notice, DNS clock, image, backup, HTTPS", warm),
    ("rows: the table of A1-A30, and every check seen red", rows),
    ("rehearse: again and again while production is used", rehearse),
    ("drafted: a plan that discover drafted runs through", drafted),
    ("before_second: bastion, sudo's password, md5, Redis, trixie, a tarball's Ruby", before_second),
    ("second: bookworm to trixie, the other variants", second),
    ("drill: back-out from every step of the cutover", drill),
    ("cold: make demo, nothing cached", cold_demo),
)

if __name__ == "__main__":
    main("prove-3", ITEMS, ("prove",))
