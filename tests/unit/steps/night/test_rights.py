"""Every right of the night, granted and refused; what is tried changes nothing."""

import base64
import json
import shlex
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import dns.opcode
import dns.rcode
import pytest
from botocore.exceptions import ClientError

from fixtures.connect.runner import Output
from fixtures.connect.web import Web
from fixtures.errors import CouldNotVerify, GonogoError, Refused, StepFailed
from fixtures.plan import Smoke
from fixtures.plan.rights import CLOSE, OPEN, Right, needed_rights
from fixtures.run.evidence import Verdict
from fixtures.run.records import RightsTried
from steps.keep import backups
from steps.night import rights
from steps.night.providers.route53 import upsert
from tests.unit import buckets
from tests.unit.answers import Answers
from tests.unit.buckets import with_
from tests.unit.example import FACTS, PLAN, ROOT
from tests.unit.loopback import free_port
from tests.unit.nameservers import holds, serving
from tests.unit.steps.night.zone import APP, OLD, ZONE, Amazon, Scripted
from tests.unit.two_hosts import TARGET, host, site

cloud = buckets.cloud
plan = buckets.plan


def trials(**given):
    parts = ("plan", "run", "dns", "cloud", "web", "databases", "source", "target")
    return rights._Trials(**{**dict.fromkeys(parts), **given})


# --- DNS --------------------------------------------------------------------------------------------------------------


@contextmanager
def zone(*values, rcode=dns.rcode.NOERROR, **more):
    """A name server that answers updates with this code, and what tries to put its record back."""

    def behave(query, response, kind):
        update = query.opcode() == dns.opcode.UPDATE
        return holds(rcode=rcode)(query, response, kind) if update else holds(*values, ttl=3600)(query, response, kind)

    with serving(behave, **more) as (server, known):
        yield server, trials(plan=SimpleNamespace(dns=known.plan), dns=known).of


TSIG = Right("dns.tsig", "changes the record", "app.example.test A")


def test_a_record_is_put_back_as_it_is_on_the_condition_that_it_is_so():
    with zone(OLD) as (server, of):
        assert of(TSIG) == ""
        _, update = server.seen[-1]
    assert [one.to_text() for one in update.prerequisite] == [f"app.example.test. 0 IN A {OLD}"]
    assert [one.to_text() for one in update.update][-1] == f"app.example.test. 3600 IN A {OLD}"
    assert update.had_tsig


@pytest.mark.parametrize(
    ("rcode", "kind"), [(dns.rcode.REFUSED, StepFailed), (dns.rcode.NOTAUTH, StepFailed), (dns.rcode.NXRRSET, Refused)]
)
def test_an_update_that_is_refused_or_whose_condition_fails_is_no_right(rcode, kind):
    with zone(OLD, rcode=rcode) as (_, of), pytest.raises(kind, match=dns.rcode.to_text(rcode)):
        of(TSIG)


def test_a_wrong_key_and_an_absent_record_are_no_right():
    another = base64.b64encode(b"another key").decode()
    with zone(OLD, secret=another) as (_, of), pytest.raises(StepFailed, match="TSIG"):
        of(TSIG)
    with zone() as (server, of), pytest.raises(Refused, match="no such record"):
        of(TSIG)
    assert [kind for kind, _ in server.seen] == ["udp"], "nothing was sent"


def test_route53_is_sent_the_same_values(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    held = {"Name": f"{APP.name}.", "Type": "A", "TTL": 3600, "ResourceRecords": [{"Value": OLD}]}
    amazon = Amazon(held)
    of = trials(plan=SimpleNamespace(dns=ZONE), dns=Scripted(([OLD], 3600)), cloud=amazon).of
    assert of(Right("dns.hosted_zone", "")) == ""
    assert amazon.sent == [("Z123", [upsert(rights.Change(APP, (OLD,), 3600))])]


def test_by_hand_nothing_can_be_tried():
    assert "person" in trials().of(Right("dns.provider", ""))


# --- the cloud --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [OPEN, CLOSE])
@pytest.mark.parametrize("public", ["0.0.0.0/0", str(PLAN.operator.address)])
def test_a_dry_run_changes_no_rule(run, plan, cloud, what, public):
    plan = with_(plan, target={"public": [PLAN.target.public[0].model_copy(update={"source": public})]})
    group = cloud.ec2.create_security_group(GroupName=f"{what} {public}", Description="a group")["GroupId"]
    run.record(FACTS.model_copy(update={"security_group_id": group}))
    before = cloud.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert trials(plan=plan, run=run, cloud=cloud).of(Right("target.security_group", "", what)) == ""
    assert cloud.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"] == before


class Ec2:
    def __init__(self, code):
        self.code = code

    def authorize_security_group_ingress(self, **asked):
        assert asked["DryRun"]
        if self.code:
            raise ClientError({"Error": {"Code": self.code, "Message": "words"}}, "AuthorizeSecurityGroupIngress")


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("UnauthorizedOperation", Refused, "ec2:AuthorizeSecurityGroupIngress"),
        ("ExpiredToken", CouldNotVerify, "ExpiredToken"),
        ("InvalidGroup.NotFound", GonogoError, "NotFound"),
        (None, StepFailed, "no dry run"),
    ],
)
def test_any_other_answer_than_that_of_a_dry_run_is_no_right(run, code, kind, words):
    run.record(FACTS)
    of = trials(plan=PLAN, run=run, cloud=SimpleNamespace(ec2=Ec2(code))).of
    with pytest.raises(kind, match=words):
        of(Right("target.security_group", "", OPEN))


