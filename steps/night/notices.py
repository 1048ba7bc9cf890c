"""Telling people ahead of time: the notice goes out through every channel of the plan, once."""

import contextlib
import smtplib
import ssl
import subprocess
from email.message import EmailMessage
from email.utils import format_datetime

from fixtures import environment, wording
from fixtures.connect.deadline import shut, within
from fixtures.connect.host import Host
from fixtures.errors import GonogoError, Refused, StepFailed
from fixtures.facts import notice
from fixtures.plan import Channel, Command, Mail, Page, Plan
from fixtures.plan.waivers import load_signed
from fixtures.policy import notices
from fixtures.run.evidence import now
from fixtures.run.places import HELD
from fixtures.run.records import Delivery, Notices
from fixtures.run.run import Run, runs_of
from fixtures.scripts import script
from steps.step import step

SECONDS = 60
"""How long a mail server or a command may take."""

_DEFINITE = (
    smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError, smtplib.SMTPHeloError,
    smtplib.SMTPNotSupportedError,
)  # fmt: skip
"""Errors by which the server itself says that it did not take the mail."""


@step(needs=["source_surveyed"], gives=["notice_published"], writes_to_source="the notice, as a page that users see")
def publish_notice(plan: Plan, run: Run, open_source: Host) -> None:
    """Tell users and internal users when production will be closed, through every channel of the plan, once."""
    mistakes = misleading(plan)
    if mistakes:
        raise Refused(
            "the notice",
            expected="words that nobody misreads",
            found="".join(f"\n    - {line}" for line in mistakes),
            remedy="correct [notice] in the plan; nothing was published",
        )
    deliveries = Deliveries(run, plan)
    told = [deliveries.find(channel, notices.render(plan, channel.audience)) for channel in plan.notice.channels]
    if late := notices.too_late(plan, now(), unpublished=any(one.published is None for one in told)):
        raise Refused(
            "the notice",
            expected="a window that can still be announced",
            found=f"{late}; it is {wording.moment(now(), plan.notice.zone)}",
            remedy="move notice.starts in the plan to a later time, then run the same command again; nothing was published",
        )
    for channel in plan.notice.channels:
        text = notices.render(plan, channel.audience)
        delivery = deliveries.find(channel, text)
        match channel:
            case Page():
                _page(open_source, channel, delivery, deliveries)
            case Mail():
                _mail(plan, channel, delivery, deliveries)
            case Command():
                _command(plan, channel, delivery, deliveries)
    deliveries.keep()


def misleading(plan: Plan) -> list[str]:
    """What is wrong with the notices of a plan, before anybody reads them."""
    announced = notices.announced(plan)
    audiences = dict.fromkeys(channel.audience for channel in plan.notice.channels)
    found = [f"to {who}: {m}" for who in audiences for m in wording.lint(notices.render(plan, who), announced)]
    start = notices.mistaken_start(plan)
    return [*([f"notice.starts: {start}"] if start else []), *found]


class Deliveries:
    """The run's record of deliveries. A text that an earlier run of the plan delivered counts as delivered."""

    def __init__(self, run: Run, plan: Plan) -> None:
        self._run = run
        self._deliveries: dict[str, Delivery] = {}
        self._earlier: dict[str, Delivery] = {}
        for earlier in runs_of(plan, run.directory.parent):
            if earlier.name <= run.name and earlier.readable and earlier.has(Notices):
                self._earlier |= earlier.records(Notices).deliveries

    def find(self, channel: Channel, text: str) -> Delivery:
        """The delivery of this text through this channel: the earlier one, or a new one."""
        key = notices.delivery_key(channel, text)
        if key not in self._deliveries:
            new = Delivery(channel=channel.name, audience=channel.audience, text=text)
            self._deliveries[key] = self._earlier.get(key, new)
        return self._deliveries[key]

    def keep(self) -> None:
        """Write the record; it is on disk when this returns."""
        self._run.record(Notices(deliveries=self._deliveries))


def _page(source: Host, page: Page, delivery: Delivery, deliveries: Deliveries) -> None:
    path, wanted = str(page.file), notices.snippet(delivery.text)
    there = source.file(path).exists
    old = source.read_file(path) if there else ""
    if there and notices.MARK not in old:
        raise Refused(
            f"{path} on the source",
            expected="no file, or a notice that gonogo wrote",
            found="somebody else's file",
            remedy="move it away, or name another file in notice.channels; it was not changed",
        )
    if old != wanted:
        # In the record before it is on production, so that a back-out knows of it even if gonogo dies now.
        deliveries.keep()
        # Only from now on can it be seen, whatever an earlier run showed.
        source.write_file(path, wanted)
        delivery.published = now()
    delivery.published = delivery.published or now()
    deliveries.keep()


_WITHDRAW = script(__file__, "withdraw_page.sh")


def withdraw(source: Host, plan: Plan) -> list[str]:
    """Take gonogo's notices off production's pages, into the directory of held files; the paths that were there."""
    gone = []
    for channel in plan.notice.channels:
        if isinstance(channel, Page):
            kept = HELD / channel.file.name
            gone += source.check([*_WITHDRAW, str(channel.file), notices.MARK, str(kept)]).splitlines()
    return gone


# --- mail ---------------------------------------------------------------------------------------------------------------


def message(channel: Mail, delivery: Delivery, to: list[str]) -> EmailMessage:
    """The mail as it is sent."""
    subject, body = notices.letter(delivery.text)
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = channel.sender, ", ".join(to), subject
    mail["Date"], mail["Message-ID"] = format_datetime(now()), delivery.message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(body)
    return mail


