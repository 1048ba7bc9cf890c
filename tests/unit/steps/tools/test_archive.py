"""What passes of an archive: real ones of tar, and those that no tar of a friend would make."""

import gzip
import io
import os
import socket
import subprocess
import tarfile
from pathlib import PurePosixPath

import pytest

from fixtures.errors import StepFailed
from steps.build.release import UNPACK, pack_command
from steps.tools.archive import passed_on

HOME = PurePosixPath("home/app")


def passed(archive, below=HOME, asked=(HOME,)):
    """What is passed on of an archive, and what was left out of it."""
    onward = io.BytesIO()
    return onward, passed_on(io.BytesIO(archive), onward, below, asked)


def made(*members, mode="w:gz"):
    """An archive of `(name, type, further attributes)`."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=tarfile.GNU_FORMAT) as archive:
        for name, kind, further in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            content = further.pop("content", b"")
            for attribute, value in further.items():
                setattr(member, attribute, value)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def a_directory(name, **further):
    return (name, tarfile.DIRTYPE, {"mode": 0o755, **further})


def a_file(name, **further):
    return (name, tarfile.REGTYPE, {"mode": 0o644, **further})


def a_link(name, to, kind=tarfile.SYMTYPE):
    return (name, kind, {"linkname": to})


@pytest.fixture
def home(tmp_path):
    """A home with whatever a home may hold."""
    root = tmp_path / "home"
    (root / "releases/1/public").mkdir(parents=True)
    (root / "releases/1/app.rb").write_text("puts 1")
    (root / "releases/1/long" / ("x" * 120)).mkdir(parents=True)
    (root / "releases/1/long" / ("x" * 120) / "a \xfc\n\\ file").write_bytes(os.urandom(300_000))
    os.link(root / "releases/1/app.rb", root / "second-name.rb")
    (root / "current").symlink_to("releases/1")
    (root / "elsewhere").symlink_to("/var/log/app")
    (root / "shared").mkdir()
    (root / "shared").chmod(0o2775)
    (root / "run.sh").write_text("#!/bin/sh")
    (root / "run.sh").chmod(0o750)
    return root


def unpacked(archive, directory):
    directory.mkdir()
    subprocess.run([*UNPACK], cwd=directory, input=archive, check=True)


def listed(root):
    found = subprocess.run(
        ["find", ".", "-printf", r"%P %y %m %u:%g %n %l %s %T@\0"], cwd=root, capture_output=True, check=True
    )
    # A directory's size and moment are its file system's, a file's moment has no parts of a second in an archive.
    lines = (line.split(" ") for line in found.stdout.decode(errors="surrogateescape").split("\0")[:-1])
    return sorted(" ".join(line[:-2] if " d " in " ".join(line) else line[:-1]) for line in lines)


def test_what_was_asked_for_arrives_as_it_was(home, tmp_path):
    below = home.relative_to("/")
    packed = subprocess.run(pack_command([home], []), check=True, capture_output=True).stdout
    onward, left = passed(packed, PurePosixPath(below), [PurePosixPath(below)])
    assert left == []
    unpacked(onward.getvalue(), tmp_path / "there")
    assert listed(tmp_path / "there") == listed(home)
    assert (tmp_path / "there/shared").stat().st_mode & 0o7777 == 0o2775, "setgid of a directory comes along"


def test_what_gives_root_stays_behind_and_is_named(home, tmp_path):
    (home / "run.sh").chmod(0o6755)
    (home / "tool").write_text("x")
    (home / "tool").chmod(0o2755)
    os.mkfifo(home / "fifo")
    os.mknod(home / "disk", 0o600 | 0o060000, os.makedev(8, 0))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(home / "socket"))
    packed = subprocess.run(pack_command([home], []), check=True, capture_output=True).stdout
    below = PurePosixPath(home.relative_to("/"))
    onward, left = passed(packed, below, [below])
    assert sorted(left) == [
        f"{home}/disk, a device or fifo", f"{home}/fifo, a device or fifo",
        f"setuid or setgid of {home}/run.sh", f"setuid or setgid of {home}/tool",
    ]  # fmt: skip
    unpacked(onward.getvalue(), tmp_path / "there")
    there = {path.name: path.lstat().st_mode for path in (tmp_path / "there").iterdir()}
    assert (there["run.sh"] & 0o7777, there["tool"] & 0o7777) == (0o755, 0o755)
    assert not {"fifo", "disk", "socket"} & set(there)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([a_file("/etc/cron.d/evil")], "nobody asked"),
        ([a_file("etc/cron.d/evil")], "nobody asked"),
        ([a_directory("home/app"), a_file("home/app/../../etc/passwd")], "nobody asked"),
        ([a_directory("home/apple")], "nobody asked"),
        ([a_directory("home")], "nobody asked"),
        ([a_file("home/app/x/passwd")], "its directory did not come"),
        ([a_directory("home/app"), a_link("home/app/x", "/etc"), a_file("home/app/x/passwd")], "its directory did not"),
        ([a_directory("home/app"), a_directory("home/app/x"), a_link("home/app/x", "/etc")], "twice"),
        ([a_directory("home/app"), a_link("home/app/x", "/etc"), a_directory("home/app/x")], "twice"),
        ([a_directory("home/app"), a_file("home/app/x"), a_file("home/app/./x")], "twice"),
        ([a_directory("home/app"), a_link("home/app/x", "etc/shadow", tarfile.LNKTYPE)], "a second name of etc/shadow"),
        ([a_directory("home/app"), a_link("home/app/x", "../../etc/shadow", tarfile.LNKTYPE)], "a second name of"),
        ([a_directory("home/app"), a_link("home/app/s", "/etc/shadow"), a_link("home/app/x", "home/app/s", tarfile.LNKTYPE)],
         "a second name of home/app/s"),
        ([a_link("home/app", "/etc"), a_file("home/app/passwd")], "its directory did not come"),
    ],
)  # fmt: skip
def test_what_nobody_asked_for_ends_the_copy(members, why):
    with pytest.raises(StepFailed, match=why):
        passed(made(*members))


def test_what_came_before_a_stranger_is_all_that_was_passed_on():
    archive = made(
        a_directory("home/app"), a_file("home/app/a", content=b"x"), a_file("etc/passwd", content=b"root::0")
    )
    onward = io.BytesIO()
    with pytest.raises(StepFailed):
        passed_on(io.BytesIO(archive), onward, HOME, [HOME])
    assert b"root::0" not in gzip.decompress(onward.getvalue())


def test_only_what_was_looked_at_is_written():
    """Two programs may read one archive differently: what else stands in a header does not come along."""
    member = tarfile.TarInfo("home/app/a")
    member.pax_headers = {"SCHILY.xattr.security.capability": "x", "path": "home/app/a"}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(_directory("home/app"))
        archive.addfile(member)
    onward, _ = passed(file.getvalue())
    assert b"SCHILY" not in gzip.decompress(onward.getvalue())
    with tarfile.open(fileobj=io.BytesIO(onward.getvalue())) as archive:
        assert [one.name for one in archive] == [".", "a"]


def _directory(name):
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE
    return member


@pytest.mark.parametrize("cut", [0, 30, 200])
def test_an_archive_that_breaks_off_is_told(cut):
    whole = made(a_directory("home/app"), a_file("home/app/a", content=os.urandom(5000)))
    for archive in (whole[:cut], b"tar: refused\n", gzip.compress(b"x" * 2000)):
        with pytest.raises(StepFailed, match="an archive to its end"):
            passed(archive)


def test_single_files_come_without_their_directories():
    asked = [PurePosixPath("etc/app.env"), PurePosixPath("etc/app.conf")]
    archive = made(a_file("etc/app.env", mode=0o4640, content=b"A=1"), a_link("etc/app.conf", "/etc/app/real.conf"))
    onward, left = passed(archive, PurePosixPath("etc"), asked)
    assert left == ["setuid or setgid of /etc/app.env"]
    with tarfile.open(fileobj=io.BytesIO(onward.getvalue())) as made_anew:
        assert [(one.name, one.mode, one.linkname) for one in made_anew] == [
            ("app.env", 0o640, ""), ("app.conf", 0o644, "/etc/app/real.conf"),
        ]  # fmt: skip
