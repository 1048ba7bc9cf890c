"""What users are told: rendered, linted, published once through each channel, and found where they look."""

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from hypothesis import given
from hypothesis import strategies as st

from checks import check_notice
from fixtures import wording
from fixtures.errors import CouldNotVerify, GonogoError, NoGo, Refused, StepFailed
from fixtures.plan import Plan, parse_plan
from fixtures.policy import notices
from fixtures.run.evidence import now
from fixtures.run.records import Delivery, Notices
from fixtures.run.run import Run
from steps.back_out.back_out import plan_back_out
from steps.night import notices as publishing
from tests.unit.loopback import free_port

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "docs" / "plan.example.toml").read_text()
START = "2026-12-06T01:00:00-05:00"


def plan_with(directory: Path = ROOT / "docs", **changes: str) -> Plan:
    text = EXAMPLE
    for old, new in changes.items():
        text = text.replace({"starts": START, "zone": '"America/Toronto"', "lead": '"P14D"'}.get(old, old), new)
    return parse_plan(text, directory / "plan.toml")


@pytest.fixture
def plan() -> Plan:
    return plan_with()


# --- words --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audience", ["users", "internal"])
def test_what_gonogo_writes_passes_its_own_rules(plan, audience):
    text = notices.render(plan, audience)
    assert wording.lint(text, notices.announced(plan)) == []
    for part in (
        "01:00 on Sunday 6 December 2026 (America/Toronto, UTC-05:00)",
        "1 hour",
        "safe",
        "support@smallpayroll.test",
    ):
        assert part in text
    assert publishing.misleading(plan) == []


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    st.sampled_from(["America/Toronto", "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]),
    st.integers(1, 20_000),
)
def test_any_window_is_told_rightly_or_stands_at_twelve(start, zone, length):
    starts = start.replace(microsecond=0, tzinfo=UTC)
    ends = starts + timedelta(minutes=length)
    told = wording.Told(starts, ends, zone, "ann@example.test")
    clocks = " ".join(wording.clock_changes(told))
    text = f"from {wording.moment(starts, zone)} to {wording.moment(ends, zone)}. {clocks} safe; ann@example.test"
    mistakes = wording.lint(text, told)
    at_twelve = any(wording.moment(at, zone)[:5] in ("00:00", "12:00") for at in (starts, ends))
    assert bool(mistakes) == at_twelve, mistakes


@given(
    st.sampled_from(
        ["12:00 am", "12:00 PM", "12 a.m.", "12pm", "Noon", "at midnight", "midday", "tonight", "Tomorrow", "today",
         "24:00", "0:00", "next Sunday", "this weekend"]
    ),
    st.sampled_from(["\n", " ", ", "]),
)  # fmt: skip
def test_words_that_mislead_are_found_anywhere(word, between):
    plan = plan_with()
    text = notices.render(plan, "users") + between + word + between + "and so on."
    (*_, mistake) = wording.lint(text, notices.announced(plan))
    assert "it says" in mistake


@pytest.mark.parametrize("good", ["afternoon", "UTC+12:00", "+00:00", "10:00", "112 am-", "00:001", "the 12 amounts"])
def test_words_that_only_look_like_them_are_not(plan, good):
    assert wording.lint(f"{notices.render(plan, 'users')} {good}", notices.announced(plan)) == []


def test_names_are_no_words_of_the_text():
    plan = plan_with(**{"support@smallpayroll.test": "midnight@noon.test"})
    assert wording.lint(notices.render(plan, "users"), notices.announced(plan)) == []


@pytest.mark.parametrize(
    ("gone", "missing"),
    [("01:00", "when it begins"), ("03:00", "when it ends"), ("6 December 2026", "the date"), ("America/Toronto", "the time zone"),
     ("-05:00", "the offset"), ("safe", "that data is safe"), ("support@smallpayroll.test", "whom to ask")],
)  # fmt: skip
def test_whatever_is_missing_is_named(plan, gone, missing):
    (mistake,) = wording.lint(notices.render(plan, "users").replace(gone, "?"), notices.announced(plan))
    assert missing in mistake


def test_the_outage_page_holds_to_the_rules_at_any_moment(plan):
    for minute in range(0, 1440, 7):
        closed = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minute)
        told = notices.closed_since(plan, closed)
        page = notices.outage_page(plan, closed)
        assert wording.lint(notices.visible(page), told) == []
        assert "support@smallpayroll.test" in page
    noon = datetime(2026, 11, 1, 17, 0, tzinfo=UTC)
    assert "11:59" in notices.outage_text(plan, noon)
    assert "13:00" in notices.outage_text(plan, noon)


# --- clocks -------------------------------------------------------------------------------------------------------------


def test_a_window_over_a_change_of_the_clocks_says_so():
    plan = plan_with(starts="2026-11-01T00:30:00-04:00")
    text = notices.render(plan, "users")
    assert "The clocks change meanwhile, from UTC-04:00 to UTC-05:00." in text
    assert "The clocks go back then: of the two times 01:30, the second one is meant." in text
    assert wording.lint(text, notices.announced(plan)) == []
    silent = text.replace("clocks", "hours")
    assert "the clocks change" in wording.lint(silent, notices.announced(plan))[0]


@pytest.mark.parametrize(
    ("start", "why"),
    [("2026-03-08T02:30:00-05:00", "does not exist"), ("2026-07-05T02:30:00-05:00", "the offset there is then -04:00")],
)
def test_a_start_that_the_readers_clocks_never_show_is_refused(start, why):
    plan = plan_with(starts=start)
    assert why in (notices.mistaken_start(plan) or "")
    with pytest.raises(NoGo, match=why):
        check_notice.check_window_begins_at_a_time_that_exists(plan)


