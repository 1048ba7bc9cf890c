"""Every right that the night needs is tried by day: nothing is found to be refused once production is closed."""

import logging
import secrets
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from fixtures.connect.cloud import Cloud, aws_errors
from fixtures.connect.database import SUPERUSER, Database
from fixtures.connect.host import Host
from fixtures.connect.nameservers import Dns
from fixtures.connect.web import Web
from fixtures.errors import CouldNotVerify, GonogoError, Refused, StepFailed
from fixtures.facts import machine, server
from fixtures.facts.backups import CONFIGURATION, JOB
from fixtures.facts.fact import ask
from fixtures.facts.logins import as_superuser, with_own_login
from fixtures.facts.network import BrowseFact
from fixtures.plan import DnsRecord, Plan
from fixtures.plan.rights import OPEN, Right, needed_rights
from fixtures.policy import ingress, notices
from fixtures.run.evidence import Problem, Verdict, now
from fixtures.run.records import RightsTried, TargetFacts, TriedRight
from fixtures.run.run import Run
from fixtures.scripts import text
from steps.night.dns import provider_of
from steps.night.providers import Change
from steps.provision.firewall import permission
from steps.step import step
from steps.tools import fence, maintenance

log = logging.getLogger(__name__)

LIMIT = 120.0
"""Seconds that the target gets to put its object: boto3 tries more than once."""

_PUT = text(__file__, "put_object.py")


@step(needs=["ttl_lowered", "application_running", "backed_up"], gives=["rights_tried"])
def try_rights(
    plan: Plan,
    run: Run,
    dns: Dns,
    cloud: Cloud,
    web: Web,
    source: Host,
    source_db: Database,
    target: Host,
    target_db: Database,
) -> None:
    """Try every right that the night needs, and change nothing by it: DNS, firewall, backups, logins, root, superuser, nginx."""
    trials = _Trials(plan, run, dns, cloud, web, {"source": source_db, "target": target_db}, source, target)
    tried = [_tried(right, trials.of) for right in needed_rights(plan)]
    run.record(RightsTried(rights=tried))
    if failed := [one for one in tried if one.problem]:
        raise _failed(failed, len(tried))


def _tried(right: Right, trial: Callable[[Right], str]) -> TriedRight:
    """What came of one trial, whatever it was."""
    try:
        untried = trial(right)
    except GonogoError as error:
        verdict = Verdict.COULD_NOT_VERIFY if isinstance(error, CouldNotVerify) else Verdict.NO_GO
        log.info("%s: %s, %s", right.name, verdict.value, error.found)
        return TriedRight(right=right.name, at=now(), verdict=verdict, problem=Problem.of(error))
    log.info("%s: %s", right.name, untried or "granted")
    return TriedRight(right=right.name, at=now(), verdict=Verdict.GO, untried=untried)


def _failed(failed: Sequence[TriedRight], count: int) -> GonogoError:
    """One error about all that failed, each by the plan's key."""
    kind = StepFailed if any(one.verdict is Verdict.NO_GO for one in failed) else CouldNotVerify
    problems = {one.right: one.problem for one in failed if one.problem}
    return kind(
        "the rights that the night needs",
        expected=f"each of the {count} granted",
        found="; ".join(f"{right} ({problem.subject}): {problem.found}" for right, problem in problems.items()),
        remedy="production is open and as it was; mend them all, then run the same command again: "
        + "; ".join(f"{right}: {problem.remedy}" for right, problem in problems.items()),
    )


