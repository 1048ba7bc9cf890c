"""The application's user, code, settings and secrets have arrived."""

from pathlib import PurePosixPath

import pytest

from checks.equality import must_be_none, must_be_on_production, must_equal
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


def _status(environment_file: PurePosixPath) -> HostFact[files.Status | None]:
    return files.status(str(environment_file))


def _secrets(environment_file: PurePosixPath) -> HostFact[dict[str, str]]:
    return files.digests(str(environment_file))


def _readable(plan: Plan) -> HostFact[list[str]]:
    application = plan.application
    return files.readable(application.user, *map(str, [*application.environment_files, *application.also_copy]))


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
    """Every setting of production's environment files is set on the target."""
    if setting not in found:
        raise NoGo(
            f"{setting} in {' or '.join(map(str, plan.application.environment_files))} on the target",
            expected="set",
            found="absent",
            remedy=MEND,
        )


def check_secrets_are_productions(
    environment_file: PurePosixPath,
    status_there: files.Status | None = on_source(_status),
    status: files.Status | None = on_target(_status),
    values_there: dict[str, str] = on_source(_secrets),
    values: dict[str, str] = on_target(_secrets),
) -> None:
    """An environment file holds production's values (compared by hash, never shown), with its owner and mode."""
    same = values_there == values
    _must_be_productions(environment_file, status_there, status, same=same, named_by="application.environment_files")


def _must_be_productions(
    path: PurePosixPath, there: files.Status | None, here: files.Status | None, *, same: bool, named_by: str
) -> None:
    expected, found = (f"{one.owner}:{one.group} {one.mode}" if one else "absent" for one in (there, here))
    must_be_on_production(str(path), expected != "absent", named_by=named_by)
    must_equal(f"owner and mode of {path} on the target", expected=expected, found=found, remedy=MEND)
    if not same:
        raise NoGo(f"{path} on the target", expected="what production's holds", found="something else", remedy=MEND)


def check_user_is_there(
    plan: Plan, expected: Account | None = on_source(_account), found: Account | None = on_target(_account)
) -> None:
    """The application's user is there, with production's home, shell and groups, and no password."""
    user = plan.application.user
    must_be_on_production(f"the user {user}", expected, named_by="application.user")
    must_equal(f"the user {user} on the target", expected=expected or "absent", found=found or "absent", remedy=MEND)


def check_further_file_is_productions(
    copied_file: PurePosixPath,
    status_there: files.Status | None = on_source(lambda copied_file: files.status(str(copied_file))),
    status: files.Status | None = on_target(lambda copied_file: files.status(str(copied_file))),
    there: dict[str, str] = on_source(lambda copied_file: files.digests(str(copied_file))),
    found: dict[str, str] = on_target(lambda copied_file: files.digests(str(copied_file))),
) -> None:
    """A unit, a setting, a rule of log rotation and whatever else the plan lists is production's, byte for byte, with its owner and mode."""
    _must_be_productions(copied_file, status_there, status, same=there == found, named_by="application.also_copy")


def check_application_can_read_its_settings(
    plan: Plan, expected: list[str] = on_source(_readable), found: list[str] = on_target(_readable)
) -> None:
    """Whatever of its settings the application's user can read on production he can read on the target."""
    must_be_none(
        f"settings that {plan.application.user} can read on production",
        expected="readable on the target too",
        found=[path for path in expected if path not in found],
        remedy=f"see the modes of the directories above them on the target; {MEND}",
    )