@pytest.mark.parametrize("start", [START, "2026-12-06T06:00:00+00:00"])
def test_a_start_in_the_readers_time_or_in_utc_is_fine(start):
    assert notices.mistaken_start(plan_with(starts=start)) is None


# --- a template of the operator's own -----------------------------------------------------------------------------------


def own(tmp_path, template):
    (tmp_path / "notice.txt.j2").write_text(template)
    return plan_with(tmp_path, **{'# text = "notice.txt.j2"': 'text = "notice.txt.j2"'})


def test_an_own_template_is_held_to_the_same_rules(tmp_path):
    good = own(tmp_path, "Moving\n\n{{ starts }} to {{ ends }}: all is safe. {{ contact }} ({{ audience }})")
    assert notices.render(good, "internal").endswith("(internal)")
    check_notice.check_notice_says_what_readers_need("internal", good)
    bad = own(tmp_path, "Moving\n\nTomorrow at midnight. {{ contact }}")
    with pytest.raises(NoGo) as caught:
        check_notice.check_notice_says_what_readers_need("users", bad)
    for found in ("when it begins", "that data is safe", "Tomorrow", "midnight"):
        assert found in str(caught.value)


@pytest.mark.parametrize("template", ["{{ nothing }}", "{% if %}"])
def test_a_template_that_cannot_be_rendered_is_one_clear_error(tmp_path, template):
    with pytest.raises(GonogoError, match=r"notice\.text"):
        notices.render(own(tmp_path, template), "users")


# --- HTML ---------------------------------------------------------------------------------------------------------------


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
    st.text(st.characters(exclude_categories=["Cs", "Cc"])),
)
def test_a_snippet_shows_its_text_whatever_it_holds_and_is_plain_ascii(heading, rest):
    text = f"{heading}\n\n{rest}"
    page = notices.snippet(text)
    assert page.isascii()
    assert notices.shown_in(f"<html><body><ul>{page}</ul></body></html>", text)
    assert not notices.shown_in(page, text + " and more")


def test_json_of_a_mailbox_holds_the_text_of_a_mail(plan):
    text = notices.render(plan, "internal")
    _, body = notices.letter(text)
    assert max(len(line) for line in body.splitlines()) <= 72
    assert notices.said_in(body.replace("\n", "\\r\\n"), text.partition("\n")[2])


# --- publishing: mail ---------------------------------------------------------------------------------------------------


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
    text = EXAMPLE[: EXAMPLE.index("channels = [")] + (
        'channels = [{ kind = "mail", audience = "users", server = "127.0.0.1", '
        f'port = {port}, sender = "ops@x.test", to = ["a@x.test", "b@x.test"]{more} }}]\n'
    ) + EXAMPLE[EXAMPLE.index("[rehearsal]") :]  # fmt: skip
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


# --- publishing: pages and commands -------------------------------------------------------------------------------------


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


@pytest.fixture
def page_plan():
    return parse_plan(
        "\n".join(line for line in EXAMPLE.splitlines() if '{ kind = "mail", audience' not in line),
        ROOT / "docs" / "p.toml",
    )


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


def test_the_page_is_looked_at_where_users_look(page_plan):
    (channel,) = page_plan.notice.channels
    text = notices.render(page_plan, "users")

    def web(status, body):
        return SimpleNamespace(hostname="h", get=lambda path, address: SimpleNamespace(status_code=status, text=body))

    check_notice.check_users_see_the_page(channel, page_plan, web(200, notices.snippet(text)))
    for status, body in ((404, notices.snippet(text)), (200, "<p>an old notice</p>"), (503, "")):
        with pytest.raises(NoGo, match=f"status {status}"):
            check_notice.check_users_see_the_page(channel, page_plan, web(status, body))


def test_a_command_gets_the_text_once(tmp_path, run):
    command = '{ kind = "command", audience = "users", command = ["tee", "-a", "chat"], seen_by = ["cat", "chat"] }'
    text = (
        EXAMPLE[: EXAMPLE.index("channels = [")] + f"channels = [{command}]\n" + EXAMPLE[EXAMPLE.index("[rehearsal]") :]
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


# --- in time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lead", "good"), [("P1D", True), ("P4D", False), ("PT0S", True)])
def test_a_notice_is_out_as_long_before_as_promised(run, lead, good):
    starts = (now() + timedelta(days=2)).replace(microsecond=0)
    plan = plan_with(starts=starts.isoformat(), lead=f'"{lead}"')
    (channel, _) = plan.notice.channels
    with pytest.raises(CouldNotVerify):
        check_notice.check_notice_was_in_time(channel, plan, run)
    text = notices.render(plan, "users")
    one = Delivery(channel=channel.name, audience="users", text=text)
    key = notices.delivery_key(channel, text)
    run.record(Notices(deliveries={key: one}))
    with pytest.raises(NoGo, match="not out yet"):
        check_notice.check_notice_was_in_time(channel, plan, run)
    run.record(Notices(deliveries={key: one.model_copy(update={"published": now()})}))
    if good:
        check_notice.check_notice_was_in_time(channel, plan, run)
    else:
        with pytest.raises(NoGo, match=r"notice\.lead"):
            check_notice.check_notice_was_in_time(channel, plan, run)


def test_the_outage_page_of_an_unlucky_plan_is_red(monkeypatch, plan):
    check_notice.check_outage_page_says_the_same(plan)
    monkeypatch.setattr(notices, "_OUTAGE", "Closed until midnight")
    with pytest.raises(NoGo, match="midnight"):
        check_notice.check_outage_page_says_the_same(plan)
