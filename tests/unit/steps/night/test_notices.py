"""Notices are published once through each channel: mail, page and command."""

import ssl
import subprocess
from datetime import timedelta
from types import SimpleNamespace

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from checks import check_notice
from fixtures.errors import CouldNotVerify, NoGo, Refused, StepFailed
from fixtures.plan import parse_plan
from fixtures.policy import notices, window
from fixtures.run.evidence import now
from fixtures.run.records import Delivery, Notices
from fixtures.run.run import Run
from steps.back_out.back_out import plan_back_out
from steps.night import notices as publishing
from tests.unit import announcements
from tests.unit.announcements import plan_with
from tests.unit.example import EXAMPLE_TEXT
from tests.unit.loopback import free_port

page_plan = announcements.page_plan


@pytest.fixture(autouse=True)
def clock():
    """Have the step see a clock that goes on from a day before the notice is due; call it to set another moment."""

    with pytest.MonkeyPatch.context() as patch:

        def at(moment):
            ahead = moment - now()
            patch.setattr(publishing, "now", lambda: now() + ahead)

        at(notices.due(plan_with()) - timedelta(days=1))
        yield at


# --- publishing: mail -------------------------------------------------------------------------------------------------


class Sink:
    """A mail server's end: what it took, and what it refuses."""

    def __init__(self, refuse: str = "") -> None:
        self.taken: list = []
        self.refuse = refuse

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's
        if address == self.refuse:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's
        self.taken.append((envelope.rcpt_tos, envelope.content.decode(), session.ssl is not None, session.auth_data))
        return "250 OK"


@pytest.fixture
def serve():
    running = []

    def start(sink, **options):
        running.append(Controller(sink, hostname="127.0.0.1", port=free_port(), **options))
        running[-1].start()
        return running[-1].port

    yield start
    for one in running:
        one.stop()


def mail_plan(directory, port, more=""):
    text = EXAMPLE_TEXT[: EXAMPLE_TEXT.index("channels = [")] + (
        'channels = [{ kind = "mail", audience = "users", server = "127.0.0.1", '
        f'port = {port}, sender = "ops@x.test", to = ["a@x.test", "b@x.test"]{more} }}]\n'
    ) + EXAMPLE_TEXT[EXAMPLE_TEXT.index("[rehearsal]") :]  # fmt: skip
    directory.mkdir(exist_ok=True)
    (directory / "plan.toml").write_text(text)
    return parse_plan(text, directory / "plan.toml")


def publish(plan, run, source=None):
    publishing.publish_notice.function(plan, run, source)


def delivery(run):
    (one,) = run.records(Notices).deliveries.values()
    return one


def test_a_mail_goes_out_once_however_often_the_step_runs(tmp_path, run, serve):
    sink = Sink()
    plan = mail_plan(tmp_path, serve(sink))
    publish(plan, run)
    publish(plan, run)
    later = Run(run.directory.with_name("20261102T000000Z-smallpayroll"))
    later.directory.mkdir()
    publish(plan, later)
    ((to, content, *_),) = sink.taken
    assert to == ["a@x.test", "b@x.test"]
    one = delivery(later)
    assert f"Message-ID: {one.message_id}" in content
    assert (one.accepted, one.published) == (to, delivery(run).published)
    (channel,) = plan.notice.channels
    check_notice.check_mail_server_took_it_for_everyone(channel, plan, later)


def test_only_those_who_were_refused_are_mailed_again(tmp_path, run, serve):
    sink = Sink(refuse="b@x.test")
    plan = mail_plan(tmp_path, serve(sink))
    (channel,) = plan.notice.channels
    with pytest.raises(StepFailed, match=r"b@x\.test.*no such user"):
        publish(plan, run)
    with pytest.raises(NoGo, match=r"not taken for b@x\.test"):
        check_notice.check_mail_server_took_it_for_everyone(channel, plan, run)
    sink.refuse = ""
    publish(plan, run)
    assert [to for to, *_ in sink.taken] == [["a@x.test"], ["b@x.test"]]


@pytest.mark.parametrize("answer", ["554 no", "drop"])
def test_a_refused_mail_is_sent_again_but_one_in_doubt_never_is(tmp_path, run, serve, answer, monkeypatch):
    sink = Sink()
    plan = mail_plan(tmp_path, serve(sink))

    async def handle(server, session, envelope):
        if answer == "drop":
            sink.taken.append((envelope.rcpt_tos, envelope.content.decode(), False, None))
            server.transport.close()
        return answer

    monkeypatch.setattr(sink, "handle_DATA", handle)
    with pytest.raises(StepFailed, match=r"127\.0\.0\.1"):
        publish(plan, run)
    monkeypatch.undo()
    if answer != "drop":
        publish(plan, run)
        assert len(sink.taken) == 1
        return
    with pytest.raises(StepFailed, match="it may have gone out or not") as caught:
        publish(plan, run)
    assert len(sink.taken) == 1
    what = delivery(run).message_id
    assert f"{what} arrived" in caught.value.remedy
    signed = '[[attestation]]\nwhat = "{}"\nwho = "Olga"\nwhen = 2020-01-01\nhow = "looked into the mailbox"\n'
    (tmp_path / "plan.waivers.toml").write_text(signed.format(f"{what} arrived"))
    publish(plan, run)
    assert len(sink.taken) == 1
    assert delivery(run).published


