"""A plan that was edited under a run: what is taken up, what runs again for it, and what is refused."""

import inspect
import re
from pathlib import Path

import pytest

from fixtures.plan import Plan, digest, load_plan
from fixtures.policy.changes import MEANINGS
from fixtures.run import journal
from fixtures.run.evidence import PLAN
from fixtures.run.records import DnsBefore
from fixtures.run.run import Run, new_run
from fixtures.states import FIRST_OF_CUTOVER, names
from steps import STEPS
from steps.engine.executor import choose_run, finished_steps
from steps.engine.replan import PlanChanged, edits, must_run, take_up
from tests.unit import begun
from tests.unit.example import EXAMPLE_TEXT, FACTS

run = begun.run
BY_NAME = {step.name: step for step in STEPS}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    path = tmp_path / "plan.toml"
    path.write_text(EXAMPLE_TEXT)
    return load_plan(path)


def edit(plan: Plan, before: str, after: str) -> Plan:
    text = plan.path.read_text()
    assert text.count(before) == 1, before
    plan.path.write_text(text.replace(before, after))
    return load_plan(plan.path)


def finished(run: Run, *names: str) -> None:
    for name in names:
        assert name in BY_NAME
        run.journal(journal.StepStarted(step=name))
        run.journal(journal.StepFinished(step=name))


RUBY = ('packages = ["ruby", ', 'packages = ["ruby", "libyaml-dev", ')
REGION = ('region = "ca-central-1"', 'region = "eu-west-1"')
ADDRESS = ('address = "production.smallpayroll.test"', 'address = "other.smallpayroll.test"')
RECORD = ('{ name = "www.smallpayroll.test", type = "A" },', "")
DRAIN = ("drain_seconds = 30", "drain_seconds = 31")
WORKERS = ('workers = ["smallpayroll-worker.service"]', 'workers = ["smallpayroll-worker.service", "other.service"]')
OPERATOR = ('address = "203.0.113.7"', 'address = "203.0.113.10"')
TSIG = ('{ env = "TSIG_SECRET" }', '{ env = "MENDED" }')


def test_where_only_a_preflight_had_failed_every_key_is_taken_up_by_the_same_command(plan, run):
    run.journal(journal.RunStarted(plan=digest(plan.path)))
    for change in (RUBY, REGION, ADDRESS, RECORD, DRAIN, WORKERS, TSIG):
        after = edit(plan, *change)
        chosen, resumed = choose_run(after, run.directory.parent, STEPS)
        assert (chosen.directory, resumed) == (run.directory, True)
        assert digest(run.directory / PLAN) == digest(plan.path)
    assert len(edits(run)) == 7


def test_what_used_a_key_runs_again_whatever_its_gate_says_and_nothing_else_does(plan, run):
    finished(run, "survey_source", "install_runtimes", "install_postgresql", "bring_dependencies")
    former = (run.directory / PLAN).read_text()
    take_up(edit(plan, *RUBY), run, STEPS)
    assert set(finished_steps(run)) == {"install_postgresql"}
    again = ["survey_source", "install_runtimes", "bring_dependencies"]
    assert [step.name for step in STEPS if must_run(run, step)] == again
    (entry,) = [one for one in run.entries() if isinstance(one, journal.PlanEdited)]
    assert (list(entry.keys), entry.again) == (["runtime"], again)
    assert entry.plan == digest(plan.path)
    assert (run.directory / "plans" / f"{entry.before}.toml").read_text() == former
    assert edits(run) == [
        "the plan was edited: runtime; run again: survey_source, install_runtimes, bring_dependencies"
    ]
    run.journal(journal.Resumed())
    assert edits(run) == []
    finished(run, "survey_source", "install_runtimes")
    assert [step.name for step in STEPS if must_run(run, step)] == ["bring_dependencies"]


def test_a_step_that_was_stopped_on_its_way_runs_whatever_its_gate_says(plan, run):
    run.journal(journal.StepStarted(step="install_runtimes"))
    take_up(edit(plan, *RUBY), run, STEPS)
    run.journal(journal.StepStarted(step="install_runtimes"))
    run.journal(journal.Interrupted(step="install_runtimes"))
    assert must_run(run, BY_NAME["install_runtimes"])


def test_a_comment_is_taken_up_and_nothing_runs_again(plan, run):
    finished(run, "survey_source", "install_runtimes")
    take_up(edit(plan, "# names the runs", "# names all the runs"), run, STEPS)
    assert set(finished_steps(run)) == {"survey_source", "install_runtimes"}
    assert edits(run) == ["the plan was edited: no value of it"]


def test_the_checklist_is_written_again_for_every_edit(plan, run):
    finished(run, "survey_source", "write_checklist")
    take_up(edit(plan, "# names the runs", "# names all the runs"), run, STEPS)
    assert set(finished_steps(run)) == {"survey_source"}


def test_lines_that_end_as_windows_ends_them_are_taken_up_once(plan, run):
    plan.path.write_bytes(plan.path.read_bytes().replace(b"\n", b"\r\n"))
    for _ in range(2):
        take_up(load_plan(plan.path), run, STEPS)
    assert len(edits(run)) == 1


@pytest.mark.parametrize(
    ("change", "done", "why"),
    [
        (REGION, "create_key_pair", "target.region: what was made stands there"),
        (
            ('instance_type = "m5.large"', 'instance_type = "m5.xlarge"'),
            FACTS,
            "target.instance_type: the instance was",
        ),
        (RECORD, DnsBefore(records={}, ttls={}), "dns.records: the records were changed by it"),
    ],
)
def test_what_was_made_by_a_key_is_not_left_behind(plan, run, change, done, why):
    if isinstance(done, str):
        finished(run, done)
    else:
        run.record(done)
    kept, entries = (run.directory / PLAN).read_text(), len(list(run.entries()))
    with pytest.raises(PlanChanged, match=why) as caught:
        take_up(edit(edit(plan, *change), *DRAIN), run, STEPS)
    assert "gonogo run --new" in caught.value.remedy
    assert "drain_seconds" not in caught.value.found, "that one might"
    assert ((run.directory / PLAN).read_text(), len(list(run.entries()))) == (kept, entries)
    plan.path.write_text(kept)
    take_up(load_plan(plan.path), run, STEPS)


