"""Every kind of wait, against a peer that accepts and says nothing, and one that says a byte now and then without end.

Each ends by its own deadline, shortened here, with an error that says what was waited for. No test says how long that took: one that
waits for ever fails by a limit of its own.
"""

import io
import os
import tarfile
import threading
from contextlib import ExitStack, closing
from pathlib import PurePosixPath
from types import SimpleNamespace

import dns.flags
import psycopg2
import pytest
from botocore.config import Config

from fixtures import secrets
from fixtures.connect import cloud, nameservers, pipeline, redis, runner, sessions, shell, web
from fixtures.connect.database import Database
from fixtures.connect.host import Host, UnitResult
from fixtures.connect.ssh import connect
from fixtures.connect.tls import shown, trust
from fixtures.connect.web import Web
from fixtures.errors import GonogoError
from fixtures.facts import notice
from fixtures.plan import DnsRecord, Mail, Redis
from fixtures.run.records import Delivery
from fixtures.sameness import listing, replay
from fixtures.sameness.reading import unreadable
from fixtures.secrets import Secret
from steps.build import release
from steps.engine.lock import plan_lock
from steps.night import dns as night_dns
from steps.night import notices
from steps.night.providers import Change, rfc2136
from steps.provision.instance import wait_for
from tests.unit import silence
from tests.unit.example import PLAN
from tests.unit.nameservers import serving

SHORT = 0.5
PATIENCE = 30
"""Seconds after which a wait is said to have no end."""

KINDS = {}
"""Kind of wait -> what waits so; each in two ways where a peer can be slow as well as silent."""


def kind(name, *ways):
    def named(function):
        for way in ways or ("silent",):
            KINDS[f"{name}, {way}"] = (function, way)
        return function

    return named


BOTH = ("silent", "a byte at a time")


@pytest.fixture
def lab(monkeypatch, tmp_path, open_to_all):
    """What shortens limits and keeps peers: `short(module, NAME)`, `enter(peer)`, and directories."""
    with ExitStack() as stack:
        yield SimpleNamespace(
            short=lambda module, *names: [monkeypatch.setattr(module, name, SHORT) for name in names],
            set=monkeypatch.setattr, env=monkeypatch.setenv, enter=stack.enter_context, path=tmp_path, open=open_to_all,
            stack=stack,
        )  # fmt: skip


# --- SSH -------------------------------------------------------------------------------------------------------------------


def on_host(lab, silent_at, says=b"", drips=b""):
    """A host that is logged in to, and that falls silent at a moment."""
    directory = lab.path / f"{len(list(lab.path.iterdir()))}"
    login = lab.enter(silence.ssh_login(directory, silent_at, says, drips))
    connection = lab.enter(closing(connect(login, lambda path: path)))
    return Host("target", connection, login)


def channel_to(lab, says=b"", drips=b""):
    transport = on_host(lab, "output", says, drips).connection.transport
    channel = transport.open_session(timeout=5)
    channel.exec_command("whatever")
    return channel


@kind("SSH: connecting")
def _(lab, way):
    login = lab.enter(silence.ssh_login(lab.path / "s", "login"))
    port = lab.enter(silence.full_peer())
    connect(login.model_copy(update={"port": port}), lambda path: path, timeout=1)


@kind("SSH: the first line", *BOTH)
def _(lab, way):
    login = lab.enter(silence.ssh_login(lab.path / "s", "login"))
    peer = lab.enter(silence.peer(b"", b"" if way == "silent" else b"SSH-2.0-", at_once=True))
    connect(login.model_copy(update={"port": peer.port}), lambda path: path, timeout=1)


@kind("SSH: the exchange of keys", *BOTH)
def _(lab, way):
    login = lab.enter(silence.ssh_login(lab.path / "s", "login"))
    banner, begun = b"SSH-2.0-OpenSSH_9.2\r\n", (4096).to_bytes(4)
    peer = lab.enter(silence.peer(banner + begun, b"" if way == "silent" else b"a", at_once=True))
    connect(login.model_copy(update={"port": peer.port}), lambda path: path, timeout=1)


