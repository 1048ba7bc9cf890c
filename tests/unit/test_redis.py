"""Redis: what is said and heard, what is compared, and what is configured."""

import io
import subprocess

import pytest

from fixtures.connect.redis import RefusedError, alike, encode, label, read_answer, unlike
from fixtures.errors import CouldNotVerify, StepFailed
from fixtures.plan import Redis as Planned
from fixtures.sameness.keys import Keys, keep_keys, kept_keys
from fixtures.sameness.manifest import manifest_path
from fixtures.secrets import Secret
from steps.rehearse import redis

PASSWORD = 'it\'s "odd" \\ here'


@pytest.fixture
def planned(monkeypatch):
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
    return Planned(mode="copied", password=Secret(env="REDIS_PASSWORD"), port=6380)


def test_a_command_is_counted_words():
    assert encode(("SET", b"\xff\r\n", 7)) == b"*3\r\n$3\r\nSET\r\n$3\r\n\xff\r\n\r\n$1\r\n7\r\n"


def test_every_kind_of_answer_is_read():
    stream = io.BytesIO(b"*5\r\n+OK\r\n:-3\r\n$3\r\na\r\n\r\n$-1\r\n*2\r\n*-1\r\n*0\r\n-ERR no such thing\r\n")
    assert read_answer(stream) == [b"OK", -3, b"a\r\n", None, [None, []]]
    refused = read_answer(stream)
    assert isinstance(refused, RefusedError)
    assert str(refused) == "ERR no such thing"


@pytest.mark.parametrize("text", [b"", b"+OK", b"$5\r\nabc", b"*2\r\n:1\r\n"])
def test_an_answer_that_breaks_off_is_none(text):
    with pytest.raises(EOFError):
        read_answer(io.BytesIO(text))


def test_what_is_no_redis_is_told():
    with pytest.raises(ValueError, match="no answer"):
        read_answer(io.BytesIO(b"HTTP/1.1 400 Bad Request\r\n"))


def test_a_key_stands_under_its_hash():
    name = label(3, b"session:tok3n")
    assert name.startswith("3/session#")
    assert "tok3n" not in name
    assert label(3, b"queue:a") != label(3, b"queue:b") != label(0, b"queue:b")
    assert label(0, b"\x00\xff\n:x").split("#")[0] == "0/???"


def test_an_expiry_may_be_read_a_moment_later():
    assert alike("string aa 100000", "string aa 101500")
    assert not alike("string aa 100000", "string aa 109000")
    assert not alike("string aa 100000", "string aa -")
    assert not alike("string aa -", "string bb -")
    assert not alike("string aa -", "list aa -")


def test_what_is_missing_other_or_more_is_named():
    expected = {"0/a#1": "string aa -", "0/b#2": "list bb -", "0/c#3": "string cc 50000"}
    assert unlike(expected, dict(expected), 1000, whole=True) == []
    assert unlike(expected, {"0/a#1": "string aa -", "0/b#2": "list bb -"}, 60000, whole=True) == []
    found = {"0/a#1": "string ab -", "0/c#3": "string cc 50000", "0/d#4": "set dd -"}
    assert unlike(expected, found, 1000, whole=False) == ["0/a#1 differs", "0/b#2 is absent"]
    assert unlike(expected, found, 1000, whole=True)[-1] == "0/d#4 is there, and was not copied"


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
    script = redis._LOAD.replace("systemctl", "true systemctl")
    words = ["sh", "-c", script, "load", "redis.service", str(directory), file, "", append]
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


def test_kept_keys_that_a_disk_spoilt_are_told(tmp_path):
    keys = Keys({f"key {number}": "string 1 -" for number in range(50)})
    keep_keys(tmp_path, keys)
    assert kept_keys(tmp_path, keys.sha256) == keys
    file = manifest_path(tmp_path, keys.sha256)
    whole = file.read_bytes()
    file.write_bytes(whole[:20] + b"\xff" * 20 + whole[40:])
    with pytest.raises(CouldNotVerify, match=keys.sha256):
        kept_keys(tmp_path, keys.sha256)
