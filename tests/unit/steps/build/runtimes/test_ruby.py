"""Ruby from a tarball: its installer, its mark, and the login shell's path."""

import hashlib
import os
import subprocess
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest

from fixtures.plan import Tarball
from fixtures.run import places
from steps.build.runtimes import ruby

TARBALL = Tarball(
    url="https://example.org/ruby.tar.gz", sha256="a" * 64, installer=["./installer", "--auto=/opt/my ruby"],
    prefix=PurePosixPath("/opt/my ruby"),
)  # fmt: skip


def test_a_tarball_is_installed_with_the_plans_own_words():
    first, *script = ruby.install_script(TARBALL).splitlines()
    assert first == (
        f"set -- https://example.org/ruby.tar.gz {'a' * 64} /usr/local/src/gonogo-ruby '/opt/my ruby' "
        "'/opt/my ruby/gonogo-tarball.sha256' ./installer '--auto=/opt/my ruby'"
    )
    assert next(n for n, line in enumerate(script) if 'right "$archive.part"' in line) < next(
        n for n, line in enumerate(script) if line.startswith("tar ")
    )
    assert script[-1].endswith('>"$mark"')


def test_gems_come_from_the_plans_index_alone():
    script = ruby.gems_script("http://gems.test/", {"b": "2.0", "a": "1.0"})
    assert script.splitlines()[-1] == (
        "exec gem install --clear-sources --source http://gems.test/ --no-document a:1.0 b:2.0"
    )


@pytest.fixture
def machine(tmp_path):
    """A stand-in for the target: the script runs here, below a directory, with a tarball that lies there."""
    made = tmp_path / "made" / "ruby-1"
    made.mkdir(parents=True)
    installer = '#!/bin/sh\nset -e\nmkdir -p "$1/bin"\nprintf "#!/bin/sh\\necho fake" >"$1/bin/ruby"\nchmod +x "$1/bin/ruby"\n[ ! -e ../../fail ]\n'
    (made / "installer").write_text(installer)
    (made / "installer").chmod(0o755)
    archive = tmp_path / "ruby.tar.gz"
    subprocess.run(["tar", "-czf", archive, "-C", made.parent, "ruby-1"], check=True)
    prefix = tmp_path / "opt"
    tarball = Tarball(
        url="https://example.org/ruby.tar.gz", sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        installer=["./installer", str(prefix)], prefix=PurePosixPath(prefix),
    )  # fmt: skip
    curl = tmp_path / "bin" / "curl"
    curl.parent.mkdir()
    curl.write_text(f'#!/bin/sh\nwhile [ "$1" != --output ]; do shift; done\ncat {archive} >"$2"\n')
    curl.chmod(0o755)

    def install(**changes):
        script = ruby.install_script(tarball.model_copy(update=changes)).replace(str(ruby.SOURCES), f"{tmp_path}/src")
        path = f"{curl.parent}:{os.environ['PATH']}"
        return subprocess.run(["bash", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False)

    return SimpleNamespace(install=install, tarball=tarball, directory=tmp_path, mark=places.tarball_mark(tarball))


def test_a_tarball_is_unpacked_and_marked_only_when_it_is_the_planned_one(machine):
    wrong = machine.install(sha256="0" * 64)
    assert wrong.returncode == 1
    assert f"has SHA-256 {machine.tarball.sha256}, the plan says {'0' * 64}" in wrong.stderr
    assert not (machine.directory / "src" / "unpacked").exists()
    assert not machine.directory.joinpath("opt").exists()
    assert machine.install().returncode == 0
    assert Path(machine.mark).read_text() == f"{machine.tarball.sha256}\n"


def test_an_installation_that_broke_off_is_no_installation(machine):
    (machine.directory / "src").mkdir()
    (machine.directory / "src" / "fail").touch()
    assert machine.install().returncode == 1
    assert (machine.directory / "opt" / "bin" / "ruby").exists()
    assert not Path(machine.mark).exists()
    (machine.directory / "src" / "fail").unlink()
    assert machine.install().returncode == 0
    assert Path(machine.mark).exists()


def test_a_login_shell_finds_the_prefix_first_and_once(tmp_path):
    file = tmp_path / "profile"
    file.write_text(ruby.profile(PurePosixPath("/opt/my ruby")))
    twice = f'PATH=/usr/bin; . "{file}"; . "{file}"; echo "$PATH"'
    said = subprocess.run(["sh", "-c", twice], capture_output=True, text=True, check=True).stdout
    assert said == "/opt/my ruby/bin:/usr/bin\n"