@kind("SSH: the login")
def _(lab, way):
    login = lab.enter(silence.ssh_login(lab.path / "s", "login"))
    connect(login, lambda path: path, timeout=2)


@kind("SSH: a session on an open connection")
def _(lab, way):
    lab.short(shell, "OPENING")
    on_host(lab, "session").check(["true"])


@kind("SSH: the begin of a command")
def _(lab, way):
    lab.short(shell, "OPENING")
    on_host(lab, "command").check(["true"])


@kind("SSH: a shell that is to begin", *BOTH)
def _(lab, way):
    lab.short(runner, "SILENCE")
    on_host(lab, "output", drips=b"" if way == "silent" else b"a").check(["true"])


@kind("SSH: a command", *BOTH)
def _(lab, way):
    lab.short(runner, "SILENCE")
    # Slow: it says all the time that it is there, and never answers.
    host = on_host(lab, "output", b"ready root guarded\n", b"" if way == "silent" else b"0 t 0\n")
    host.check(["true"], timeout=SHORT)


@kind("SSH: a lock on a host")
def _(lab, way):
    lab.short(runner, "SILENCE")
    on_host(lab, "output", b"ready root guarded\n").lock("me", "a test")


@kind("SSH: a stream from a host", *BOTH)
def _(lab, way):
    lab.short(release, "LIMIT", "SILENCE")
    head = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03"  # gzip's, and then a name without end
    channel = channel_to(lab, head, b"" if way == "silent" else b"a")
    other = channel_to(lab)
    copy(silence.streaming(channel), silence.streaming(other, "target"))


@kind("SSH: a stream to a host")
def _(lab, way):
    lab.short(release, "SILENCE")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("srv/a")
        member.size = 8 << 20
        archive.addfile(member, io.BytesIO(os.urandom(member.size)))
    packed.seek(0)
    full = SimpleNamespace(makefile=lambda *_: packed, settimeout=lambda _: None, close=lambda: None)
    copy(silence.streaming(full), silence.streaming(channel_to(lab), "target"))


def copy(source, target):
    release.stream(source, target, ["tar"], ["tar"], PurePosixPath("/srv"), [PurePosixPath("/srv/a")])


@kind("SSH: the list of a directory's files", *BOTH)
def _(lab, way):
    lab.set(listing, "HOUR", SHORT - 30)  # the command's own limit; ours is half a minute more
    host = silence.streaming(channel_to(lab, b"", b"" if way == "silent" else b"a\n"))
    listing.list_directory(host, "/srv", lab.path, print)


@kind("SSH: long work on a host")
def _(lab, way):
    class Working(Host):
        def __init__(self):
            self.name = "source"

        def unit_result(self, unit):
            return UnitResult("running", "line")

    Working().wait_unit("gonogo-copy.service", SHORT)


# --- SQL -------------------------------------------------------------------------------------------------------------------


class Silent(Database):
    """A database whose server falls silent, `after` the login or before."""

    def __init__(self, lab, way, *, logs_in=True):
        super().__init__(SimpleNamespace(name="source", shell=None), dbname="app")
        says = silence.LOGGED_IN if logs_in else b""
        drips = b"" if way == "silent" else silence.ENDLESS_NOTICE
        self._peer = lab.enter(silence.database_peer(lab.open, says, drips))
        lab.stack.callback(self.close)

    def _kept_relay(self):
        return self._peer

    def close(self):
        self._close_kept()


@kind("SQL: a login", *BOTH)
def _(lab, way):
    lab.short(sessions, "CONNECT")
    Silent(lab, way, logs_in=False).rows("SELECT 1")


@kind("SQL: a login through a host that fell silent")
def _(lab, way):
    lab.short(shell, "OPENING")
    db = Database(on_host(lab, "session"), dbname="app")
    lab.stack.callback(db.close)
    db.rows("SELECT 1")


