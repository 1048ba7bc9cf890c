"""The long-lived shell: framing, time limits, death, privilege, and the kernel's refusal of writes."""

import os
import shlex
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest
import testinfra.host
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.connect.shell import READ_ONLY, Shell, ShellBackend
from fixtures.connect.ssh import connect
from fixtures.connect.streams import Frame, GoneError
from fixtures.errors import CouldNotVerify
from tests.unit.loopback import running_sshd


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    with running_sshd(tmp_path_factory.mktemp("sshd") / "a") as server:
        connection = connect(server.login(), lambda path: path)
        yield connection
        connection.close()


@pytest.fixture(scope="module")
def shell(connection):
    shell = Shell(connection)
    yield shell
    shell.close()


@pytest.fixture(scope="module")
def guarded(connection):
    shell = Shell(connection, read_only=True)
    yield shell
    shell.close()


@given(late=st.binary(max_size=50), output=st.binary(max_size=300), code=st.integers(0, 255), chunk=st.integers(1, 90))
def test_a_frame_is_cut_wherever_the_stream_was_split(late, output, code, chunk):
    frame = Frame("0123456789abcdef")
    whole = late + frame.begin + output + b"0123456789abcdef:end %d\n" % code
    stream, seen = bytearray(), 0
    for at in range(0, len(whole), chunk):
        stream += whole[at : at + chunk]
        cut = frame.cut(stream, seen)
        seen = len(stream)
        assert (cut is None) == (seen < len(whole))
    assert cut == (output, code)


@settings(max_examples=150, deadline=None)
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200))
def test_every_argument_arrives_as_it_was_given(shell, text):
    done = shell.run(shlex.join(["printf", "%s", text]))
    assert (done.code, done.stdout, done.stderr) == (0, text.encode(), b"")


@pytest.mark.parametrize(
    ("command", "code", "stdout", "stderr"),
    [
        ("echo out; echo err >&2; exit 7", 7, b"out\n", b"err\n"),
        ("printf 'no newline'", 0, b"no newline", b""),
        ("true", 0, b"", b""),
        ("cat", 0, b"", b""),
        ("echo one\necho two", 0, b"one\ntwo\n", b""),
        ("exec 2>/dev/null; exec false", 1, b"", b""),
        ("printf '\\377\\000x'", 0, b"\xff\x00x", b""),
    ],
)
def test_what_a_command_leaves(shell, command, code, stdout, stderr):
    done = shell.run(command)
    assert (done.code, done.stdout, done.stderr) == (code, stdout, stderr)


def test_one_command_leaves_nothing_for_the_next(shell):
    shell.run("cd /tmp; variable=1; set -e; trap 'echo trapped' EXIT; exit 3")
    assert shell.run("echo $PWD $variable $-").stdout.split()[0] == b"/"
    assert shell.run("if").code == 2
    assert shell.run("echo fine").stdout == b"fine\n"


def test_late_output_of_a_background_child_does_not_count(shell):
    shell.run("( sleep 0.3; echo late ) &")
    time.sleep(0.5)
    assert shell.run("echo mine").stdout == b"mine\n"


def test_three_megabytes_on_each_stream(shell):
    done = shell.run("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2")
    assert (len(done.stdout), len(done.stderr), done.code) == (3_000_000, 3_000_000, 0)


def test_standard_input_is_whole_and_apart(shell):
    data = os.urandom(3_000_000)
    done = shell.run("cat; echo seen >&2; exit 4", stdin=data)
    assert (done.stdout, done.stderr, done.code) == (data, b"seen\n", 4)
    assert shell.run("exit 5", stdin=data).code == 5, "a command that reads nothing"


@pytest.mark.parametrize("stdin", [b"", b"data"])
def test_what_takes_too_long_is_killed(shell, stdin):
    began = time.monotonic()
    with pytest.raises(CouldNotVerify, match=r"an end within 0\.5 seconds"):
        shell.run("sleep 54321.5", stdin=stdin, timeout=0.5)
    assert time.monotonic() - began < 4
    assert shell.run("pgrep -f 'slee[p] 54321.5'").code == 1
    assert shell.run("echo next").stdout == b"next\n"


def test_endless_output_meets_the_time_limit(shell):
    with pytest.raises(CouldNotVerify, match="an end within"):
        shell.run("yes", timeout=0.3)


def test_a_killed_shell_is_said_and_replaced(shell):
    with pytest.raises(CouldNotVerify, match="ended meanwhile"):
        shell.run("kill -KILL $$")
    assert shell.run("echo back").stdout == b"back\n"


def test_a_shell_that_died_while_idle_is_replaced_unseen(shell):
    shell.run("( sleep 0.2; kill -KILL $$ ) &")
    deadline = time.monotonic() + 30
    while not shell._channel.eof_received:  # before that a command would be sent to it, and lost
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert shell.run("echo back").stdout == b"back\n"


def test_threads_share_a_shell(shell):
    answers = {}

    def ask(n):
        answers[n] = shell.run(f"echo {n}").stdout

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: f"{n}\n".encode() for n in range(20)}


