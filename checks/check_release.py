"""The application's user, code, settings and secrets have arrived."""

import pytest

from checks.equality import must_be_on_production, must_equal
from fixtures.connect.host import Host
from fixtures.errors import NoGo
from fixtures.facts import files, release
from fixtures.facts.accounts import account
from fixtures.facts.fact import ask
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run

pytestmark = pytest.mark.release_copied

MEND = "run `gonogo run --until release_copied`; it copies the release anew"


def check_release_is_productions(target: Host, plan: Plan, run: Run) -> None:
    """The code of the release in use is production's, byte for byte, with its modes and links: all but its logs and what it writes while it runs."""
    survey = run.records(Survey)
    link = ask(target, files.real(str(plan.application.current)))
    must_equal(
        f"{plan.application.current} on the target",
        expected=survey.release,
        found=link or "absent, or dangling",
        remedy=MEND,
    )
    found = ask(target, release.digest(plan))
    if found != survey.release_digest:
        raise NoGo(
            f"the files of {link} on the target", expected=f"SHA-256 {survey.release_digest}", found=found, remedy=MEND
        )


def check_setting_is_there(setting: str, target: Host, plan: Plan) -> None:
    """Every setting of production's environment file is set on the target."""
    if setting not in ask(target, release.settings(plan)):
        raise NoGo(
            f"{setting} in {plan.application.environment_file} on the target",
            expected="set",
            found="absent",
            remedy=MEND,
        )


def check_secrets_are_productions(source: Host, target: Host, plan: Plan) -> None:
    """The environment file holds production's values (compared by hash, never shown), with its owner and mode."""
    path = str(plan.application.environment_file)
    expected, found = (
        f"{status.owner}:{status.group} {status.mode}" if (status := ask(host, files.status(path))) else "absent"
        for host in (source, target)
    )
    must_be_on_production(path, expected != "absent", named_by="application.environment_file")
    must_equal(f"owner and mode of {path} on the target", expected=expected, found=found, remedy=MEND)
    if ask(source, files.digests(path)) != ask(target, files.digests(path)):
        raise NoGo(f"{path} on the target", expected="production's values", found="other values", remedy=MEND)


def check_user_is_there(source: Host, target: Host, plan: Plan) -> None:
    """The application's user is there, with production's home, shell and groups, and no password."""
    user = plan.application.user
    expected, found = ask(source, account(user)), ask(target, account(user))
    must_be_on_production(f"the user {user}", expected, named_by="application.user")
    must_equal(f"the user {user} on the target", expected=expected or "absent", found=found or "absent", remedy=MEND)


def check_further_files_arrived(source: Host, target: Host, plan: Plan) -> None:
    """Units, log rotation and whatever else the plan lists are production's, byte for byte."""
    paths = [str(path) for path in plan.application.also_copy]
    expected, found = ask(source, files.digests(*paths)), ask(target, files.digests(*paths))
    for path in paths:
        must_be_on_production(path, path in expected, named_by="application.also_copy")
    differing = [path for path in paths if expected.get(path) != found.get(path)]
    if differing:
        raise NoGo(
            "files of application.also_copy on the target",
            expected="as on production",
            found=f"differing: {', '.join(sorted(differing))}",
            remedy=MEND,
        )
