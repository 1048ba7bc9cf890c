"""Which host's uploads are counted, and what is said where files are missing."""

import pytest

from checks import check_files
from fixtures.errors import NoGo
from fixtures.facts import files
from fixtures.facts.wanted import wanted_by
from fixtures.run.journal import TargetOpened
from fixtures.run.records import FileCount, FilesCopy
from tests.unit.example import PLAN

UPLOAD = PLAN.files[0]
PATH = str(UPLOAD.path)
PRESENT = files.Status("deploy", "deploy", "755", 4096, "/")


def count(number, size):
    return FileCount(files=number, bytes=size, links=0)


@pytest.fixture
def copied(run):
    run.record(FilesCopy(final=True, manifests={}, counts={PATH: count(3, 100)}))
    return run


def asked(run):
    """What is asked first of both hosts, and of one with the directory and one without it afterwards."""
    wanted = wanted_by(check_files.check_file_counts_match)
    first = {name: wanted[name].made_of({"upload": UPLOAD, "run": run}) for name in ("source_status", "target_status")}
    then = [
        wanted[name.replace("status", "count")].made_of({name: dict.fromkeys(first[name], status)})
        for name in first
        for status in (PRESENT, None)
    ]
    return first, then


def test_the_target_is_counted_until_it_is_open_and_then_production(copied):
    status, number = {PATH: files.status(PATH)}, {PATH: files.count(PATH)}
    assert asked(copied) == ({"source_status": {}, "target_status": status}, [{}, {}, number, {}])
    copied.journal(TargetOpened())
    assert asked(copied) == ({"source_status": status, "target_status": {}}, [number, {}, {}, {}])


def judge(run, on_source, on_target):
    check_files.check_file_counts_match(UPLOAD, run, {}, {}, on_source, on_target)


@pytest.mark.parametrize(
    ("found", "words"),
    [({PATH: count(2, 100)}, "2 files"), ({PATH: count(3, 99)}, "99 bytes"), ({}, "no such directory")],
)
def test_missing_files_are_no_go(copied, found, words):
    enough = {PATH: count(4, 100)}
    judge(copied, {}, enough)
    with pytest.raises(NoGo, match=words) as caught:
        judge(copied, enough, found)
    assert caught.value.subject.endswith("on target")
    copied.journal(TargetOpened())
    judge(copied, enough, {})
    with pytest.raises(NoGo, match=words) as caught:
        judge(copied, found, enough)
    assert caught.value.subject.endswith("on source")


def test_a_directory_that_was_not_copied_is_no_go(run):
    run.record(FilesCopy(final=True, manifests={}, counts={}))
    with pytest.raises(NoGo, match="a directory that was copied"):
        judge(run, {}, {PATH: count(3, 100)})
