"""The example plan with another window, and with no channel but the page."""

from pathlib import Path

import pytest

from fixtures.plan import Plan, parse_plan
from tests.unit.example import EXAMPLE_TEXT, ROOT

START = "2026-12-06T01:00:00-05:00"


def plan_with(directory: Path = ROOT / "docs", **changes: str) -> Plan:
    text = EXAMPLE_TEXT
    for old, new in changes.items():
        text = text.replace({"starts": START, "zone": '"America/Toronto"', "lead": '"P14D"'}.get(old, old), new)
    return parse_plan(text, directory / "plan.toml")


@pytest.fixture
def page_plan():
    return parse_plan(
        "\n".join(line for line in EXAMPLE_TEXT.splitlines() if '{ kind = "mail", audience' not in line),
        ROOT / "docs" / "p.toml",
    )
