"""Pinned host keys, jump hosts, and one clear error for everything that goes wrong."""

import socket
import subprocess

import paramiko
import pytest

from fixtures.connect.ssh import connect
from fixtures.errors import CouldNotVerify
from fixtures.plan import Login
from tests.unit.loopback import free_port, make_key, running_sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    with running_sshd(tmp_path_factory.mktemp("sshd") / "a") as server:
        yield server


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    with running_sshd(tmp_path_factory.mktemp("sshd") / "b", kind="ecdsa") as server:
        yield server


def same(path):
    return path


def refused(login, **options):
    with pytest.raises(CouldNotVerify) as caught:
        connect(login, same, timeout=3, **options)
    assert caught.value.remedy
    assert len(str(caught.value).splitlines()) == 4
    return caught.value


def fingerprint(host_key):
    return paramiko.hostkeys.HostKeyEntry.from_line(f"x {host_key}").key.fingerprint


@pytest.mark.parametrize("kind", ["sshd", "other"])
def test_opens_under_the_pinned_key(request, kind):
    server = request.getfixturevalue(kind)
    connection = connect(server.login(), same)
    assert connection.run("echo $((6 * 7))").stdout == "42\n"
    connection.close()


def test_a_key_that_is_passed_in_wins_over_the_plans(sshd, other):
    connect(sshd.login(host_key=other.host_key), same, host_key=sshd.host_key).close()


def test_a_changed_host_key_is_refused_with_both_fingerprints(sshd, other, tmp_path):
    wrong = make_key(tmp_path / "wrong").with_suffix(".pub").read_text()
    for pinned in (wrong, other.host_key):
        error = refused(sshd.login(host_key=pinned))
        assert fingerprint(sshd.host_key) in error.found
        assert fingerprint(" ".join(pinned.split()[:2])) in error.found
        assert "SHA256:" in error.found


def test_without_any_known_key_nothing_is_trusted(sshd, tmp_path):
    error = refused(sshd.login(host_key=None), known_hosts=tmp_path / "absent")
    assert "neither" in error.found
    assert str(tmp_path / "absent") in error.expected


@pytest.mark.parametrize("hashed", [False, True])
def test_the_operators_known_hosts_is_enough(sshd, other, tmp_path, hashed):
    file = tmp_path / "known_hosts"
    name = f"[127.0.0.1]:{sshd.port}"
    file.write_text(f"# a comment\n{name} {other.host_key}\n{name} {sshd.host_key}\n")
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
        assert "127.0.0.1" not in file.read_text()
    with file.open("a") as lines:
        lines.write("broken line\n@revoked * ssh-ed25519 AAAA\n")
    connect(sshd.login(host_key=None), same, known_hosts=file).close()


def test_known_hosts_with_another_key_is_a_changed_key(sshd, other, tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text(f"[127.0.0.1]:{sshd.port} {other.host_key}\n")
    assert fingerprint(other.host_key) in refused(sshd.login(host_key=None), known_hosts=file).found


def test_a_key_the_host_does_not_accept(sshd, tmp_path):
    error = refused(sshd.login(key_file=make_key(tmp_path / "stranger")))
    assert "refused the key" in error.found
    assert "authorized_keys" in error.remedy


def test_a_closed_port(sshd):
    assert "refused" in refused(sshd.login(port=free_port())).found


def test_a_host_that_does_not_answer(sshd):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        error = refused(sshd.login(port=silent.getsockname()[1]))
    assert "no SSH server" in error.found or "no answer" in error.found


def test_a_name_that_does_not_resolve(sshd):
    assert "resolve" in refused(sshd.login(address="no such name")).found


def test_a_key_file_that_is_absent_open_or_no_key(sshd, tmp_path):
    assert "no such file" in refused(sshd.login(key_file=tmp_path / "absent")).found
    loose = make_key(tmp_path / "loose")
    loose.chmod(0o644)
    assert refused(sshd.login(key_file=loose)).remedy == f"chmod 600 {loose}"
    junk = tmp_path / "junk"
    junk.write_text("no key")
    junk.chmod(0o600)
    assert "no private key" in refused(sshd.login(key_file=junk)).found
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(locked)], check=True)
    assert "passphrase" in refused(sshd.login(key_file=locked)).found


def test_a_pinned_key_that_is_none(sshd):
    assert "is none" in refused(sshd.login(host_key="ssh-ed25519 notbase64")).found


def test_through_a_jump_host(sshd, other):
    connection = connect(sshd.login(jump=other.jump()), same)
    assert connection.run("echo there").stdout == "there\n"
    assert connection.gateway.transport.active
    connection.close()
    assert not connection.gateway.is_connected


def test_the_jump_hosts_key_is_pinned_too(sshd, other):
    error = refused(sshd.login(jump=other.jump(host_key=sshd.host_key)))
    assert str(other.port) in error.subject
    assert "another host key" in error.found


def test_a_jump_host_that_reaches_nothing(sshd, other):
    error = refused(sshd.login(port=free_port(), jump=other.jump()))
    assert "jump host" in error.found
    assert "through 127.0.0.1" in error.subject


def test_a_connection_that_was_lost_opens_again_under_the_same_key(sshd):
    connection = connect(sshd.login(), same)
    connection.transport.close()
    assert connection.run("echo again").stdout == "again\n"
    connection.close()


def test_the_operators_ssh_config_changes_nothing(sshd, tmp_path, monkeypatch):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  ProxyCommand false\n  Port 1\n  User nobody\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    connect(Login.model_validate(sshd.login().model_dump()), same).close()
