"""Manifests of real directories, over a real sshd: every single change is found and named, equal trees never differ."""

import gzip
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks import check_files, check_final_copy
from fixtures.connect.host import open_host
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.plan import Upload
from fixtures.run.records import FileCount, FilesCopy
from fixtures.run.run import Run
from fixtures.sameness import listing as listings
from fixtures.sameness.listing import list_directory, scratch, unescaped
from fixtures.sameness.manifest import at_once, compare, keep_manifest, kept_manifest, read_manifest, silent
from tests.unit.loopback import running_sshd

ROOT = Path(__file__).resolve().parents[2]
AS_NOBODY = 'ForceCommand setpriv --reuid=65534 --regid=65534 --clear-groups bash -c "$SSH_ORIGINAL_COMMAND"'
HOSTILE = [
    b"plain", b"-rf", b"--help", b" lead", b"trail ", b"tab\there", b"new\nline", b"cr\rhere", b"back\\slash", b"\\n", b"\\\n\t\r",
    b"'quote'", b'"double"', b"$(touch x)", b"\xff\xfe", b"\x01\x02", b"\x08x", b"*", b"\xc3\xbc", b"a", b"a\x01", b"a b", b"a-b",
]  # fmt: skip


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    with running_sshd(tmp_path_factory.mktemp("sshd") / "a") as server:
        yield server


@pytest.fixture(scope="module")
def source(sshd):
    host = open_host("source", sshd.login(), lambda path: path, read_only=True)
    yield host
    host.close()


@pytest.fixture(scope="module")
def target(sshd):
    host = open_host("target", sshd.login(), lambda path: path)
    yield host
    host.close()


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """A host on which we are nobody."""
    with running_sshd(tmp_path_factory.mktemp("sshd") / "n", extra=AS_NOBODY) as server:
        host = open_host("target", server.login(), lambda path: path)
        yield host
        host.close()


@pytest.fixture
def run(tmp_path):
    directory = tmp_path / "run"
    directory.mkdir()
    return Run(directory)


@pytest.fixture
def tree(tmp_path):
    """A few files and a link."""
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (root / name).write_text(f"content of {name}")
    (root / "link").symlink_to("a")
    return root