def test_the_kernel_refuses_writes_of_a_read_only_shell(guarded, tmp_path):
    assert guarded.enforced
    for place in (tmp_path, "/etc", "/run", "/dev/shm", "/var/tmp"):
        for stdin in (b"", b"x"):
            done = guarded.run(f"touch {place}/written", stdin=stdin)
            assert done.code == 1
            assert b"Read-only file system" in done.stderr
    assert guarded.run("echo >/dev/null; cat /etc/passwd | sort | head -1").code == 0
    assert guarded.run(f"touch {tmp_path}/written", writable=True).code == 0


def test_an_older_kernel_gets_its_mounts_one_by_one(shell, tmp_path):
    old = [part.replace("syscall(442", "syscall(99999") for part in READ_ONLY]
    done = shell.run(shlex.join([*old, "touch", str(tmp_path / "written")]))
    assert done.code == 1
    assert b"Read-only file system" in done.stderr


def test_a_read_only_shell_still_reaches_sockets(guarded, tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        perl = "use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0); connect($s, sockaddr_un($ARGV[0])) or die $!"
        assert guarded.run(shlex.join(["perl", "-e", perl, str(tmp_path / "s")])).code == 0


def test_testinfra_works_over_it(shell, tmp_path):
    backend = ShellBackend(shell, "target")
    host = testinfra.host.Host(backend)
    backend.set_host(host)
    (tmp_path / "ä 'file'").write_text("ä\n")
    assert host.file(str(tmp_path / "ä 'file'")).content_string == "ä\n"
    assert host.user("root").uid == 0
    assert host.mount_point("/").exists
    assert host.package("openssh-server").is_installed
    assert host.process.filter(comm="sshd")
    assert host.run("echo %s", "a b").stdout == "a b\n"


FAKE_SUDO = """#!/bin/bash
# Reads its options as sudo does; the password is "open sesame".
asks=ASKS ask= flags=
while [ $# -gt 0 ]; do
  case $1 in
    -n) flags=n ;; -S) flags=S ;; -p) shift ;; -k) ;; --) shift; break ;; *) break ;;
  esac
  shift
done
if [ $asks = yes ]; then
  [ "$flags" = S ] || { echo "sudo: a password is required" >&2; exit 1; }
  IFS= read -r line
  [ "$line" = "open sesame" ] || { echo "sudo: 1 incorrect password attempt" >&2; exit 1; }
fi
exec "$@"
"""


@pytest.fixture(params=["yes", "no"])
def sudoer(request):
    """An account that is not root, on a host whose sudo asks for a password, or not."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    sudo = directory / "bin" / "sudo"
    sudo.parent.mkdir()
    sudo.write_text(FAKE_SUDO.replace("ASKS", request.param))
    sudo.chmod(0o755)
    settings = f"SetEnv PATH={sudo.parent}:/usr/bin:/bin\nUsePAM yes"  # PAM lets in an account without password
    with running_sshd(directory / "sshd", user="postgres", extra=settings) as server:
        connection = connect(server.login(), lambda path: path)
        yield connection, request.param == "yes"
        connection.close()
    shutil.rmtree(directory)


def test_sudo_with_and_without_a_password(sudoer):
    connection, asks = sudoer
    shell = Shell(connection, sudo_password="open sesame")
    assert shell.run("cat", stdin=b"first line\nsecond\n").stdout == b"first line\nsecond\n"
    assert shell.run("echo as root").stdout == b"as root\n"
    with shell.channel(["cat"]) as channel:
        channel.sendall(b"data")
        channel.shutdown_write()
        assert channel.recv(100) == b"data"
    for wrong in (None, "open"):
        refused = Shell(connection, sudo_password=wrong)
        if asks:
            with pytest.raises(CouldNotVerify, match="sudo_password"):
                refused.run("true")
        else:
            assert refused.run("true").code == 0


def test_where_the_guard_cannot_be_had_it_says_so(sudoer):
    connection, _ = sudoer
    shell = Shell(connection, sudo_password="open sesame", read_only=True)
    assert not shell.enforced
    assert shell.run("echo plain").stdout == b"plain\n"


def test_a_guard_that_fails_before_the_shell_is_told_anything_cannot_be_had_either(sudoer, monkeypatch):
    connection, _ = sudoer
    shell = Shell(connection, sudo_password="open sesame", read_only=True)
    shell._privilege()
    execute = shell._execute

    def ended(*arguments):
        channel = execute(*arguments)
        monkeypatch.undo()
        deadline = time.monotonic() + 30
        while not channel.closed:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return channel

    monkeypatch.setattr(shell, "_execute", ended)
    assert shell.run("echo plain").stdout == b"plain\n"
    assert not shell.enforced


def test_a_connection_that_is_lost_while_the_guard_is_tried_does_not_cost_the_guard(connection, monkeypatch):
    def lost(*_):
        monkeypatch.undo()
        connection.transport.close()
        raise GoneError

    monkeypatch.setattr("fixtures.connect.shell.read_framed", lost)
    shell = Shell(connection, read_only=True)
    with pytest.raises(CouldNotVerify, match="the connection ended"):
        shell.run("true")
    assert shell.enforced
    shell.close()


def test_more_sessions_than_sshd_allows_are_one_clear_error(tmp_path):
    with running_sshd(tmp_path / "a", extra="MaxSessions 2") as server:
        connection = connect(server.login(), lambda path: path)
        shell = Shell(connection)  # one session is its own
        with shell.channel(["sleep", "60"]), pytest.raises(CouldNotVerify, match="MaxSessions"):
            shell.channel(["sleep", "60"])
        connection.close()
