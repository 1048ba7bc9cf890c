"""The target is reached by key, under a host key from a trusted channel, and is this run's own host."""

import pytest

from checks.equality import in_words, must_equal
from fixtures.errors import NoGo
from fixtures.facts import files, machine
from fixtures.facts.instance import ConsoleKeysFact
from fixtures.facts.wanted import in_cloud, on_target
from fixtures.run import places
from fixtures.run.records import Survey, TargetFacts
from fixtures.run.run import Run

pytestmark = pytest.mark.ssh_ready


def check_host_key_is_the_consoles(
    run: Run,
    own: list[str] = on_target(machine.HOST_KEYS),
    console: list[str] = in_cloud(lambda run: ConsoleKeysFact(run.records(TargetFacts).instance_id)),
) -> None:
    """The host key that gonogo trusts stood on the instance's console, and is the host's own."""
    known = run.records(TargetFacts)
    # A console forgets its beginning; what it still shows must be what was recorded when it was new.
    shown = set(console) or set(known.host_keys)
    pinned = known.host_keys[0]
    if pinned not in own or pinned not in shown:
        raise NoGo(
            f"the host key of {known.instance_id}",
            expected="the same on the console, in the run's record, and on the host",
            found=f"{pinned[:40]}...: on the console {in_words(pinned in shown)}, on the host {in_words(pinned in own)}",
            remedy="do not log in; find out which host answers at this address",
        )


def check_target_is_this_runs_host(
    run: Run, found: str = on_target(files.text(str(places.MARKER))), machine_id: str = on_target(machine.MACHINE_ID)
) -> None:
    """The host that we are logged in to bears this run's marker, and is not the source."""
    expected = places.marker(run, run.records(TargetFacts))
    must_equal(
        f"{places.MARKER} on the target",
        expected=expected,
        found=found or "nothing",
        remedy="change nothing on it: it belongs to another run. Correct [target] in the plan, or see `gonogo status`",
    )
    if machine_id == run.records(Survey).machine_id:
        raise NoGo(
            "the machine id of the target",
            expected="its own",
            found="the source's",
            remedy="correct [source] or [target] in the plan: both lead to one machine",
        )


def check_password_logins_are_off(settings: dict[str, str] = on_target(machine.SSHD)) -> None:
    """SSH takes keys only: no password, and no root with one."""
    found = {
        name: settings.get(name, "?")
        for name in ("passwordauthentication", "kbdinteractiveauthentication", "permitrootlogin")
    }
    wrong = (
        found["passwordauthentication"] != "no"
        or found["kbdinteractiveauthentication"] != "no"
        or found["permitrootlogin"] == "yes"
    )
    if wrong:
        raise NoGo(
            "sshd on the target",
            expected="keys only",
            found=", ".join(f"{name} {value}" for name, value in found.items()),
            remedy="run `gonogo run --until ssh_ready`, and see /etc/ssh/sshd_config.d/",
        )


def check_time_zone_is_productions(run: Run, found: str = on_target(machine.TIME_ZONE)) -> None:
    """The target's time zone is production's."""
    expected = run.records(Survey).time_zone
    must_equal(
        "the target's time zone",
        expected=expected,
        found=found,
        remedy=f"on the target: `timedatectl set-timezone {expected}`",
    )


def check_clock_is_right(apart: float = on_target(machine.CLOCK)) -> None:
    """The target's clock agrees with the operator's to a few seconds."""
    if apart >= 5:
        raise NoGo(
            "the target's clock",
            expected="within 5 s",
            found=f"{apart:.1f} s apart",
            remedy="on the target: `timedatectl set-ntp true`; see that the operator's own clock is right too",
        )
