"""The rehearsal was of this copy, and nothing on the target acted in production's name meanwhile."""

import pytest

from fixtures.evidence import DataCopy, Rehearsal, TargetFacts
from fixtures.host import Host
from fixtures.plan import Plan
from fixtures.run import Run
from fixtures.verdict import problem

pytestmark = pytest.mark.rehearsed


def check_rehearsal_was_of_this_copy(run: Run) -> None:
    """The target was rehearsed, with the very data that it holds now."""
    rehearsal = run.records(Rehearsal)
    expected = (run.records(TargetFacts).instance_id, run.records(DataCopy).snapshot)
    found = (rehearsal.instance_id, rehearsal.snapshot)
    assert found == expected, problem(
        "the rehearsal (instance, snapshot)", expected=expected, found=found, remedy="rehearse again: `gonogo run`"
    )


def check_worker_never_ran(worker_unit: str, target: Host) -> None:
    """No worker of the target ran since it booted: no job was done twice, no mail was sent."""
    names = "ActiveState,ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic"
    shown = target.check(["systemctl", "show", f"--property={names}", "--", worker_unit]).split()
    facts = dict(line.split("=", 1) for line in shown)
    ran = [name for name in facts if name != "ActiveState" and facts[name] != "0"]
    assert (facts["ActiveState"], ran) in (("inactive", []), ("failed", [])), problem(
        f"{worker_unit} on the target",
        expected="never started: the target is in quarantine",
        found=", ".join(shown),
        remedy="find what it did (its journal, the mail log), copy the data again, rehearse again",
    )


def check_cron_never_ran(cron_file: str, plan: Plan, target: Host) -> None:
    """No cron job of the application ran on the target since it booted."""
    user = plan.application.user
    ran = target.check(
        [
            "sh",
            "-c",
            'journalctl --boot --quiet --no-pager --output=cat _COMM=cron | grep -c "^($1) CMD" || :',
            "-",
            user,
        ]
    ).strip()
    assert ran == "0", problem(
        f"{cron_file} on the target",
        expected=f"no job of {user}: the target is in quarantine",
        found=f"{ran} jobs since it booted",
        remedy="find what they did (journalctl _COMM=cron), copy the data again, rehearse again",
    )
