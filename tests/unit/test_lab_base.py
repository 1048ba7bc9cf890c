"""The lab's commands and hashes, without running any of them."""

import os
import time
from pathlib import Path

import pytest

from fixtures.errors import GonogoError
from fixtures.lab import needs, snapshots
from fixtures.lab.hosts import recipes
from fixtures.lab.hosts.hosts import nspawn_command
from fixtures.lab.hosts.images import cached, digest_of
from fixtures.lab.places import claim, error_of, fields_of


def test_mmdebstrap_gets_packages_suite_and_sources():
    recipe = recipes.Recipe(packages=("a", "b"), suite="trixie")
    command = recipes.mmdebstrap_command(recipe, Path("/out"), ["deb http://mirror.test x main"], "")
    assert "--include=a,b" in command
    assert command[-3:] == ["trixie", "/out", "deb http://mirror.test x main"]
    assert not any("Proxy" in word for word in command)


def test_mmdebstrap_goes_through_the_machines_proxy():
    command = recipes.mmdebstrap_command(recipes.Recipe(packages=("a",)), Path("/out"), [], "http://proxy.test:1")
    assert '--aptopt=Acquire::http::Proxy "http://proxy.test:1"' in command


def test_the_ami_is_bare():
    packages = set(recipes.RECIPES["ami-bookworm"].packages)
    assert not packages & {"ruby", "rails", "postgresql", "nginx", "rsync", "curl", "build-essential"}


def test_a_host_cannot_make_device_nodes():
    command = nspawn_command(Path("/root"), "lab-one", "one", "one", [])
    assert "--drop-capability=CAP_MKNOD" in command
    assert "--network-namespace-path=/run/netns/one" in command


def test_digest_sees_values_and_files(tmp_path: Path):
    (tmp_path / "a").write_text("1")
    first = digest_of("x", tmp_path)
    assert digest_of("x", tmp_path) == first
    assert digest_of("y", tmp_path) != first
    (tmp_path / "a").write_text("2")
    second = digest_of("x", tmp_path)
    assert second != first
    (tmp_path / "a").rename(tmp_path / "b")
    assert digest_of("x", tmp_path) != second


def test_cache_builds_once_and_forgets_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GONOGO_CACHE", str(tmp_path))
    built: list[Path] = []

    def build(directory: Path) -> None:
        built.append(directory)
        (directory / "file").write_text("there")

    def fail(directory: Path) -> None:
        (directory / "half").write_text("half")
        raise GonogoError("s", expected="e", found="f", remedy="r")

    with pytest.raises(GonogoError):
        cached("thing", "0123456789abcdef", fail)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thing.lock"]
    (tmp_path / "thing.unfinished-killed").mkdir()
    found = cached("thing", "0123456789abcdef", build)
    assert cached("thing", "0123456789abcdef", build) == found
    assert len(built) == 1
    assert (found / "file").read_text() == "there"
    assert not (tmp_path / "thing.unfinished-killed").exists()


def test_a_claim_lasts_as_long_as_its_socket():
    held = claim("unit-test")
    assert held is not None
    assert claim("unit-test") is None
    held.close()
    again = claim("unit-test")
    assert again is not None
    again.close()


def test_an_error_travels_whole():
    error = GonogoError("s", expected="e", found="f", remedy="r")
    assert str(error_of(fields_of(error))) == str(error)


def test_missing_needs_are_one_error_with_the_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(needs.shutil, "which", lambda name: None if name in {"nft", "mmdebstrap"} else "/bin/x")
    with pytest.raises(GonogoError) as caught:
        needs.check()
    assert caught.value.found == "missing: mmdebstrap, nft"
    assert caught.value.remedy == "sudo apt-get install mmdebstrap nftables"


def test_not_being_root_is_one_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(needs.shutil, "which", lambda name: "/bin/x")
    monkeypatch.setattr(needs.os, "geteuid", lambda: 1000)
    with pytest.raises(GonogoError, match="sudo"):
        needs.check()


def test_a_snapshot_is_usable_while_its_night_may_begin(tmp_path):
    assert not snapshots.usable(tmp_path)
    window = tmp_path / "window"
    window.write_text("2026-11-23T17:00:00+00:00")
    assert snapshots.usable(tmp_path)
    old = time.time() - (snapshots.DAYS + 1) * 86400
    os.utime(window, (old, old))
    assert not snapshots.usable(tmp_path)
