"""What a release leaves behind."""

from steps.build import release
from tests.unit.example import PLAN


def test_uploads_keys_and_the_maintenance_page_are_left_out():
    command = release.pack_command([PLAN.application.home], release.left_out(PLAN, ["/home/payroll/releases/1"]))
    assert command[:4] == ["tar", "-C", "/", "-cz"]
    assert command[-2:] == ["--", "home/payroll"]
    for pattern in (
        ".ssh",
        "home/payroll/shared/uploads/*",
        "home/payroll/shared/maintenance.html",
        "home/payroll/shared/notice.html",
        "home/payroll/releases/1",
    ):
        assert f"--exclude={pattern}" in command
