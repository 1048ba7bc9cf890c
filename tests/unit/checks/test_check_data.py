"""Whose dumps are named: gonogo's own alone."""

import subprocess

import pytest

from checks import check_data
from fixtures.errors import NoGo
from fixtures.run.places import MEMORY, STATE_DIRECTORY
from fixtures.scripts import script
from tests.unit.example import PLAN


@pytest.fixture
def dumps(tmp_path):
    """Finds dumps of `app` as on a host on which our own directory is `ours`."""
    (tmp_path / "ours/copy").mkdir(parents=True)

    def found():
        return subprocess.run(found.argv, capture_output=True, text=True, check=True).stdout.split()

    found.argv = [
        *script(check_data.__file__, "dumps_left.sh"),
        "app",
        str(tmp_path / "ours"),
        str(tmp_path / "absent"),
    ]
    return found


def test_a_dump_in_our_own_directory_is_named(dumps, tmp_path):
    file = tmp_path / "ours/copy/app-1.dump"
    file.write_text("PGDMP")
    assert dumps() == [str(file)]
    with pytest.raises(NoGo, match="gonogo's alone"):
        check_data.check_no_dump_is_left([str(file)], [])


def test_a_backup_of_somebody_else_is_left_alone(dumps, tmp_path):
    made = (
        "cd /var/lib && mkdir postgresql && echo x >postgresql/nightly-app.sql.gz && echo x >postgresql/gonogo-app.dump"
    )
    for place in ("/var/lib", "/root", "/var/tmp"):  # what lies there, in a view of the host that is this test's alone
        look = dumps.argv if place != "/var/lib" else ["sh", "-c", f'{made} && exec "$@"', "look", *dumps.argv]
        files = "cp /etc/hostname app.dump && cp /etc/hostname gonogo.dump"
        alone = f'mount -t tmpfs gonogo {place} && (cd {place} && {files}) && exec "$@"'
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", alone, "alone", *look], capture_output=True, check=True
        )
        assert done.stdout == b""


def test_only_our_own_directories_are_looked_at():
    argv = check_data._dumps(PLAN).argv
    assert argv[argv.index("dumps_left") + 1 :] == (PLAN.database.name, str(MEMORY), str(STATE_DIRECTORY))