class Installed:
    """A target whose job and configuration lie here; its commands are run here, as us."""

    def __init__(self, directory, configuration):
        self.shell, self.directory = self, directory
        (directory / "backup.json").write_text(json.dumps(configuration))

    def run(self, command, **_):
        assert shlex.split(command)[:4] == ["runuser", "-u", "postgres", "--"]
        _, *words, job, configuration, name = shlex.split(command)[4:]
        assert (job, configuration) == (str(rights.JOB), str(rights.CONFIGURATION))
        paths = [str(ROOT / "steps/keep/backup_job.py"), str(self.directory / "backup.json")]
        done = subprocess.run([sys.executable, *words, *paths, name], capture_output=True, check=False)
        return Output(done.returncode, done.stdout, done.stderr)


BUCKET = Right("backup.bucket", "")


def test_an_object_is_put_as_backups_are_and_is_gone_again(plan, cloud, tmp_path, monkeypatch):
    backups.ready_bucket(plan, cloud)
    deleted, delete = [], cloud.s3.delete_object

    def look_and_delete(**asked):
        deleted.append((asked["Key"], cloud.s3.head_object(Bucket=asked["Bucket"], Key=asked["Key"])))
        return delete(**asked)

    monkeypatch.setattr(cloud.s3, "delete_object", look_and_delete)
    target = Installed(tmp_path, json.loads(backups.configuration(plan)))
    assert trials(plan=plan, cloud=cloud, target=target).of(BUCKET) == ""
    [(key, there)] = deleted
    assert key.startswith(f"{plan.backup.prefix}/gonogo-trial-")
    assert there["ServerSideEncryption"] == "AES256"
    assert "Contents" not in cloud.s3.list_objects_v2(Bucket=plan.backup.bucket)


def test_what_the_bucket_refuses_is_told_in_one_line(plan, cloud, tmp_path):
    configuration = json.loads(backups.configuration(plan)) | {"bucket": "no-such-bucket-of-ours"}
    with pytest.raises(StepFailed, match=r"NoSuchBucket") as caught:
        trials(plan=plan, cloud=cloud, target=Installed(tmp_path, configuration)).of(BUCKET)
    assert "\n" not in caught.value.found
    assert "Traceback" not in caught.value.found


# --- logins -----------------------------------------------------------------------------------------------------------


def test_the_smoke_user_logs_in_on_the_target(run, monkeypatch):
    monkeypatch.setenv("SMOKE", "open sesame")
    run.record(FACTS.model_copy(update={"public_address": TARGET}))
    smoke = Smoke(user="anna", password={"env": "SMOKE"}, signed_in_text="Signed in as")
    port = free_port()
    with host(TARGET, port, site()):
        web, login = Web(f"app.example.test:{port}"), Right("smoke.password", "")
        assert trials(plan=SimpleNamespace(smoke=smoke), run=run, web=web).of(login) == ""
        other = smoke.model_copy(update={"signed_in_text": "Welcome back"})
        with pytest.raises(StepFailed, match="Welcome back"):
            trials(plan=SimpleNamespace(smoke=other), run=run, web=web).of(login)
        web.close()


@pytest.mark.parametrize("key", ["source.user", "source.sudo_password", "target.user"])
def test_commands_must_be_roots(key):
    hosts = {"source": Answers(), "target": Answers()}
    asked = hosts[key.partition(".")[0]]
    asked.answers += ["0\n", "1000\n"]
    assert trials(**hosts).of(Right(key, "")) == ""
    with pytest.raises(Refused, match="user 1000"):
        trials(**hosts).of(Right(key, ""))
    assert asked.asked == ["id -u"] * 2