def test_a_fixed_key_stays_fixed_where_its_step_was_voided(plan, run):
    finished(run, "create_key_pair")
    run.journal(journal.Voided(step="create_key_pair", red=True))
    with pytest.raises(PlanChanged):
        take_up(edit(plan, *REGION), run, STEPS)


@pytest.mark.parametrize("change", [RUBY, WORKERS, ("ttl = 60 ", "ttl = 61 ")])
def test_with_production_closed_nothing_runs_again_that_stood_before(plan, run, change):
    finished(run, *(step.name for step in STEPS[: STEPS.index(BY_NAME["close_source"]) + 1]))
    run.journal(journal.SourceClosed())
    with pytest.raises(PlanChanged, match=r"production is closed, and .* went by it") as caught:
        take_up(edit(plan, *change), run, STEPS)
    assert "put these keys back" in caught.value.remedy
    assert "`gonogo back-out`" in caught.value.remedy


@pytest.mark.parametrize(
    "change",
    [DRAIN, TSIG, OPERATOR, ("max_delete = 100", "max_delete = 900"), ('{ env = "SMOKE_PASSWORD" }', '{ env = "MENDED" }')],
)  # fmt: skip
def test_with_production_closed_what_does_no_harm_is_taken_up(plan, run, change):
    finished(run, *(step.name for step in STEPS[: STEPS.index(BY_NAME["close_source"]) + 1]))
    run.journal(journal.SourceClosed())
    done = finished_steps(run)
    take_up(edit(plan, *change), run, STEPS)
    assert finished_steps(run) == done, "nothing runs again"


def test_what_only_the_cutover_uses_may_change_until_it_has_begun(plan, run):
    spared = ('\n# spare_roles = ["monitoring"]', '\nspare_roles = ["monitoring"]')
    take_up(edit(plan, *spared), run, STEPS)
    run.journal(journal.SourceClosed())
    run.journal(journal.StepStarted(step="close_source"))
    with pytest.raises(PlanChanged, match="production is closed, and close_source went by it"):
        take_up(edit(plan, *reversed(spared)), run, STEPS)


@pytest.mark.parametrize("text", [None, "name = ["])
def test_a_copy_that_is_lost_or_damaged_is_no_leave_to_take_up_another_plan(plan, run, text):
    (run.directory / PLAN).unlink()
    if text:
        (run.directory / PLAN).write_text(text)
    with pytest.raises(PlanChanged, match="cannot be compared"):
        take_up(plan, run, STEPS)
    assert run.own_plan(plan.path).name == plan.name, "the way back has one all the same"


def test_an_edit_whose_taking_up_was_cut_off_is_taken_up_by_the_next_command(plan, run, monkeypatch):
    run.journal(journal.RunStarted(plan=digest(plan.path)))
    finished(run, "install_runtimes")
    after = edit(plan, *RUBY)
    with monkeypatch.context() as patched:
        patched.setattr(Run, "keep", lambda *_: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            take_up(after, run, STEPS)
    former, edited = (run.directory / PLAN).read_text(), plan.path.read_text()
    assert former != edited
    again = edit(after, *DRAIN)  # whatever was edited since
    take_up(again, run, STEPS)
    assert (run.directory / PLAN).read_text() == plan.path.read_text()
    told = [list(one.keys) for one in run.entries() if isinstance(one, journal.PlanEdited)]
    assert told == [["runtime"], ["cutover.drain_seconds"]]
    assert must_run(run, BY_NAME["install_runtimes"])


def test_a_run_has_its_own_plan_whatever_the_file_says_by_now(plan, tmp_path):
    run = new_run(plan, tmp_path / "runs")
    edit(plan, *DRAIN)
    own = run.own_plan(plan.path)
    assert (own.cutover.drain_seconds, own.path) == (30, plan.path)


def test_a_copy_of_the_plan_that_was_changed_and_can_still_be_read_is_not_gone_by(plan, tmp_path):
    run = new_run(plan, tmp_path / "runs")
    run.journal(journal.RunStarted(plan=digest(plan.path)))
    (run.directory / PLAN).write_text(plan.path.read_text().replace(*DRAIN))
    assert run.own_plan(plan.path).cutover.drain_seconds == 30


def test_every_step_that_reads_a_key_runs_again_when_it_is_edited():
    # Of the modules of steps themselves; what is used at night alone is refused then.
    others = {
        "backup.keep_days": "the right that is tried is that of writing",
        "backup.schedule": "the right that is tried is that of writing",
    }
    order = names()
    for step in STEPS:
        gives = {state for one in STEPS if inspect.getsourcefile(one.function) == inspect.getsourcefile(step.function)
                 for state in one.gives}  # fmt: skip
        if any(order.index(state) >= order.index(FIRST_OF_CUTOVER) and state == step.gives[-1] for state in gives):
            continue
        text = Path(str(inspect.getsourcefile(step.function))).read_text()
        for read in set(re.findall(r"\bplan\.([a-z_]+(?:\.[a-z_]+)*)", text)):
            for key, meaning in MEANINGS.items():
                if f"{read}.".startswith(f"{key}.") or key.startswith(f"{read}."):
                    known = meaning.fixed or meaning.whenever or set(meaning.again) & gives or key in others
                    assert known, f"{step.name} reads {key}"