def _mail(plan: Plan, channel: Mail, delivery: Delivery, deliveries: Deliveries) -> None:
    if delivery.message_id and delivery.published is None:
        _settle(plan, channel, delivery)
        deliveries.keep()
    to = [address for address in channel.to if address not in delivery.accepted]
    if not to:
        return
    delivery.message_id = delivery.message_id or _message_id(channel, delivery)
    what = f"the mail server {channel.server}:{channel.port}"
    before = delivery.published
    try:
        server = _connect(channel)
    except (OSError, smtplib.SMTPException) as error:
        raise _undelivered(what, f"{type(error).__name__}: {error}") from None
    try:
        # Until the server's answer is recorded, nobody can say whether the mail went out.
        delivery.published = None
        deliveries.keep()
        refused = server.send_message(message(channel, delivery, to), channel.sender, to)
        delivery.accepted += [address for address in to if address not in refused]
        delivery.published = now()
        deliveries.keep()
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.quit()
    except _DEFINITE as error:
        delivery.published = before
        delivery.message_id = delivery.message_id if before else ""
        deliveries.keep()
        raise _undelivered(what, str(error)) from None
    except (OSError, smtplib.SMTPException) as error:
        raise _undelivered(what, f"{type(error).__name__}: {error}") from None
    finally:
        server.close()
    if refused:
        raise _undelivered(what, "; ".join(f"{address}: {answer}" for address, answer in refused.items()))


class _Server(smtplib.SMTP):
    """A session whose answers come whole and in time; smtplib's own limit is one for each part that arrives."""

    def getreply(self) -> tuple[int, bytes]:
        with within(SECONDS, lambda: shut(self.sock)) as limit:
            try:
                return super().getreply()
            except smtplib.SMTPException:
                if limit.passed:
                    raise TimeoutError(f"no whole answer within {SECONDS:g} seconds") from None
                raise


class _TlsServer(_Server, smtplib.SMTP_SSL):
    pass


def _message_id(channel: Mail, delivery: Delivery) -> str:
    return f"<gonogo-{notices.delivery_key(channel, delivery.text)}@{channel.sender.rpartition('@')[2]}>"


def _connect(channel: Mail) -> smtplib.SMTP:
    """A session with the mail server, encrypted where it can be, logged in where the plan says so."""
    context = ssl.create_default_context()
    if channel.user is None:
        # Without a password to lose, any encryption is better than none: many relays carry a certificate of their own.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if channel.port == smtplib.SMTP_SSL_PORT:
        server: smtplib.SMTP = _TlsServer(channel.server, channel.port, timeout=SECONDS, context=context)
    else:
        server = _Server(channel.server, channel.port, timeout=SECONDS)
    try:
        server.ehlo()
        encrypted = channel.port == smtplib.SMTP_SSL_PORT
        if not encrypted and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
            encrypted = True
        if channel.user is not None:
            _log_in(server, channel, encrypted=encrypted)
    except BaseException:
        server.close()
        raise
    return server


def _log_in(server: smtplib.SMTP, channel: Mail, *, encrypted: bool) -> None:
    if not encrypted:
        raise Refused(
            f"the mail server {channel.server}:{channel.port}",
            expected="STARTTLS, before a password is sent to it",
            found="it offers none",
            remedy="name its port for submission (587 or 465), or take user and password out of the channel",
        )
    server.login(channel.user or "", channel.password.reveal() if channel.password else "")


def _settle(plan: Plan, channel: Mail, delivery: Delivery) -> None:
    """Find out whether a mail went out whose answer nobody wrote down; raises `StepFailed` when nobody can say."""
    arrived = f"{delivery.message_id} arrived"
    missing = f"{delivery.message_id} did not arrive"
    signed = load_signed(plan, now().astimezone().date())
    if (channel.seen_by and delivery.message_id in notice.seen(plan, channel.seen_by)) or signed.newest(arrived):
        delivery.accepted, delivery.published = list(channel.to), now()
    elif signed.newest(missing):
        delivery.published = None
    else:
        raise StepFailed(
            f"the {delivery.channel}",
            expected="the mail server's answer",
            found="an earlier attempt broke off before it was written down: it may have gone out or not",
            remedy=f"look into a mailbox, then put an [[attestation]] beside the plan (plan.waivers.toml) with "
            f'what = "{arrived}" or what = "{missing}", and run the same command again',
        )


# --- a command ----------------------------------------------------------------------------------------------------------


def _command(plan: Plan, channel: Command, delivery: Delivery, deliveries: Deliveries) -> None:
    if delivery.published is not None:
        return
    if not notices.printed_in(notice.seen(plan, channel.seen_by), delivery.text):
        what = f"the command {channel.command[0]}"
        try:
            done = subprocess.run(
                channel.command, cwd=plan.path.parent, input=delivery.text, capture_output=True, encoding="utf-8",
                errors="replace", env=environment.given(), timeout=SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _undelivered(what, str(error)) from None
        if done.returncode != 0:
            raise _undelivered(what, f"exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
    delivery.published = now()
    deliveries.keep()


def _undelivered(what: str, found: str) -> GonogoError:
    return StepFailed(
        what,
        expected="the notice to be taken",
        found=found,
        remedy="mend what it names and run the same command again: nobody gets the notice twice",
    )
