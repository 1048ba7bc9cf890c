"""The application's user, code, settings and secrets have arrived."""

import pytest

from checks.equality import must_be_on_production, must_equal
from fixtures.errors import NoGo
from fixtures.facts import files, release
from fixtures.facts.accounts import Account, account
from fixtures.facts.fact import HostFact
from fixtures.facts.wanted import on_source, on_target
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run

pytestmark = pytest.mark.release_copied

MEND = "run `gonogo run --until release_copied`; it copies the release anew"


def _account(plan: Plan) -> HostFact[Account | None]:
    return account(plan.application.user)


def _status(plan: Plan) -> HostFact[files.Status | None]:
    return files.status(str(plan.application.environment_file))


def _secrets(plan: Plan) -> HostFact[dict[str, str]]:
    return files.digests(str(plan.application.environment_file))


def _further(plan: Plan) -> HostFact[dict[str, str]]:
    return files.digests(*map(str, plan.application.also_copy))


def _digests(plan: Plan, run: Run, link: str) -> dict[str, HostFact[str]]:
    return {link: release.digest(plan)} if link == run.records(Survey).release else {}


def check_release_is_productions(
    plan: Plan,
    run: Run,
    link: str = on_target(lambda plan: files.real(str(plan.application.current))),
    digests: dict[str, str] = on_target(lambda plan, run, link: _digests(plan, run, link)),
) -> None:
    """The code of the release in use is production's, byte for byte, with its modes and links: all but its logs and what it writes while it runs."""
    survey = run.records(Survey)
    must_equal(
        f"{plan.application.current} on the target",
        expected=survey.release,
        found=link or "absent, or dangling",
        remedy=MEND,
    )
    found = digests[link]
    if found != survey.release_digest:
        raise NoGo(
            f"the files of {link} on the target", expected=f"SHA-256 {survey.release_digest}", found=found, remedy=MEND
        )


def check_setting_is_there(setting: str, plan: Plan, found: list[str] = on_target(release.settings)) -> None:
    """Every setting of production's environment file is set on the target."""
    if setting not in found:
        raise NoGo(
            f"{setting} in {plan.application.environment_file} on the target",
            expected="set",
            found="absent",
            remedy=MEND,
        )


def check_secrets_are_productions(
    plan: Plan,
    status_there: files.Status | None = on_source(_status),
    status: files.Status | None = on_target(_status),
    values_there: dict[str, str] = on_source(_secrets),
    values: dict[str, str] = on_target(_secrets),
) -> None:
    """The environment file holds production's values (compared by hash, never shown), with its owner and mode."""
    path = str(plan.application.environment_file)
    expected, found = (f"{one.owner}:{one.group} {one.mode}" if one else "absent" for one in (status_there, status))
    must_be_on_production(path, expected != "absent", named_by="application.environment_file")
    must_equal(f"owner and mode of {path} on the target", expected=expected, found=found, remedy=MEND)
    if values_there != values:
        raise NoGo(f"{path} on the target", expected="production's values", found="other values", remedy=MEND)


def check_user_is_there(
    plan: Plan, expected: Account | None = on_source(_account), found: Account | None = on_target(_account)
) -> None:
    """The application's user is there, with production's home, shell and groups, and no password."""
    user = plan.application.user
    must_be_on_production(f"the user {user}", expected, named_by="application.user")
    must_equal(f"the user {user} on the target", expected=expected or "absent", found=found or "absent", remedy=MEND)


def check_further_files_arrived(
    plan: Plan, expected: dict[str, str] = on_source(_further), found: dict[str, str] = on_target(_further)
) -> None:
    """Units, log rotation and whatever else the plan lists are production's, byte for byte."""
    paths = [str(path) for path in plan.application.also_copy]
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