@dataclass(frozen=True)
class _Trials:
    """One trial for each key; each raises `GonogoError` where the right was not granted."""

    plan: Plan
    run: Run
    dns: Dns
    cloud: Cloud
    web: Web
    databases: dict[str, Database]
    source: Host
    target: Host

    def of(self, right: Right) -> str:
        """Try a right; why nothing could be tried, "" where it was."""
        match right.key:
            case "dns.tsig" | "dns.hosted_zone":
                self._put_back([record for record in self.plan.dns.records if right.of in ("", str(record))])
            case "dns.provider":
                return "a person changes the zone, which nobody can try"
            case "target.security_group":
                self._change_no_rule(right.of)
            case "backup.bucket":
                self._put_and_delete()
            case "smoke.password":
                self._log_in()
            case "source.sudo_password" | "source.user":
                _must_be_root(self.source)
            case "target.user":
                _must_be_root(self.target)
            case "database.name":
                _must_be_superuser(self.databases[right.of])
                if right.of == "source":
                    self._could_shut()
            case "web.site":
                ours = right.of == "target"
                host = self.target if ours else self.source
                prepared = maintenance.prepare(host, self.plan, as_it_lies=ours)
                maintenance.prove(host, prepared, notices.outage_page(self.plan, now()))
            case _:
                raise KeyError(f"there is no trial of {right.key}")
        return ""

    def _could_shut(self) -> None:
        """See that pg_hba.conf could be replaced, and try the logins by which the closing is proven."""
        db = self.databases["source"]
        fence.rules_file(self.source, db)
        ask(db, as_superuser(self.plan))  # whatever it says: by night it must say no, and here that it says anything
        if code := ask(db, with_own_login(self.plan)):
            raise Refused(
                f"logging in to {db.dbname} on the source as {self.plan.database.role}",
                expected="accepted, while production is open",
                found=f"SQLSTATE {code}",
                remedy="mend database.password in the plan: it must be the one that production's application uses",
            )

    def _put_back(self, records: Sequence[DnsRecord]) -> None:
        """Have records hold what they hold, on the condition that they still do."""
        changes = []
        for record in records:
            answer = self.dns.ask(self.plan.dns.primary, record.name, record.type)
            if answer.ttl is None:
                raise Refused(
                    f"the record {record} on {self.plan.dns.primary.name}",
                    expected="a record to put back as it is",
                    found="no such record",
                    remedy="mend dns.records in the plan, or the zone",
                )
            changes.append(Change(record, answer.values, answer.ttl, expected=answer.values))
        provider_of(self.plan, self.dns, self.cloud).change(changes)

    def _change_no_rule(self, what: str) -> None:
        """Ask EC2 whether we might change the rules that the night changes, by its dry run."""
        group = self.run.records(TargetFacts).security_group_id
        before = ingress.before_opening(self.plan)
        rules = (ingress.when_open(self.plan) - before) or before if what == OPEN else before
        ec2 = self.cloud.ec2
        call = ec2.authorize_security_group_ingress if what == OPEN else ec2.revoke_security_group_ingress
        subject = f"the dry run: {what} ingress of {group}"
        with aws_errors(subject):
            try:
                call(GroupId=group, IpPermissions=[permission(rule) for rule in sorted(rules)], DryRun=True)
            except ClientError as error:
                match error.response.get("Error", {}).get("Code"):
                    case "DryRunOperation":
                        return
                    case "UnauthorizedOperation":
                        raise Refused(
                            subject,
                            expected="allowed",
                            found="UnauthorizedOperation",
                            remedy=f"allow ec2:{'Authorize' if what == OPEN else 'Revoke'}SecurityGroupIngress to these "
                            "credentials (`aws sts get-caller-identity` shows whose they are)",
                        ) from None
                raise
        raise StepFailed(
            subject,
            expected="DryRunOperation",
            found="an answer as if it had been no dry run",
            remedy="see the rules of the group: `pytest checks/ -m firewall_ready`; Amazon's own EC2 answers a dry run",
        )

    def _put_and_delete(self) -> None:
        """Have the target put an object below the backups' prefix, encrypted as its backups are, and delete it."""
        backup, name = self.plan.backup, f"gonogo-trial-{secrets.token_hex(8)}"
        key = f"{backup.prefix}/{name}"
        put = ["/usr/bin/python3", "-B", "-c", _PUT, str(JOB), str(CONFIGURATION), name]
        done = self.target.shell.run(shlex.join(["runuser", "-u", SUPERUSER, "--", *put]), timeout=LIMIT)
        if done.code != 0:
            raise StepFailed(
                f"putting {key} into {backup.bucket} from the target",
                expected="success, as its backups have it",
                found=done.errors[-300:] or f"exit code {done.code}",
                remedy="see what the role of target.instance_profile may do, and the key of backup.kms_key",
            )
        with aws_errors(f"deleting {key} from {backup.bucket} again"):
            self.cloud.s3.delete_object(Bucket=backup.bucket, Key=key, ExpectedBucketOwner=self.plan.target.account)

    def _log_in(self) -> None:
        """Log in on the target, which holds a copy: where a login writes, nothing of production is written."""
        smoke, address = self.plan.smoke, self.run.records(TargetFacts).public_address
        landing = ask(self.web, BrowseFact(address, smoke, ())).landing
        if smoke.signed_in_text not in landing.text:
            raise StepFailed(
                f"logging in as {smoke.user} at {address}",
                expected=f"a page with '{smoke.signed_in_text}'",
                found=f"status {landing.status} and a page without it",
                remedy=f"correct it: {smoke.password}; where production's was changed, `gonogo rehearse` copies it",
            )


def _must_be_root(host: Host) -> None:
    """The connection was opened for this step: its login and its sudo are of now."""
    user = ask(host, machine.USER)
    if user != "0":
        raise Refused(
            f"our commands on the {host.name}",
            expected="user 0, root",
            found=f"user {user}",
            remedy="see sudoers there",
        )


def _must_be_superuser(db: Database) -> None:
    if not ask(db, server.MAY_CHANGE):
        raise Refused(
            f"{SUPERUSER} in PostgreSQL on the {db.host.name}",
            expected="a superuser on a server that takes writes",
            found="no superuser, or a standby",
            remedy=f"ALTER ROLE {SUPERUSER} SUPERUSER, or name in the plan the host whose PostgreSQL is no standby",
        )