@kind("SQL: a query", *BOTH)
def _(lab, way):
    lab.short(sessions, "SILENCE")
    Silent(lab, way).rows("SELECT 1", timeout=SHORT)


@kind("SQL: a statement that changes something", *BOTH)
def _(lab, way):
    lab.short(sessions, "SILENCE")
    Silent(lab, way).execute("CREATE DATABASE app", timeout=SHORT)


@kind("SQL: the end of a transaction", *BOTH)
def _(lab, way):
    lab.short(sessions, "SILENCE")
    with closing(Silent(lab, way).connect(statement_timeout=SHORT)) as session:
        try:
            session.autocommit = False
            with session:
                session.cursor().execute("SELECT 1")
        except psycopg2.Error as error:
            raise unreadable("a transaction", error) from None


@kind("SQL: a look whether a server that reads long still answers", *BOTH)
def _(lab, way):
    lab.short(sessions, "SILENCE")
    with closing(Silent(lab, way).connect(statement_timeout=12 * 3600)) as session:
        try:
            session.look()
        except psycopg2.Error as error:
            raise unreadable("the snapshot", error) from None


@kind("SQL: queries that are under way together", *BOTH)
def _(lab, way):
    lab.short(pipeline, "SILENCE")
    Silent(lab, way).begin("SELECT 1", timeout=SHORT).result()


# --- HTTP and TLS ----------------------------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"


def ask_web(lab, says, drips, **options):
    lab.short(web, "ENDLESS")
    peer = lab.enter(silence.peer(says, drips))
    Web(f"app.test:{peer.port}", timeout=2 * SHORT if drips else SHORT, **options).get("/", "127.0.0.1")


@kind("HTTP: the headers", *BOTH)
def _(lab, way):
    ask_web(lab, b"", b"") if way == "silent" else ask_web(lab, HEAD, b"a")


@kind("HTTP: the body", *BOTH)
def _(lab, way):
    ask_web(lab, HEAD + b"Content-Length: 9999\r\n\r\n", b"" if way == "silent" else b"a")


@kind("HTTP: a body whose length nobody said", *BOTH)
def _(lab, way):
    ask_web(lab, HEAD + b"\r\n", b"" if way == "silent" else b"a")


@kind("HTTP: the pages of a replay", *BOTH)
def _(lab, way):
    lab.short(replay, "ENDLESS", "SLOW")
    peer = lab.enter(silence.peer(HEAD + b"Content-Length: 9999\r\n\r\n", b"" if way == "silent" else b"a"))
    session = Web(f"app.test:{peer.port}").session("127.0.0.1")
    page = SimpleNamespace(method="GET", url="/")
    replay._ask(session, page, SimpleNamespace(wait=lambda: None, saw=lambda *_: None))


@kind("TLS: the handshake of a request", *BOTH)
def _(lab, way):
    ask_web(lab, *((b"", b"") if way == "silent" else (b"\x16\x03\x03\x40\0", b"\x02")), scheme="https")


@kind("TLS: the certificate that is shown", *BOTH)
def _(lab, way):
    says, drips = (b"", b"") if way == "silent" else (b"\x16\x03\x03\x40\0", b"\x02")
    peer = lab.enter(silence.peer(says, drips))
    shown("app.test", "127.0.0.1", trust(None), port=peer.port, timeout=SHORT)


# --- DNS -------------------------------------------------------------------------------------------------------------------


def name_server(lab, behave):
    lab.short(nameservers, "TIMEOUT")
    lab.short(rfc2136, "TIMEOUT")
    return lab.enter(serving(behave))[1]


def truncated(query, response, way):
    """Over UDP: ask over TCP. There it says nothing."""
    response.flags |= dns.flags.TC
    return True if way == "udp" else threading.Event().wait(PATIENCE) or None


@kind("DNS: an answer over UDP")
def _(lab, way):
    zone = name_server(lab, lambda *_: None)
    zone.ask(zone.plan.primary, "app.example.test")


