"""What the release's checks say where production itself has nothing to compare with."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from checks import check_release
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import release
from fixtures.facts.files import Status
from fixtures.facts.wanted import wanted_by
from tests.unit.example import PLAN
from tests.unit.steps.target import SURVEY

FILE = PurePosixPath("/etc/app.env")


@pytest.mark.parametrize(
    ("check", "absent"),
    [
        (
            check_release.check_secrets_are_productions,
            {"environment_file": FILE, "status_there": None, "status": None, "values_there": {}, "values": {}},
        ),
        (check_release.check_user_is_there, {"plan": PLAN, "expected": None, "found": None}),
        (
            check_release.check_further_file_is_productions,
            {"copied_file": FILE, "status_there": None, "status": None, "there": {}, "found": {}},
        ),
    ],
)
def test_what_is_absent_on_both_hosts_proves_nothing(check, absent):
    with pytest.raises(CouldNotVerify, match="on production"):
        check(**absent)


OWN = Status("root", "payroll", "640", 9, "/")


@pytest.mark.parametrize(
    ("check", "values"),
    [
        (check_release.check_secrets_are_productions, ("values_there", "values")),
        (check_release.check_further_file_is_productions, ("there", "found")),
    ],
)
def test_settings_have_productions_text_owner_and_mode(check, values):
    def judged(status=OWN, text="a"):
        check(FILE, OWN, status, **dict(zip(values, ({str(FILE): "a"}, {str(FILE): text}), strict=True)))

    judged()
    for status, found in ((None, "absent"), (replace(OWN, mode="644"), "644"), (replace(OWN, owner="app"), "app:")):
        with pytest.raises(NoGo, match=f"owner and mode of {FILE}[^§]*found: .*{found}"):
            judged(status)
    with pytest.raises(NoGo, match="something else"):
        judged(text="b")


def test_what_the_application_could_read_it_can_read():
    check_release.check_application_can_read_its_settings(PLAN, ["/etc/a.env"], ["/etc/a.env", "/etc/b.env"])
    with pytest.raises(NoGo, match=r"/etc/b\.env"):
        check_release.check_application_can_read_its_settings(PLAN, ["/etc/a.env", "/etc/b.env"], ["/etc/a.env"])


def digests_asked(run, link):
    return wanted_by(check_release.check_release_is_productions)["digests"].made_of(
        {"plan": PLAN, "run": run, "link": link}
    )


def test_the_files_are_read_where_the_release_is_productions_and_must_be_the_same(run):
    run.record(SURVEY)
    link = SURVEY.release
    assert digests_asked(run, link) == {link: release.digest(PLAN)}
    check_release.check_release_is_productions(PLAN, run, link, {link: SURVEY.release_digest})
    with pytest.raises(NoGo, match="found:    other"):
        check_release.check_release_is_productions(PLAN, run, link, {link: "other"})


@pytest.mark.parametrize(("link", "words"), [("", "absent, or dangling"), ("/srv/other", "found:    /srv/other")])
def test_another_release_or_none_is_no_go_and_its_files_are_not_read(run, link, words):
    run.record(SURVEY)
    assert digests_asked(run, link) == {}
    with pytest.raises(NoGo, match=words):
        check_release.check_release_is_productions(PLAN, run, link, {})
