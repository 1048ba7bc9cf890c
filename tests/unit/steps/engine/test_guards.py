"""Who is who is proven before anything is changed, and other runs are kept away meanwhile."""

import pytest

from fixtures.errors import CouldNotVerify, Refused, StepFailed
from fixtures.run import places
from steps.engine import guards
from tests.unit.example import FACTS, PLAN
from tests.unit.steps import target as targets
from tests.unit.steps.target import cloud_with

run = targets.run
EVERYTHING = {"target", "target_db", "open_source", "open_source_db", "cloud"}


class Host:
    """A host that says who it is, and keeps who holds its lock."""

    address = "192.0.2.4"
    holder = None

    def __init__(self, name, say, identity):
        self.name, self.say, self.identity = name, say, identity

    def check(self, argv, **_):
        self.say(f"{self.name} says who it is")
        return self.identity

    read_file = check

    def lock(self, owner, why):
        if self.holder not in (None, owner):
            raise Refused(f"the lock of {self.name}", expected="free", found=f"held by {self.holder}", remedy="wait")
        self.holder, self.why = owner, why

    def unlock(self):
        self.holder = None


class Database:
    def __init__(self, identifier):
        self.identifier = identifier

    def identity(self):
        return self.identifier


class Site:
    """The connections of one process, to hosts that answer as they should."""

    plan = PLAN

    def __init__(self, run):
        self.run, self.said = run, []
        self.cloud = cloud_with()
        self.open_source = Host("source", self.said.append, "source-machine\n")
        self.source_db = self.open_source_db = Database("7001")
        self.target = Host("target", self.said.append, "")
        self.target_db = Database("7002")
        self.target_says()

    def target_says(self, **changes):
        said = {"machine": "own", "instance": "i-1", "marker": places.marker(self.run, FACTS), "opened": "closed"}
        self.target.identity = "\n".join((said | changes).values()) + "\n"

    def locks(self):
        return [host.holder for host in (self.open_source, self.target)]


@pytest.fixture
def site(run):
    return Site(run)


def refused(site, handed, match, **options):
    with pytest.raises(Refused, match=match), guards.guarded(site, handed, "a test", **options):
        pytest.fail("the guard let it pass")
    assert site.locks() == [None, None]


def test_this_runs_own_target_is_proven_and_says_whether_it_was_opened(site):
    assert not guards.prove_target(site, database=True)
    site.target_says(opened="opened", cluster="7002")
    assert guards.prove_target(site)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"machine": "source-machine"}, "the source"),
        ({"instance": "i-2"}, "i-2"),
        ({"instance": ""}, "no instance id"),
        ({"marker": ""}, "no marker"),
        ({"marker": '{"run": "another", "instance": "i-1"}'}, "another"),
        ({"cluster": "7001"}, "the source's cluster"),
    ],
)
def test_a_host_that_is_not_this_runs_target_is_refused(site, changes, complaint):
    site.target_says(**changes)
    refused(site, {"target"}, complaint)


def test_a_target_that_begins_no_process_is_not_proven(site, monkeypatch):
    def full(*_, **__):
        raise StepFailed("sh", expected="exit code 0", found="exit code 2: Cannot fork", remedy="mend it")

    monkeypatch.setattr(site.target, "check", full)
    with pytest.raises(CouldNotVerify, match="Cannot fork"):
        guards.prove_target(site)


def test_a_target_whose_serving_database_is_a_copy_of_the_sources_is_refused(site):
    site.target_db.identifier = "7001"
    refused(site, {"target_db"}, "a physical copy")


def test_an_instance_or_address_that_the_cloud_does_not_show_is_refused(site):
    for changes in ({"id": "i-2"}, {"public_address": "192.0.2.5"}):
        site.cloud = cloud_with(**changes)
        refused(site, {"target"}, next(iter(changes.values())))
        refused(site, {"cloud"}, next(iter(changes.values())), unproven=True)
    site.cloud.found = None
    refused(site, {"target"}, "no instance of this plan")
    site.cloud = cloud_with()
    site.target.address = "192.0.2.9"
    refused(site, {"target"}, r"192\.0\.2\.9")


@pytest.mark.parametrize("handed", [{"cloud"}, {"target"}, {"target_db"}, EVERYTHING])
def test_another_account_is_refused(site, handed):
    def other():
        raise Refused("the AWS account", expected="the plan's", found="another", remedy="choose the right credentials")

    site.cloud.verify_account = other
    refused(site, handed, "the AWS account")
    refused(site, handed, "the AWS account", unproven=True)


def test_a_source_that_was_not_surveyed_is_refused_where_it_would_be_written(site):
    site.open_source.identity = "another-machine\n"
    refused(site, {"open_source"}, "another-machine")
    refused(site, {"open_source_db"}, "another-machine")
    site.open_source.identity = "source-machine\n"
    site.source_db.identifier = "7003"
    refused(site, {"open_source", "source_db"}, "7003")
    refused(site, {"open_source_db"}, "7003")


def test_what_belongs_before_the_opening_is_refused_by_the_targets_own_word(site):
    site.target_says(opened="opened")
    refused(site, {"target"}, "opened on the target", unopened=True)
    with guards.guarded(site, {"target"}, "a test"):
        pass


def test_hosts_that_may_be_written_are_locked_meanwhile_and_others_are_not(site):
    for handed, held in (
        ({"plan", "source", "source_db", "cloud"}, [None, None]),
        ({"target"}, [None, site.run.name]),
        ({"target_db"}, [None, site.run.name]),
        ({"open_source"}, [site.run.name, None]),
        ({"open_source_db"}, [site.run.name, None]),
        (EVERYTHING, [site.run.name, site.run.name]),
    ):
        with guards.guarded(site, handed, "the step a_test"):
            assert site.locks() == held
        assert site.locks() == [None, None]
    assert site.target.why == "the step a_test"


def test_a_lock_of_another_run_refuses_and_stays_while_ours_is_freed(site):
    site.target.holder = "another run"
    with pytest.raises(Refused, match="another run"), guards.guarded(site, EVERYTHING, "a test"):
        pytest.fail("the guard let it pass")
    assert site.locks() == [None, "another run"]


def test_the_error_of_a_step_is_not_hidden_by_a_lock_that_cannot_be_freed(site):
    def gone():
        raise StepFailed("freeing the lock", expected="exit code 0", found="no connection", remedy="none")

    site.target.unlock = gone
    with pytest.raises(ValueError, match="the step's own"), guards.guarded(site, {"target"}, "a test"):
        raise ValueError("the step's own")


def test_who_is_handed_nothing_of_it_proves_nothing(site):
    with guards.guarded(site, {"plan", "run", "source", "source_db", "dns", "web"}, "a test"):
        assert site.said == []