@pytest.fixture
def open_to_all():
    """A directory that everybody may enter."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def manifest(host, directory, run, **options):
    with scratch(run.directory) as into:
        made = read_manifest(list_directory(host, str(directory), into, lambda _: None), into, **options)
        keep_manifest(run.directory, made)
    return kept_manifest(run.directory, made.sha256)


def hashed(monkeypatch):
    """The names whose hash is asked for, by call."""
    calls = []
    real = listings.hash_files

    def noting(listing, wanted, *rest):
        calls.append([unescaped(line.split(b"\t")[1].rstrip(b"\n")) for line in wanted.read_bytes().splitlines()])
        return real(listing, wanted, *rest)

    monkeypatch.setattr("fixtures.sameness.manifest.hash_files", noting)
    return calls


def rest():
    """Let what was just written become old enough for its hash to be taken over."""
    time.sleep(3.1)


def paths(manifest):
    return [line.split(b"\t")[0] for line in manifest.lines()]


def test_hostile_names_survive_and_are_hashed(source, target, run, tmp_path):
    one, other = tmp_path / "-one dir", tmp_path / "other"
    for name in HOSTILE:
        path = one / os.fsdecode(name)
        path.mkdir(parents=True)
        for inner in HOSTILE:
            (path / os.fsdecode(inner)).write_bytes(name + inner)
        (path / "link").symlink_to(os.fsdecode(name + b"\t\n"))
    subprocess.run(["cp", "-a", "--", str(one), str(other)], check=True)
    mine, theirs = at_once([lambda: manifest(source, one, run), lambda: manifest(target, other, run)])
    assert mine.entries == 1 + len(HOSTILE) * (len(HOSTILE) + 2)
    assert paths(mine) == sorted(paths(mine))
    assert {unescaped(p) for p in paths(mine)} >= {a + b"/" + b for a in HOSTILE for b in HOSTILE}
    assert compare(mine, theirs, whole=True) == ""
    (other / "\\\n\t\r" / "new\nline").write_bytes(b"\\\n\t\rnew\nlinE")
    assert compare(mine, manifest(target, other, run), whole=True) == "\\\\\\n\\t\\r/new\\nline: other content"


def change(root, how, name):
    """Change one thing of one entry, keeping its times; what must be told."""
    path = root / name
    before = path.lstat()
    told = {
        "content": lambda: path.write_bytes(bytes(b ^ 1 for b in path.read_bytes())) and "other content",
        "longer": lambda: path.write_bytes(path.read_bytes() + b"x") and f"size {before.st_size + 1} instead of",
        "mode": lambda: path.chmod(before.st_mode ^ 0o001) or "mode ",
        "owner": lambda: os.chown(path, 1, -1) or "owner daemon instead of root",
        "group": lambda: os.chown(path, -1, 1) or "group daemon instead of root",
        "number": lambda: os.chown(path, 54321, -1) or "owner 54321 instead of root",
        "gone": lambda: path.unlink() or "absent",
        "type": lambda: (path.unlink(), path.symlink_to("x")) and "a link instead of a file",
        "fifo": lambda: (path.unlink(), os.mkfifo(path, 0o644)) and "a fifo instead of a file",
    }[how]()
    if path.is_file() and not path.is_symlink():
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return f"{name}: {told}"


CHANGES = ["content", "longer", "mode", "owner", "group", "number", "gone", "type", "fifo"]


def test_each_kind_of_change_is_found_and_named(source, target, run, tmp_path, monkeypatch):
    monkeypatch.setattr("fixtures.sameness.manifest.MOST", 99)
    tree, copy = tmp_path / "tree", tmp_path / "copy"
    tree.mkdir()
    for how in CHANGES:
        (tree / how).write_text(how)
    subprocess.run(["cp", "-a", str(tree), str(copy)], check=True)
    rest()
    expected, same = at_once([lambda: manifest(source, tree, run), lambda: manifest(target, copy, run)])
    assert compare(expected, same, whole=True) == ""
    wanted = [change(copy, how, how) for how in sorted(CHANGES)]
    for earlier in (None, same):
        told = compare(expected, manifest(target, copy, run, earlier=earlier), whole=True).split("; ")
        assert len(told) == len(wanted)
        assert all(found.startswith(words) for found, words in zip(told, wanted, strict=True)), told


def test_a_link_elsewhere_and_one_more_are_named(source, target, run, tree, tmp_path):
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(tree), str(copy)], check=True)
    (copy / "link").unlink()
    (copy / "link").symlink_to("b")
    (copy / "more").touch()
    expected, found = manifest(source, tree, run), manifest(target, copy, run)
    assert compare(expected, found, whole=False) == "link: link target b instead of a"
    assert compare(expected, found, whole=True).endswith("; more: more than was expected")
    for number in range(9):
        (copy / f"more{number}").touch()
    assert compare(expected, manifest(target, copy, run), whole=True).endswith("; and 7 more")


def test_sockets_fifos_and_devices_have_type_and_mode(source, run, tmp_path):
    root = tmp_path / "t"
    root.mkdir()
    os.mkfifo(root / "fifo")
    os.mknod(root / "device", 0o600 | 0o020000, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
    found = manifest(source, root, run)
    kinds = {line.split(b"\t")[0]: line.split(b"\t")[1][:1] for line in found.lines()}
    assert kinds == {b"": b"d", b"device": b"c", b"fifo": b"p", b"socket": b"s"}
    other = manifest(source, root, run)
    assert compare(found, other, whole=True) == ""
    (root / "device").unlink()
    os.mknod(root / "device", 0o600 | 0o060000, os.makedev(1, 3))
    assert "device: a block device instead of a character device" in compare(
        found, manifest(source, root, run), whole=True
    )


NAMES = st.one_of(st.sampled_from(HOSTILE), st.binary(min_size=1, max_size=4)).filter(
    lambda name: not {0, 47} & set(name) and name not in (b".", b"..")
)
TREES = st.dictionaries(
    st.tuples(st.sampled_from([b"", b"d", b"\\\t\n"]), NAMES), st.binary(max_size=5), min_size=1, max_size=6
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES, data=st.data())
def test_any_single_change_is_found_and_equal_trees_never_differ(source, target, run, tmp_path, tree, data):
    one, other = tmp_path / "one", tmp_path / "other"
    for root in (one, other):
        shutil.rmtree(root, ignore_errors=True)
        for (directory, name), content in tree.items():
            path = root / os.fsdecode(directory)
            path.mkdir(parents=True, exist_ok=True)
            if not (path / os.fsdecode(name)).is_dir():
                (path / os.fsdecode(name)).write_bytes(content)
    expected, same = at_once([lambda: manifest(source, one, run), lambda: manifest(target, other, run)])
    assert compare(expected, same, whole=True) == compare(same, expected, whole=True) == ""
    files = sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file())
    if not files:
        return
    name = data.draw(st.sampled_from(files))
    full = (other / name).stat().st_size > 0
    change(other, data.draw(st.sampled_from([how for how in CHANGES if full or how != "content"])), name)
    earlier = data.draw(st.sampled_from([None, same]))
    told = compare(expected, manifest(target, other, run, earlier=earlier), whole=True)
    assert told.count(": ") == 1 or ": " in name
    assert "and " not in told.rpartition(": ")[2]


def test_delta_hashes_only_what_changed_and_sees_a_time_that_was_put_back(target, run, tree, monkeypatch):
    rest()
    calls = hashed(monkeypatch)
    first = manifest(target, tree, run)
    assert calls.pop() == [b"a", b"b", b"sub/c"]
    second = manifest(target, tree, run, earlier=first)
    assert not calls
    assert second.sha256 == first.sha256
    told = change(tree, "content", "b")
    third = manifest(target, tree, run, earlier=second)
    assert calls.pop() == [b"b"]
    assert compare(first, third, whole=True) == told
    # The file itself changed and changed back: what counts is what is in it.
    change(tree, "content", "b")
    assert compare(first, manifest(target, tree, run, earlier=third), whole=True) == ""
    (tree / "a").replace(tree / "z")
    moved = manifest(target, tree, run, earlier=first)
    assert b"z" in calls.pop()
    assert "a: absent" in compare(first, moved, whole=True)


def test_a_file_that_was_just_written_is_hashed_again(target, run, tree, monkeypatch):
    rest()
    (tree / "b").write_text("just now")
    calls = hashed(monkeypatch)
    first = manifest(target, tree, run)
    calls.clear()
    # Its hash may be of a moment before a write that left the same time stamps.
    assert b"\t-\t" in next(line for line in first.lines() if line.startswith(b"b\t"))
    manifest(target, tree, run, earlier=first)
    assert calls == [[b"b"]]


def test_what_cannot_be_read_is_named_and_never_equal(limited, run, tree, open_to_all):
    tree = tree.rename(open_to_all / "tree")
    assert manifest(limited, tree, run).entries == 6
    (tree / "b").chmod(0)
    with pytest.raises(CouldNotVerify, match=r"unreadable: b\n") as caught:
        manifest(limited, tree, run)
    assert "target" in caught.value.subject
    (tree / "b").chmod(0o644)
    (tree / "sub").chmod(0)
    with pytest.raises(CouldNotVerify, match="sub"):
        manifest(limited, tree, run)
    with pytest.raises(CouldNotVerify, match="absent"):
        manifest(limited, tree / "absent", run)
    assert not [path for path in (run.directory / "manifests").iterdir() if path.name.startswith(".")]


def test_what_changes_while_it_is_read_is_not_claimed(source, target, run, tree):
    def read(host, **options):
        with scratch(run.directory) as into:
            listing = list_directory(host, str(tree), into, lambda _: None)
            (tree / "a").unlink(missing_ok=True)
            (tree / "new").write_text("new")
            (tree / "b").write_text(f"other content {time.monotonic_ns()}")
            made = read_manifest(listing, into, **options)
            return made, [line.split(b"\t")[0] for line in made.lines()], b"".join(made.lines())

    made, names, _ = read(source, living=True)
    assert names == [b"", b"link", b"sub", b"sub/c"]
    assert (made.moved, made.names) == (3, "a, b, new")
    made, names, text = read(target)
    assert names == [b"", b"b", b"link", b"new", b"sub", b"sub/c"]
    assert text.count(b"changed meanwhile") == made.moved == 2


def test_an_entry_that_changed_is_equal_to_nothing(target, run, tree):
    with scratch(run.directory) as into:
        listing = list_directory(target, str(tree), into, lambda _: None)
        (tree / "b").write_text("other")
        made = read_manifest(listing, into)
        assert compare(made, made, whole=True) == "b: changed while it was read"


def test_holes_and_second_names_are_content(source, target, run, tree, tmp_path):
    copy = tmp_path / "copy"
    with (tree / "sparse").open("wb") as file:
        file.truncate(1 << 20)
    os.link(tree / "a", tree / "second")
    subprocess.run(["cp", "-r", "--sparse=never", "--no-dereference", str(tree), str(copy)], check=True)
    assert compare(manifest(source, tree, run), manifest(target, copy, run), whole=True) == ""


def test_a_manifest_is_kept_and_known_by_its_hash(target, run, tree):
    with scratch(run.directory) as into:
        made = read_manifest(list_directory(target, str(tree), into, lambda _: None), into)
        assert made.count == FileCount(files=3, links=1, bytes=len("content of acontent of bcontent of sub/c"))
        keep_manifest(run.directory, made)
    kept = kept_manifest(run.directory, made.sha256)
    assert kept.entries == made.entries == 6
    whole = kept.file.read_bytes()
    for broken in (gzip.compress(b"a\tother\n"), whole[:-20], whole[:20] + b"\xff" * 20 + whole[40:]):
        kept.file.write_bytes(broken)
        with pytest.raises(CouldNotVerify, match=made.sha256):
            kept_manifest(run.directory, made.sha256)


def test_it_says_how_far_it_is(target, run, tree, monkeypatch):
    monkeypatch.setattr(listings, "EVERY", 0.0)
    told = []
    with scratch(run.directory) as into:
        read_manifest(list_directory(target, str(tree), into, told.append), into, tell=told.append)
    assert f"{tree} on target: 6 entries listed" in told
    assert any("3 of 3 files hashed" in words and "MB/s" in words and "left" in words for words in told)


def test_a_host_that_goes_away_in_the_middle_is_told(target, run, tree, monkeypatch):
    def cut(*_):
        yield b"half a li"
        raise OSError("the connection was cut")

    monkeypatch.setattr(listings, "_chunks", cut)
    with scratch(run.directory) as into, pytest.raises(CouldNotVerify, match="the connection was cut"):
        list_directory(target, str(tree), into, silent)


SMALL = """
import sys
from pathlib import Path
from fixtures.connect.host import open_host
from fixtures.plan import Login
from fixtures.sameness.listing import list_directory, scratch
from fixtures.sameness.manifest import at_once, compare, keep_manifest, read_manifest, silent
login = Login.model_validate_json(sys.argv[1])
def one(name):
    host = open_host(name, login, lambda path: path)
    made = read_manifest(list_directory(host, sys.argv[2], into, silent), into)
    again = read_manifest(list_directory(host, sys.argv[2], into, silent), into, earlier=made)
    host.close()
    return made, again
