"""The application's user, code, settings and secrets have arrived."""

import shlex

import pytest

from fixtures.connect.host import Host
from fixtures.errors import NoGo
from fixtures.facts import facts
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run

pytestmark = pytest.mark.release_copied

MEND = "run `gonogo run --until release_copied`; it copies the release anew"


def check_release_is_productions(target: Host, plan: Plan, run: Run) -> None:
    """The code of the release in use is production's, byte for byte."""
    survey = run.records(Survey)
    script = 'readlink -e -- "$1" || true'
    link = target.check(["sh", "-c", script, "-", str(plan.application.current)]).strip()
    if link != survey.release:
        raise NoGo(
            f"{plan.application.current} on the target",
            expected=survey.release,
            found=link or "absent, or dangling",
            remedy=MEND,
        )
    found = facts.release_digest(target, plan)
    if found != survey.release_digest:
        raise NoGo(
            f"the files of {link} on the target", expected=f"SHA-256 {survey.release_digest}", found=found, remedy=MEND
        )


def check_setting_is_there(setting: str, target: Host, plan: Plan) -> None:
    """Every setting of production's environment file is set on the target."""
    if setting not in facts.settings(target, plan):
        raise NoGo(
            f"{setting} in {plan.application.environment_file} on the target",
            expected="set",
            found="absent",
            remedy=MEND,
        )


def check_secrets_are_productions(source: Host, target: Host, plan: Plan) -> None:
    """The environment file holds production's values (compared by hash, never shown), with its owner and mode."""
    path = shlex.quote(str(plan.application.environment_file))
    command = ["sh", "-c", f"stat -c '%U:%G %a' -- {path} 2>/dev/null; sha256sum < {path} 2>/dev/null || true"]
    expected, found = source.check(command).split("\n"), target.check(command).split("\n")
    if found[0] != expected[0]:
        raise NoGo(
            f"owner and mode of {path} on the target", expected=expected[0], found=found[0] or "absent", remedy=MEND
        )
    same = found[1:] == expected[1:]
    if not same:
        raise NoGo(f"{path} on the target", expected="production's values", found="other values", remedy=MEND)


def check_user_is_there(source: Host, target: Host, plan: Plan) -> None:
    """The application's user is there, with production's home, shell and groups, and no password."""
    user = plan.application.user
    script = 'getent passwd "$1" | cut -d: -f1,6,7; id -Gn "$1" 2>/dev/null | tr " " "\\n" | sort | tr "\\n" " "'
    expected = source.check(["sh", "-c", script, "-", user]).split()
    found = target.check(["sh", "-c", script, "-", user]).split()
    if found != expected:
        raise NoGo(
            f"the user {user} on the target (home, shell, groups)",
            expected=" ".join(expected),
            found=" ".join(found) or "absent",
            remedy=MEND,
        )


def check_further_files_arrived(source: Host, target: Host, plan: Plan) -> None:
    """Units, log rotation and whatever else the plan lists are production's, byte for byte."""
    paths = [str(path) for path in plan.application.also_copy]
    script = 'for f in "$@"; do sha256sum -- "$f" 2>/dev/null || echo "absent  $f"; done'
    expected = source.check(["sh", "-c", script, "-", *paths]).splitlines()
    found = target.check(["sh", "-c", script, "-", *paths]).splitlines()
    differing = [line.split("  ", 1)[1] for line in set(expected) - set(found)]
    if differing:
        raise NoGo(
            "files of application.also_copy on the target",
            expected="as on production",
            found=f"other: {', '.join(sorted(differing))}",
            remedy=MEND,
        )