class Db:
    host = SimpleNamespace(name="source")

    def __init__(self, value):
        self.value = value

    def rows(self, *asked, **_):
        return [(self.value,)]


def test_the_database_must_be_changed_by_a_superuser():
    right = Right("database.name", "", "target")
    assert trials(databases={"target": Db(True)}).of(right) == ""
    with pytest.raises(Refused, match="superuser"):
        trials(databases={"target": Db(False)}).of(right)


def test_on_production_rules_and_logins_are_tried_by_day(monkeypatch):
    right, seen, codes = Right("database.name", "", "source"), [], {}
    monkeypatch.setattr(rights.fence, "rules_file", lambda host, _: seen.append(host))
    monkeypatch.setattr(rights, "ask", lambda _, fact: codes.get(fact.role) if hasattr(fact, "role") else True)
    database = SimpleNamespace(dbname="payroll_prod", host=SimpleNamespace(name="source"))
    of = trials(plan=PLAN, databases={"source": database}, source="production").of
    codes["postgres"] = "28P01"
    assert of(right) == ""
    assert seen == ["production"]
    codes[PLAN.database.role] = "28000"
    with pytest.raises(Refused, match=r"database\.password"):
        of(right)

    def silent(*_):
        raise CouldNotVerify("the login", expected="a session", found="refused", remedy="see the server")

    monkeypatch.setattr(rights, "ask", silent)
    with pytest.raises(CouldNotVerify, match="the login"):
        of(right)


@pytest.mark.parametrize("which", ["source", "target"])
def test_nginx_itself_tries_the_file_that_would_close_the_site(monkeypatch, which):
    tried = []
    hosts = {"source": "production", "target": "the target"}
    monkeypatch.setattr(
        rights.maintenance, "prepare", lambda host, plan, as_it_lies: f"the site of {host}, {as_it_lies}"
    )
    monkeypatch.setattr(rights.maintenance, "prove", lambda *words: tried.append(words))
    right = next(one for one in needed_rights(PLAN) if one.name == f"web.site {which}")
    assert trials(plan=PLAN, **hosts).of(right) == ""
    ((host, site, page),) = tried
    assert (host, site) == (hosts[which], f"the site of {hosts[which]}, {which == 'target'}")
    assert "has been closed since" in page


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.fixture
def go(run, monkeypatch):
    """The step, with an error for each right that is refused."""

    def step(**errors):
        def of(self, right):
            if right.key in errors:
                raise errors[right.key]
            return ""

        monkeypatch.setattr(rights._Trials, "of", of)
        rights.try_rights.function(PLAN, run, *[None] * 7)

    return step


def refused(kind=StepFailed, found="REFUSED"):
    return kind("the thing", expected="yes", found=found, remedy="allow it")


def test_every_right_is_tried_and_recorded(go, run):
    go()
    tried = run.records(RightsTried).rights
    assert [one.right for one in tried] == [right.name for right in needed_rights(PLAN)]
    assert {one.verdict for one in tried} == {Verdict.GO}


def test_all_that_failed_is_named_at_once_and_the_others_are_tried_all_the_same(go, run):
    with pytest.raises(StepFailed, match="production is open and as it was") as caught:
        go(**{"dns.tsig": refused(), "smoke.password": refused(CouldNotVerify, "no answer")})
    first = needed_rights(PLAN)[0]
    assert f"{first.name} (the thing): REFUSED" in caught.value.found
    assert "smoke.password (the thing): no answer" in caught.value.found
    tried = {one.right: one for one in run.records(RightsTried).rights}
    assert len(tried) == len(needed_rights(PLAN))
    assert (tried[first.name].verdict, tried["smoke.password"].verdict) == (Verdict.NO_GO, Verdict.COULD_NOT_VERIFY)
    assert tried["database.name target"].verdict is Verdict.GO


def test_where_nobody_answered_nothing_is_said_against_a_right(go):
    with pytest.raises(CouldNotVerify, match="no answer"):
        go(**{"smoke.password": refused(CouldNotVerify, "no answer")})


def test_a_right_without_a_trial_is_never_granted():
    with pytest.raises(KeyError, match="no trial"):
        trials().of(Right("dns.zone", ""))


def test_it_is_handed_nothing_that_may_change_production():
    assert not rights.try_rights.writes_to_source
    assert not rights.try_rights.handed & {"open_source", "open_source_db"}
