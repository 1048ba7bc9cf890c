"""What people signed beside the example plan."""

from datetime import datetime

from fixtures.plan import Plan

TODAY = datetime.now().astimezone().date()
GOOD = """
[[waiver]]
check = "checks/check_x.py::check_x"
reason = "known and accepted"
who = "Olga"
until = 2099-01-01

[[attestation]]
what = "back-out drill"
who = "Olga"
when = 2020-01-01
how = "in the lab, twice over"

[[attestation]]
what = "back-out drill"
who = "Oleg"
when = 2020-02-01
how = "in the lab, once more"

[[risk]]
name = "one-server"
who = "Mara Manager"
when = 2020-01-01
reason = "an hour a year is bearable"
"""


def sign(plan: Plan, text: str) -> None:
    plan.path.with_suffix(".waivers.toml").write_text(text)