def test_a_mail_in_doubt_that_its_readers_see_has_gone_out(tmp_path, run, serve):
    sink = Sink()
    plan = mail_plan(tmp_path, serve(sink), ', seen_by = ["cat", "mailbox"]')
    (channel,) = plan.notice.channels
    text = notices.render(plan, "users")
    key = notices.delivery_key(channel, text)
    run.record(Notices(deliveries={key: Delivery(channel="m", audience="users", text=text, message_id="<1@x>")}))
    (tmp_path / "mailbox").write_text("Message-ID: <1@x>\n")
    publish(plan, run)
    assert sink.taken == []
    check_notice.check_readers_see_it(channel, plan, run)
    (tmp_path / "mailbox").write_text("nothing\n")
    with pytest.raises(NoGo, match="without it"):
        check_notice.check_readers_see_it(channel, plan, run)
    (tmp_path / "mailbox").unlink()
    with pytest.raises(CouldNotVerify, match="seen_by"):
        check_notice.check_readers_see_it(channel, plan, run)


def test_nobody_there_is_an_error_that_leaves_nothing_in_doubt(tmp_path, run, serve):
    plan = mail_plan(tmp_path, free_port())
    for _ in range(2):
        with pytest.raises(StepFailed, match="ConnectionRefused"):
            publish(plan, run)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    key, certificate = directory / "key.pem", directory / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=relay",
         "-keyout", key, "-out", certificate], check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_starttls_is_used_where_it_is_offered(tmp_path, run, serve, certificate):
    sink = Sink()
    publish(mail_plan(tmp_path, serve(sink, tls_context=certificate)), run)
    ((_, _, encrypted, _),) = sink.taken
    assert encrypted


LOGIN = ', user = "olga", password = { env = "SMTP_TEST" }'


def test_a_password_is_never_sent_in_the_clear_nor_to_a_stranger(tmp_path, run, serve, certificate, monkeypatch):
    monkeypatch.setenv("SMTP_TEST", "s3cret")
    asked = []

    def authenticate(server, session, envelope, mechanism, data):
        asked.append(data.password)
        return AuthResult(success=True)

    clear = serve(Sink(), authenticator=authenticate, auth_require_tls=False)
    with pytest.raises(Refused, match="STARTTLS"):
        publish(mail_plan(tmp_path, clear, LOGIN), run)
    stranger = serve(Sink(), authenticator=authenticate, tls_context=certificate)
    with pytest.raises(StepFailed, match="certificate"):
        publish(mail_plan(tmp_path, stranger, LOGIN), run)
    assert asked == []


# --- publishing: pages and commands -----------------------------------------------------------------------------------


class Source:
    """Production's files, in a dictionary."""

    def __init__(self):
        self.files = {}

    def file(self, path):
        return SimpleNamespace(exists=path in self.files)

    def read_file(self, path):
        return self.files[path]

    def write_file(self, path, content):
        self.files[path] = content


PAGE = "/home/payroll/shared/notice.html"


def test_a_page_is_written_once_and_again_when_it_was_taken_down(page_plan, run):
    source = Source()
    publish(page_plan, run, source)
    first = delivery(run).published
    assert notices.shown_in(source.files[PAGE], notices.render(page_plan, "users"))
    publish(page_plan, run, source)
    assert delivery(run).published == first
    source.files.clear()
    publish(page_plan, run, source)
    assert delivery(run).published > first


def test_nobody_is_told_of_a_window_that_is_past(page_plan, run, clock):
    source = Source()
    publish(page_plan, run, source)
    source.files.clear()
    clock(window.last_moment(page_plan) + timedelta(seconds=1))
    with pytest.raises(Refused, match="nothing was published"):
        publish(page_plan, run, source)
    assert not source.files


def test_nobody_is_told_later_than_the_plan_promises_but_a_page_that_was_there_is_put_back(page_plan, run, clock):
    source, late = Source(), notices.due(page_plan) + timedelta(seconds=1)
    clock(late)
    with pytest.raises(Refused, match="it had to be out by"):
        publish(page_plan, run, source)
    assert not source.files
    assert not run.has(Notices)
    clock(late - timedelta(seconds=2))
    publish(page_plan, run, source)
    source.files.clear()
    clock(late)
    publish(page_plan, run, source)
    assert source.files


def test_a_page_whose_writer_died_is_known_to_the_back_out(page_plan, run):
    class Dies(Source):
        def write_file(self, path, content):
            super().write_file(path, content)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(page_plan, run, Dies())
    assert any("notice is taken off production" in sentence for sentence in plan_back_out(run))
    assert delivery(run).published is None


def test_a_foreign_file_is_never_overwritten(page_plan, run):
    source = Source()
    source.files[PAGE] = "<p>ours</p>"
    with pytest.raises(Refused, match="somebody else's"):
        publish(page_plan, run, source)
    assert source.files[PAGE] == "<p>ours</p>"


def test_a_misleading_notice_reaches_nobody(run):
    plan = plan_with(starts="2026-12-06T00:00:00-05:00")
    with pytest.raises(Refused, match="00:00"):
        publish(plan, run, Source())


def test_a_command_gets_the_text_once(tmp_path, run):
    command = '{ kind = "command", audience = "users", command = ["tee", "-a", "chat"], seen_by = ["cat", "chat"] }'
    text = (
        EXAMPLE_TEXT[: EXAMPLE_TEXT.index("channels = [")]
        + f"channels = [{command}]\n"
        + EXAMPLE_TEXT[EXAMPLE_TEXT.index("[rehearsal]") :]
    )
    plan = parse_plan(text, tmp_path / "plan.toml")
    (channel,) = plan.notice.channels
    (tmp_path / "chat").write_text("hello\n")
    with pytest.raises(CouldNotVerify, match=r"notices\.json"):
        check_notice.check_readers_see_it(channel, plan, run)
    publish(plan, run)
    publish(plan, run)
    assert (tmp_path / "chat").read_text() == "hello\n" + notices.render(plan, "users")
    check_notice.check_readers_see_it(channel, plan, run)
