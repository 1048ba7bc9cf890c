"""What is copied of the application: only where it belongs, whatever the source sends. tar runs here, over SSH."""

import logging
import os
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest

from fixtures.connect.host import open_host
from fixtures.errors import Refused, StepFailed
from steps.build import release
from steps.build.release import UNPACK, _account, _Bringing, pack_command, stream
from steps.tools.copying import CONFINED
from tests.unit.answers import Answers
from tests.unit.example import PLAN
from tests.unit.loopback import running_sshd
from tests.unit.steps.target import SURVEY


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


@pytest.fixture
def home(tmp_path):
    """The application's home on production."""
    (tmp_path / "here/config").mkdir(parents=True)
    (tmp_path / "here/config/app.yml").write_text("a: 1")
    (tmp_path / "here/tool").write_text("x")
    (tmp_path / "here/tool").chmod(0o4755)
    return tmp_path / "here"


def copied(source, target, home, into, reader=None):
    into.mkdir(exist_ok=True)
    writer = [*CONFINED, str(into), str(home), *UNPACK]
    return stream(source, target, reader or pack_command([home], []), writer, home, [home])


def test_a_home_arrives_and_what_gives_root_is_named(source, target, home, tmp_path):
    assert copied(source, target, home, tmp_path / "there") == [f"setuid or setgid of {home}/tool"]
    assert (tmp_path / "there/config/app.yml").read_text() == "a: 1"
    assert (tmp_path / "there/tool").stat().st_mode & 0o7777 == 0o755


def test_a_link_that_an_earlier_copy_left_leads_nowhere(source, target, home, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "there/config").symlink_to(tmp_path / "outside")
    (tmp_path / "there/tool").symlink_to(tmp_path / "outside/tool")
    copied(source, target, home, tmp_path / "there")
    assert not list((tmp_path / "outside").iterdir())
    assert (tmp_path / "there/config/app.yml").read_text() == "a: 1"


@pytest.mark.parametrize("where", ["/etc/cron.d/evil", "../evil"])
def test_a_source_that_sends_something_else_is_told_and_nothing_is_written(source, target, home, tmp_path, where):
    (tmp_path / "work").mkdir()
    (tmp_path / "evil").write_text("* * * * * root id")
    transform = ["--transform", f"s,.*,{where},", "-P"]
    hostile = ["tar", "-C", str(tmp_path), "-cz", *transform, "evil"]
    (tmp_path / "evil").chmod(0o644)
    with pytest.raises(StepFailed, match="nobody asked for it"):
        copied(source, target, home, tmp_path / "work/there", reader=hostile)
    assert not list((tmp_path / "work/there").iterdir())
    assert not Path("/etc/cron.d/evil").exists()


@pytest.mark.parametrize(
    ("reader", "told"),
    [
        (["sh", "-c", "echo tar is not here >&2; exit 7"], "exit code 7: tar is not here"),
        (["tar", "-C", "/", "-cz", "--", "no/such/file"], "exit code 2: .*no/such/file"),
        (["echo", "hello"], "an archive to its end"),
        (["cat", "/dev/zero"], "an archive to its end"),
    ],
)
def test_a_source_that_sends_no_archive_is_told_in_its_own_words(source, target, home, tmp_path, reader, told):
    with pytest.raises(StepFailed, match=f"(?s){told}"):
        copied(source, target, home, tmp_path / "there", reader=reader)


def test_the_unpacking_tar_writes_nothing_beside_its_directory(target, tmp_path):
    """What is looked at on the way is the first wall, this is the second one."""
    into, outside = tmp_path / "into", tmp_path / "outside"
    into.mkdir()
    outside.mkdir()
    words = 'echo here >inside; echo there >"$1"/evil || :; mknod device c 1 3 || :; mount -t tmpfs x . || :; touch /etc/evil || :'
    target.check([*CONFINED, str(into), "/home/app", "sh", "-c", words, "evil", str(outside)])
    assert [path.name for path in into.iterdir()] == ["inside"]
    assert not list(outside.iterdir())
    assert not Path("/etc/evil").exists()


@pytest.mark.parametrize(
    ("link", "lands"),
    [
        ("roots/link", "roots/real"),
        ("homes/link", "homes/real"),
        ("others/link", "leads to"),
        ("others/link/sub", "leads to"),
        ("roots/indirect", "leads to"),
    ],
)
def test_a_directory_is_led_elsewhere_by_root_alone_or_within_the_home(target, tmp_path, link, lands):
    for name, owner in (("roots", 0), ("homes", 1), ("others", 1)):
        (tmp_path / name / "real/sub").mkdir(parents=True)
        (tmp_path / name / "link").symlink_to("real" if name != "others" else tmp_path / "roots/real")
        os.chown(tmp_path / name, owner, owner)
    (tmp_path / "roots/indirect").symlink_to(tmp_path / "others/link")
    command = [*CONFINED, str(tmp_path / link), str(tmp_path / "homes"), "touch", "arrived"]
    if lands == "leads to":
        with pytest.raises(StepFailed, match="leads to"):
            target.check(command)
        assert not list(tmp_path.rglob("arrived"))
    else:
        target.check(command)
        assert (tmp_path / lands / "arrived").exists()


