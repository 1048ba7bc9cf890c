"""The dump and the restore of the database, to the letter."""

import shlex

from fixtures.plan import Plan
from steps.rehearse import data
from steps.tools import copying

SSH = copying.ssh_command("/run/gonogo/keys/r/p", "admin", "198.51.100.20")


def test_the_dump_goes_straight_into_ssh_and_a_broken_pipe_is_a_failure(plan: Plan) -> None:
    script = data.dump_script(plan, "00000003-0000001B-1", SSH)
    assert script.startswith("set -o pipefail\n")
    assert "pg_dump --port=5432 --snapshot=00000003-0000001B-1 --format=custom" in script
    assert script.rstrip().endswith(f"payroll_prod | {shlex.join(SSH)}")
    assert ">" not in script


def test_the_restore_is_one_transaction(plan: Plan) -> None:
    assert data.restore_command(plan) == [
        "sh", "-c",
        "cd / && exec sudo -n -u postgres -- pg_restore --exit-on-error --single-transaction --port=5432"
        " --dbname=payroll_prod",
    ]  # fmt: skip
