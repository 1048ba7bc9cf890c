"""What a browser would say of a certificate; what nginx's configuration says of names and ports; how files are placed."""

import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from fixtures.connect.tls import shown, trust
from fixtures.errors import CouldNotVerify, Refused
from fixtures.facts.nginx import servers
from fixtures.lab.production.authority import Authority
from fixtures.lab.production.production import site
from fixtures.plan import parse_plan
from steps.build import certificates
from tests.unit.loopback import free_port

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["app.example.test", "www.example.test"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@contextmanager
def serving(tmp_path, chain, key):
    (tmp_path / "chain").write_text(chain)
    (tmp_path / "key").write_text(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain", tmp_path / "key")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def said(authority, tmp_path, *, names=NAMES, whole=True, **how):
    issued = authority.issue(names, **how)
    with serving(tmp_path, issued.chain if whole else issued.leaf, issued.key) as port:
        return shown(NAMES[1], "127.0.0.1", trust(authority.certificate), port=port)


def test_a_good_certificate_is_accepted_and_shown(authority, tmp_path):
    found = said(authority, tmp_path)
    assert found.refused is None
    assert found.certificate.subject.rfc4514_string() == f"CN={NAMES[0]}"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"days": -1}, "expired"),
        ({"names": ["app.example.test"]}, "not valid for 'www.example.test'"),
        ({"whole": False}, "unable to get local issuer"),
    ],
)
def test_what_a_browser_would_refuse_is_shown_with_the_reason(authority, tmp_path, how, words):
    assert words in said(authority, tmp_path, **how).refused


def test_a_stranger_is_refused_and_silence_is_no_answer(authority, tmp_path):
    issued = authority.issue(NAMES)
    with serving(tmp_path, issued.chain, issued.key) as port:
        assert "issuer" in shown(NAMES[0], "127.0.0.1", trust(None), port=port).refused
    with pytest.raises(CouldNotVerify, match="refused"):
        shown(NAMES[0], "127.0.0.1", trust(None), port=free_port())


def test_an_authority_stays_the_same_one(authority):
    again = Authority(authority.certificate.parent)
    assert again.certificate.read_bytes() == authority.certificate.read_bytes()
    assert {oct(path.stat().st_mode & 0o777) for path in authority.certificate.parent.glob("*.key")} == {"0o600"}


# --- nginx ---------------------------------------------------------------------------------------------------------------


def named(configuration, hostname, port, *, tls):
    return [server for server in servers(configuration) if server.answers_to(hostname, port, tls=tls)]


@pytest.mark.parametrize("https", [True, False])
def test_the_labs_site_has_a_server_for_each_name(https):
    text = site(https=https)
    for name in ("app.smallpayroll.test", "www.smallpayroll.test"):
        assert named(text, name, 80, tls=False)
        assert bool(named(text, name, 443, tls=True)) is https
    assert not named(text, "other.test", 80, tls=False)
    assert "{%" not in text


def test_names_and_ports_as_nginx_has_them():
    text = """
    http { # server { server_name commented.test; }
      server { listen [::]:443 ssl http2; listen 8080 default_server; server_name a.test "b.test" *.c.test .d.test ~^e\\d+\\.test$;
        location ~ "^/x{2}" { return 200 "server_name no.test;"; } }
      server { server_name plain.test; }
    }"""
    for name in ("a.test", "b.test", "www.c.test", "d.test", "www.d.test", "e12.test"):
        assert named(text, name, 443, tls=True), name
        assert named(text, name, 8080, tls=False), name
    for name in ("c.test", "no.test", "commented.test", "ad.test", "e.test"):
        assert not named(text, name, 443, tls=True), name
    assert not named(text, "a.test", 443, tls=False)
    assert named(text, "plain.test", 80, tls=False)


# --- the files -------------------------------------------------------------------------------------------------------------


class Recorder:
    name = "target"

    def __init__(self, files=()):
        self.files, self.written, self.argv = dict(files), {}, []

    def check(self, argv):
        self.argv.append(argv)
        return self.files[argv[-1]][0] if argv[0] == "stat" else ""

    def read_bytes(self, path):
        return self.files[path][1]

    def write_file(self, path, content, mode, owner):
        self.written[path] = (content, mode, owner)


CHAIN, KEY = "/etc/ssl/smallpayroll/fullchain.pem", "/etc/ssl/smallpayroll/privkey.pem"


def plan_with(text, directory):
    example = (ROOT / "docs/plan.example.toml").read_text()
    line = next(line for line in example.splitlines() if line.strip().startswith("{ certificate ="))
    return parse_plan(example.replace(line, text or line), directory / "plan.toml")


def test_a_certificate_is_copied_with_owner_and_mode_but_others_never_read_its_key(tmp_path):
    source = Recorder({CHAIN: ("644 root:root\n", b"chain"), KEY: ("644 root:ssl-cert\n", b"secret")})
    target = Recorder()
    certificates.place_certificates(plan_with("", tmp_path), source, target)
    assert target.written == {CHAIN: (b"chain", "0644", "root:root"), KEY: (b"secret", "0640", "root:ssl-cert")}
    assert "secret" not in str(source.argv + target.argv)


def test_a_supplied_certificate_comes_from_beside_the_plan(tmp_path):
    line = f'{{ certificate = "{CHAIN}", key = "{KEY}", supplied_certificate = "c.pem", supplied_key = "k.pem" }},'
    plan, target = plan_with(line, tmp_path), Recorder()
    (tmp_path / "c.pem").write_bytes(b"chain")
    with pytest.raises(Refused, match=r"k\.pem"):
        certificates.place_certificates(plan, SimpleNamespace(), target)
    (tmp_path / "k.pem").write_bytes(b"secret")
    certificates.place_certificates(plan, SimpleNamespace(), target)
    assert target.written == {CHAIN: (b"chain", "0644", "root:root"), KEY: (b"secret", "0600", "root:root")}