@kind("DNS: an answer over TCP")
def _(lab, way):
    zone = name_server(lab, truncated)
    zone.ask(zone.plan.primary, "app.example.test")


@kind("DNS: a signed update", *BOTH)
def _(lab, way):
    lab.short(rfc2136, "TIMEOUT")
    zone = name_server(lab, lambda *_: None)
    peer = lab.enter(silence.peer((1000).to_bytes(2), b"" if way == "silent" else b"a"))
    primary = zone.plan.primary.model_copy(update={"port": peer.port})
    plan = zone.plan.model_copy(update={"primary": primary})
    rfc2136.Rfc2136(plan).change([Change(plan.records[0], ("192.0.2.1",), 60)])


@kind("DNS: a change that every server is to serve")
def _(lab, way):
    zone = name_server(lab, lambda *_: None)
    night_dns.wait_served(zone, DnsRecord(name="app.example.test"), lambda _: True, "192.0.2.1", SHORT)


# --- Amazon ----------------------------------------------------------------------------------------------------------------


@kind("AWS: a call")
def _(lab, way):
    lab.set(cloud, "_CLIENT", cloud._CLIENT.merge(Config(read_timeout=SHORT, retries={"total_max_attempts": 2})))
    peer = lab.enter(silence.peer())
    target = PLAN.target.model_copy(update={"endpoint": f"http://127.0.0.1:{peer.port}"})
    cloud.Cloud(PLAN.model_copy(update={"target": target})).instance()


@kind("AWS: an instance's metadata, which may hold the credentials")
def _(lab, way):
    peer = lab.enter(silence.peer())
    lab.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{peer.port}")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        lab.env(name, os.devnull)
    target = PLAN.target.model_copy(update={"endpoint": None, "access_key": None, "secret_key": None})
    cloud.Cloud(PLAN.model_copy(update={"target": target})).instance()


@kind("AWS: an instance, its console, its SSH server")
def _(lab, way):
    wait_for(lambda: None, SHORT, "the instance", "running")


# --- whatever else ---------------------------------------------------------------------------------------------------------


@kind("Redis: an answer", *BOTH)
def _(lab, way):
    lab.short(redis, "_PATIENCE")
    host = silence.streaming(channel_to(lab, b"+", b"" if way == "silent" else b"a"))
    with redis.opened(host, Redis(mode="copied")) as session:
        session.ping()


@kind("mail: a server", *BOTH)
def _(lab, way):
    lab.short(notices, "SECONDS")
    peer = lab.enter(silence.peer(b"", b"" if way == "silent" else b"220-", at_once=True))
    mail = Mail.model_validate(
        {
            "kind": "mail",
            "audience": "users",
            "server": "127.0.0.1",
            "port": peer.port,
            "sender": "a@b.test",
            "to": ["c@d.test"],
        }
    )
    delivery = Delivery(channel=mail.name, audience="users", text="a notice")
    notices._mail(PLAN, mail, delivery, SimpleNamespace(keep=lambda: None))


SLEEPING = ["sleep", str(2 * PATIENCE)]


@kind("a command of the plan that shows a notice")
def _(lab, way):
    lab.short(notice, "SECONDS")
    notice.seen(PLAN, SLEEPING)


@kind("a command of the plan that prints a secret")
def _(lab, way):
    lab.short(secrets, "SECONDS")
    Secret(command=SLEEPING).reveal()


@kind("the lock of the plan")
def _(lab, way):
    with plan_lock(lab.path, "move", "somebody", "first"), plan_lock(lab.path, "move", "somebody", "second"):
        pass


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_wait_ends_with_a_clear_error(name, lab):
    function, way = KINDS[name]
    ended = []

    def wait():
        try:
            function(lab, way)
        except BaseException as error:  # looked at below
            ended.append(error)
        else:
            ended.append(None)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert ended, f"{name}: it has no end"
    (error,) = ended
    assert isinstance(error, GonogoError), f"{name}: {error!r}"
    assert all((error.subject, error.expected, error.found, error.remedy))
    assert "Traceback" not in str(error)
