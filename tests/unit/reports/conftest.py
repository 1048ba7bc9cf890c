"""What the tests of the reports share."""

from pathlib import Path

import pytest

from tests.unit.reports.runs import Made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "20261123T014000Z-smallpayroll")