def test_each_file_is_brought_to_its_own_directory(source, target, tmp_path, monkeypatch, caplog):
    etc = tmp_path / "etc"
    for name in ("app.env", "systemd/app.service", "systemd/other.service", "zz"):
        (etc / name).parent.mkdir(parents=True, exist_ok=True)
        (etc / name).write_text(name)
    (etc / "app.env").chmod(0o4640)
    streams = []
    real = release.stream

    def noting(*words):
        streams.append((words[4], [path.name for path in words[5]]))
        return real(*words)

    monkeypatch.setattr(release, "stream", noting)
    wanted = [etc / "app.env", etc / "systemd/app.service", etc / "zz", tmp_path / "home/.env", etc / "app.env"]
    with caplog.at_level(logging.INFO, "steps"):
        _Bringing(source, target, tmp_path / "home", [tmp_path / "home"]).files(wanted, [], tmp_path / "held")
    assert sorted(streams) == [(etc, ["app.env", "zz"]), (etc / "systemd", ["app.service"])]
    arrived = tmp_path / "held" / etc.relative_to("/")
    assert sorted(str(path.relative_to(arrived)) for path in arrived.rglob("*") if path.is_file()) == [
        "app.env", "systemd/app.service", "zz",
    ]  # fmt: skip
    assert (arrived / "app.env").stat().st_mode & 0o7777 == 0o640
    assert (
        f"left behind on purpose, nobody gets root by what was copied: setuid or setgid of {etc}/app.env" in caplog.text
    )


def test_a_home_that_is_not_there_yet_gets_productions_owner_and_mode(source, target, tmp_path, monkeypatch):
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    here.chmod(0o750)
    os.chown(here, 1, 1)
    monkeypatch.setattr(_Bringing, "_stream", lambda *_, **__: None)
    gone = tmp_path / "gone"

    class Elsewhere:
        def check(self, argv):
            return target.check([str(gone) if word == str(here) else word for word in argv])

    _Bringing(source, Elsewhere(), here).directory(here, [])
    assert (gone.stat().st_mode & 0o7777, gone.stat().st_uid, gone.stat().st_gid) == (0o750, 1, 1)


@pytest.mark.parametrize(
    ("answer", "account"),
    [
        ("app:x:1001:1001:,,,:/home/app:/bin/bash\napp\napp www-data\n",
         ["app", "1001", "app", "1001", "/home/app", "/bin/bash", "www-data"]),
        ("evil:x:0:0::/:/bin/sh\napp\napp\n", ["app", "0", "app", "0", "/", "/bin/sh"]),
        ("app:x:1001:6::/home/app:/bin/bash\napp\napp disk\n", None),
        ("app:x:1001:0::/home/app:/bin/bash\nroot\nroot\n", None),
    ],
)  # fmt: skip
def test_the_user_is_the_plans_and_in_no_group_that_is_as_good_as_root(answer, account):
    host = SimpleNamespace(check=lambda _: answer)
    if account is None:
        with pytest.raises(Refused, match="groups that give nobody root"):
            _account(host, "app")
    else:
        assert _account(host, "app") == account


class Noted:
    """Stands for what is brought, and keeps it."""

    def __init__(self, own=()):
        self.brought, self.target, self.whole = [], "target", []
        answer = "".join(f"{line}\n" for line in ("package redmine", *(f"own {path}" for path in own)))
        self.source = Answers(answer, name="source")

    def directory(self, path, _):
        self.brought.append(f"{path}/")

    def files(self, paths, _):
        self.brought += map(str, paths)


def brought(run, current, real, *, packages=(), own=()):
    application = PLAN.application.model_copy(update={"home": None, "current": PurePosixPath(current)})
    run.record(SURVEY.model_copy(update={"release": real, "release_packages": [*packages]}))
    noted = Noted(own)
    release._bring_release(PLAN.model_copy(update={"application": application}), run, noted.target, noted, [])
    return noted.brought


def test_a_release_beside_the_home_is_copied_with_the_link_that_leads_to_it(run):
    assert brought(run, "/srv/app", "/srv/app") == ["/srv/app/"]
    assert brought(run, "/srv/app/current", "/srv/app/releases/1") == ["/srv/app/releases/1/", "/srv/app/current"]


@pytest.mark.parametrize("shared", ["/", "/usr", "/usr/share", "/opt", "/srv", "/var/lib"])
def test_a_link_to_what_belongs_to_the_whole_system_is_refused(run, shared):
    with pytest.raises(Refused, match="belongs to the whole system"):
        brought(run, "/srv/app/current", shared)


def test_what_packages_brought_is_installed_and_what_lies_beside_it_is_copied(run, monkeypatch):
    installed = []
    monkeypatch.setattr(release.packages, "install", lambda *words: installed.append(words[1:]))
    home = "/usr/share/redmine"
    assert brought(run, home, home, packages=["redmine"]) == []
    assert brought(run, home, home, packages=["redmine"], own=[f"{home}/config/own.yml"]) == [f"{home}/config/own.yml"]
    assert installed == [(run, "release", ["redmine"])] * 2
    with pytest.raises(Refused, match="1001 of them"):
        brought(run, home, home, packages=["redmine"], own=[f"{home}/{number}" for number in range(1001)])


def test_a_link_is_brought_as_a_link(source, target, tmp_path):
    (tmp_path / "app/releases/1").mkdir(parents=True)
    (tmp_path / "app/current").symlink_to("releases/1")
    _Bringing(source, target, tmp_path / "app/current").files([tmp_path / "app/current"], [], tmp_path / "there")
    arrived = tmp_path / "there" / (tmp_path / "app/current").relative_to("/")
    assert str(arrived.readlink()) == "releases/1"
