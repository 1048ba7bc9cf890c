"""No dump of the database is left, looked for in real directories."""

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
    argv = [word.replace("find /tmp /var/tmp /root /var/lib/postgresql ", "find ") for word in fact.argv]
    assert argv != [*fact.argv]
    assert argv[-2:] == [str(MEMORY), str(STATE_DIRECTORY)]
    return HostFact((*argv[:-2], *map(str, places)), fact.read)


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
