"""Settings of roles are compared without being shown."""

from checks.check_roles import readable_settings
from fixtures.policy.roles import Setting
from fixtures.sameness.differences import differences


def test_what_may_be_a_secret_of_the_application_is_compared_and_not_shown() -> None:
    one, same, other = (
        readable_settings([Setting("", "d", (("work_mem", "8MB"), ("app.key", value)))])
        for value in ("x", "x", "geheim")
    )
    assert one == same
    words = differences(one, other)
    assert words.startswith("app.key of all roles in d: (hidden) ")
    assert "geheim" not in words
    assert "work_mem" not in words
