"""The step that copies files: what it claims of a living production, and of a closed one. rsync runs here, not over SSH."""

import logging
import socket
import subprocess
import time

import pytest

from checks import check_files, check_final_copy
from fixtures.connect.host import open_host
from fixtures.errors import NoGo, StepFailed
from fixtures.plan import Upload
from fixtures.run.records import FilesCopy
from fixtures.run.run import Run
from fixtures.sameness.manifest import kept_manifest, silent
from steps.rehearse import files
from steps.rehearse.files import _Copying
from tests.unit.loopback import running_sshd


class Moved:
    """A host whose directory stands elsewhere: on one machine two hosts would share it."""

    def __init__(self, host, there):
        self.name, self.check, self.succeeds = host.name, host.check, host.succeeds
        self.there, self.host = str(there), host
        self.shell = self

    def channel(self, argv):
        return self.host.shell.channel([*argv[:-1], self.there])


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    with running_sshd(tmp_path_factory.mktemp("sshd") / "a") as server:
        yield server


@pytest.fixture
def copy(sshd, tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (here / name).write_text(f"content of {name}")
    (tmp_path / "run").mkdir()
    run, upload = Run(tmp_path / "run"), Upload(path="/srv/files")
    source = open_host("source", sshd.login(), lambda path: path, read_only=True)
    target = open_host("target", sshd.login(), lambda path: path)
    meanwhile = []

    def push(*_args, **_options):
        # What the target's end makes of a push: see tests/unit/steps/tools/test_copying.py.
        subprocess.run(["rsync", "-rlptgoHAS", "--chmod=Fug-s", "--delete", f"{here}/", f"{there}/"], check=True)
        for work in meanwhile:
            work()

    monkeypatch.setattr(files, "rsync_push", push)
    sides = Moved(source, here), Moved(target, there)

    def copied(*, final):
        copying = _Copying(None, run, None, *sides, final=final)
        one, other = copying.push(upload)
        copied.left = copying.left_behind
        path = str(upload.path)
        made = FilesCopy(
            final=final, manifests={path: one.sha256}, arrived={path: other.sha256}, counts={path: one.count}
        )
        run.record(made)
        return one

    copied.here, copied.there, copied.meanwhile, copied.run = here, there, meanwhile, run
    copied.rehearsed = lambda: check_files.check_files_match(upload, check_files.unlike(upload, run).put(sides[1]))
    copied.closed = lambda: check_final_copy.check_uploads_equal_closed_production(upload, run, *sides, silent)
    yield copied
    source.close()
    target.close()


def test_what_users_change_during_a_rehearsal_is_not_claimed(copy):
    copy.meanwhile += [lambda: (copy.here / "a").write_text("later"), (copy.here / "new").touch]
    made = copy(final=False)
    assert (made.moved, made.names) == (2, "a, new")
    assert made.count.files == 2
    copy.rehearsed()
    (copy.there / "b").unlink()
    with pytest.raises(NoGo, match="b: absent"):
        copy.rehearsed()


def test_what_gives_root_stays_behind_is_named_and_keeps_no_gate_red(copy, caplog):
    (copy.here / "a").chmod(0o4755)
    (copy.here / "sub").chmod(0o2775)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(copy.here / "socket"))
    for final in (False, True):
        with caplog.at_level(logging.INFO, "steps"):
            copy(final=final)
        copy.rehearsed()
    copy.closed()
    assert copy.left == {"/srv/files": "setuid or setgid of a file: a; socket: socket"}
    assert "/srv/files: left behind on purpose: setuid or setgid of a file: a; socket: socket." in caplog.text
    assert (copy.there / "a").stat().st_mode & 0o7777 == 0o755
    (copy.there / "a").chmod(0o4755)
    with pytest.raises(NoGo, match="target: a: mode 4755 instead of 755"):
        copy.closed()


def test_a_closed_production_that_changes_stops_the_copy(copy):
    copy(final=False)
    copy.meanwhile.append(lambda: (copy.here / "sub" / "c").chmod(0o600))
    with pytest.raises(StepFailed, match="1 entries changed while they were copied: sub/c"):
        copy(final=True)


def test_the_final_copy_hashes_what_changed_and_its_gate_finds_the_rest(copy, monkeypatch):
    asked = []
    real = files.read_manifest
    time.sleep(3)
    copy(final=False)
    time.sleep(3)

    def reading(listing, into, **options):
        made = real(listing, into, **options)
        asked.append((listing.host.name, options["earlier"] is not None))
        return made

    monkeypatch.setattr(files, "read_manifest", reading)
    (copy.here / "b").write_text("another content")
    (copy.here / "a").unlink()
    made = copy(final=True)
    assert sorted(asked) == [("source", True), ("target", True)]
    assert made.moved == 0
    assert kept_manifest(copy.run.directory, made.sha256).entries == 4
    copy.closed()
    for side, name in ((copy.there, "target"), (copy.here, "source")):
        before = (side / "sub/c").stat()
        (side / "sub/c").write_text("content of sub/C")
        subprocess.run(["touch", "-d", f"@{before.st_mtime_ns / 1e9:.9f}", str(side / "sub/c")], check=True)
        with pytest.raises(NoGo, match=f"{name}: sub/c: other content"):
            copy.closed()
    copy(final=True)
    copy.closed()
    (copy.there / "more").touch()
    with pytest.raises(NoGo, match="target: more: more than was expected"):
        copy.closed()
