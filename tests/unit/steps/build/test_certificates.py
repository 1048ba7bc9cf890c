"""How certificates and their keys are placed."""

from types import SimpleNamespace

import pytest

from fixtures.errors import Refused
from fixtures.plan import parse_plan
from steps.build import certificates
from tests.unit.example import ROOT


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


def test_of_a_mode_only_the_permissions_are_taken_over():
    assert certificates.placed("6755 root:root", private=False) == ("0755", "root:root")
    assert certificates.placed("4777 root:ssl-cert", private=True) == ("0770", "root:ssl-cert")


def test_a_supplied_certificate_comes_from_beside_the_plan(tmp_path):
    line = f'{{ certificate = "{CHAIN}", key = "{KEY}", supplied_certificate = "c.pem", supplied_key = "k.pem" }},'
    plan, target = plan_with(line, tmp_path), Recorder()
    (tmp_path / "c.pem").write_bytes(b"chain")
    with pytest.raises(Refused, match=r"k\.pem"):
        certificates.place_certificates(plan, SimpleNamespace(), target)
    (tmp_path / "k.pem").write_bytes(b"secret")
    certificates.place_certificates(plan, SimpleNamespace(), target)
    assert target.written == {CHAIN: (b"chain", "0644", "root:root"), KEY: (b"secret", "0600", "root:root")}