with scratch(Path(sys.argv[3])) as into:
    (a, b), (c, d) = at_once([lambda: one("source"), lambda: one("target")])
    assert not any([compare(a, other, whole=True) for other in (b, c, d)])
# Not getrusage: that counts the process before it became this program, a copy of the tests' own.
print(a.entries, next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def test_memory_stays_small_however_many_entries(sshd, run, tmp_path):
    """200 000 entries of both sides at once, compared, and once more by delta."""

    def peak(directory):
        argv = [sys.executable, "-c", SMALL, sshd.login().model_dump_json(), str(directory), str(run.directory)]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
        entries, kilobytes = map(int, done.stdout.split())
        return entries, kilobytes / 1024

    tiny, many = tmp_path / "tiny", tmp_path / "many"
    tiny.mkdir()
    for number in range(200):
        directory = many / f"{number:03}"
        directory.mkdir(parents=True)
        for name in range(1000):
            # Few files with content: it is the number of entries that must not matter.
            (directory / f"{name}-{'n' * 60}").symlink_to("x") if name % 10 else (directory / f"{name}").touch()
    (_, least), (entries, most) = peak(tiny), peak(many)
    assert entries == 200 + 200_000 + 1
    assert most < 200
    assert most - least < 40


def test_the_gates_find_one_file_of_equal_size_and_time_by_name(source, target, run, tree, tmp_path, monkeypatch):
    upload = Upload(path=str(tree))
    copy = manifest(source, tree, run)
    rest()
    counts = {str(tree): FileCount(files=3, links=1, bytes=1)}
    there = manifest(target, tree, run)
    run.record(
        FilesCopy(final=True, manifests={str(tree): copy.sha256}, arrived={str(tree): there.sha256}, counts=counts)
    )
    check_files.check_files_match(upload, run, target, silent)
    check_final_copy.check_uploads_equal_closed_production(upload, run, source, target, silent)
    with pytest.raises(CouldNotVerify, match="manifests"):
        check_final_copy.check_uploads_equal_closed_production(
            Upload(path=f"{tree}/never-copied"), run, source, target, silent
        )
    change(tree, "content", "sub/c")
    with pytest.raises(NoGo, match="sub/c: other content"):
        check_files.check_files_match(upload, run, target, silent)
    with pytest.raises(NoGo, match="target: sub/c: other content"):
        check_final_copy.check_uploads_equal_closed_production(upload, run, source, target, silent)


def test_a_host_without_openssl_gives_the_same_manifest(target, run, tree, monkeypatch):
    (tree / "back\\slash\nand line").write_text("odd")
    rest()  # else the second manifest may trust a signature that was too young for the first
    quick = manifest(target, tree, run)
    asked = []
    monkeypatch.setattr(type(target), "succeeds", lambda _host, argv: asked.append(argv) or False)
    assert manifest(target, tree, run).sha256 == quick.sha256
    assert asked == [["sh", "-c", "command -v openssl"]]
