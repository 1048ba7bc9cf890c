"""Redis on the target: copied, configured, and loaded."""

import subprocess

import pytest

from fixtures.errors import StepFailed
from fixtures.plan import Redis as Planned
from fixtures.sameness.keys import Keys
from fixtures.secrets import Secret
from steps.rehearse import redis

PASSWORD = 'it\'s "odd" \\ here'


@pytest.fixture
def planned(monkeypatch):
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
    return Planned(mode="copied", password=Secret(env="REDIS_PASSWORD"), port=6380)


def test_closed_production_may_not_change_and_open_production_keeps_what_did_not():
    before, after = Keys({"a": "string 1 -", "b": "string 2 -"}), Keys({"a": "string 1 -", "b": "string 3 -"})
    assert redis._unchanged(before, after, 0, final=False) == {"a": "string 1 -"}
    with pytest.raises(StepFailed, match="b differs"):
        redis._unchanged(before, after, 0, final=True)
    assert redis._unchanged(before, before, 0, final=True) == before


def test_the_password_goes_by_the_input_of_redis_cli(planned, tmp_path):
    script = redis.dump_script(planned, ["ssh", "admin@192.0.2.4"])
    *_, last = script.splitlines()
    fed, command, sent = last.split(" | ")
    assert command == "nice -n 10 redis-cli -p 6380 --no-auth-warning --askpass --rdb -"
    assert sent == "ssh admin@192.0.2.4"
    said = subprocess.run(["bash", "-c", fed], capture_output=True, text=True, check=True).stdout
    assert said == f"{PASSWORD}\n"
    open_one = planned.model_copy(update={"password": None})
    assert redis.dump_script(open_one, ["ssh", "x"]).splitlines()[-1] == (
        "nice -n 10 redis-cli -p 6380 --no-auth-warning --rdb - | ssh x"
    )


def test_the_configuration_is_the_loopback_the_password_and_productions_settings(planned):
    told = {"databases": "16", "save": "3600 1 300 100", "appendonly": "yes", "maxmemory-policy": "noeviction"}
    assert redis.configuration(planned, told).splitlines() == [
        "# Written by gonogo.",
        "bind 127.0.0.1 -::1",
        "port 6380",
        'requirepass "it\'s \\"odd\\" \\\\ here"',
        'databases "16"',
        "save 3600 1",
        "save 300 100",
        'appendonly "yes"',
        'maxmemory-policy "noeviction"',
    ]
    assert 'save ""' in redis.configuration(planned, {"save": ""})


def test_versions_are_read():
    assert redis._version("# Server\nredis_version:7.0.15\n") == (7, 0, 15)
    assert redis._version("Redis server v=8.0.2 sha=0:0 malloc=x") == (8, 0, 2)
    assert redis._version("") == (0,)


def load(directory, file, append):
    script = [word.replace("systemctl", "true systemctl") for word in redis._LOAD]
    words = [*script, "redis.service", str(directory), file, "", append]
    return subprocess.run(words, check=False, capture_output=True, text=True)


def test_only_redis_own_files_go_before_the_data_is_loaded(tmp_path):
    for name in ("dump.rdb", "appendonlydir", "other"):
        (tmp_path / name).mkdir()
    assert load(tmp_path, "dump.rdb", "appendonlydir").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize(("file", "append"), [("", "appendonlydir"), ("dump.rdb", "")])
def test_without_a_name_nothing_goes(tmp_path, file, append):
    # An old Redis does not tell its appendfilename: the path would be that of the directory itself.
    (tmp_path / "other").touch()
    done = load(tmp_path, file, append)
    assert (done.returncode != 0, "is" in done.stderr) == (True, True), done
    assert (tmp_path / "other").exists()
