"""Whose dumps are named, looked for in real directories: gonogo's own alone."""

import subprocess

import pytest

from checks import check_data
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts.fact import HostFact, ask
from fixtures.run.places import MEMORY, STATE_DIRECTORY
from tests.unit.answers import ThisMachine
from tests.unit.example import PLAN

HERE = ThisMachine()


def looking(*places):
    """The question, put about these directories alone."""
    fact = check_data._dumps(PLAN)
    return HostFact((*fact.argv[:-2], *map(str, places)), fact.read)


def test_a_dump_is_found_and_a_directory_that_is_not_there_holds_none(tmp_path):
    assert ask(HERE, looking(tmp_path, tmp_path / "absent")) == []
    dump = tmp_path / f"{PLAN.database.name}.sql.gz"
    dump.write_text("rows")
    assert ask(HERE, looking(tmp_path / "absent", tmp_path)) == [str(dump)]


def test_a_directory_that_cannot_be_looked_into_is_no_empty_one(open_to_all):
    (open_to_all / "loop").symlink_to("loop")
    with pytest.raises(CouldNotVerify, match="Too many levels of symbolic links"):
        ask(HERE, looking(open_to_all, open_to_all / "loop/below"))
    (open_to_all / "closed").mkdir(mode=0o700)
    with pytest.raises(CouldNotVerify, match="Permission denied"):
        ask(ThisMachine("runuser", "-u", "nobody", "--"), looking(open_to_all))


def test_a_dump_on_either_host_is_no_go():
    check_data.check_no_dump_is_left([], [])
    with pytest.raises(NoGo, match="payroll on target"):
        check_data.check_no_dump_is_left([], ["payroll"])


@pytest.fixture
def dumps(tmp_path):
    """Finds dumps of the plan's database as on a host on which our own directory is `ours`."""
    (tmp_path / "ours/copy").mkdir(parents=True)

    def found():
        return subprocess.run(found.argv, capture_output=True, text=True, check=True).stdout.split()

    found.argv = looking(tmp_path / "ours", tmp_path / "absent").argv
    return found


def test_a_dump_in_our_own_directory_is_named(dumps, tmp_path):
    file = tmp_path / "ours/copy" / f"{PLAN.database.name}-1.dump"
    file.write_text("PGDMP")
    assert dumps() == [str(file)]
    with pytest.raises(NoGo, match="gonogo's alone"):
        check_data.check_no_dump_is_left([str(file)], [])


def test_a_backup_of_somebody_else_is_left_alone(dumps, tmp_path):
    made = "cd /var/lib && mkdir postgresql && echo x >postgresql/gonogo-nightly.dump && echo x >postgresql/gonogo-app.dump"
    for place in ("/var/lib", "/root", "/var/tmp"):  # what lies there, in a view of the host that is this test's alone
        look = dumps.argv if place != "/var/lib" else ["sh", "-c", f'{made} && exec "$@"', "look", *dumps.argv]
        files = "cp /etc/hostname gonogo-app.dump && cp /etc/hostname gonogo.dump"
        alone = f'mount -t tmpfs gonogo {place} && (cd {place} && {files}) && exec "$@"'
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", alone, "alone", *look], capture_output=True, check=True
        )
        assert done.stdout == b""


def test_only_our_own_directories_are_looked_at():
    argv = check_data._dumps(PLAN).argv
    assert argv[-3:] == (PLAN.database.name, str(MEMORY), str(STATE_DIRECTORY))
