"""Modules from an index: what npm is told."""

import json
import os
import subprocess
from pathlib import PurePosixPath

from steps.build.runtimes import node

LOCK = json.dumps({"packages": {
    "": {}, "node_modules/a": {}, "node_modules/test": {"dev": True}, "node_modules/fast": {"optional": True},
}})  # fmt: skip


def test_kinds_of_packages_that_production_has_none_of_are_left_out():
    assert node.kinds_left_out(LOCK, ["a"]) == ["--omit=dev", "--omit=optional"]
    assert node.kinds_left_out(LOCK, ["a", "test"]) == ["--omit=optional"]
    assert node.kinds_left_out(LOCK, ["a", "test", "fast"]) == []


def test_npm_is_begun_in_the_release_with_the_plans_index_alone(tmp_path):
    release, programs = tmp_path / "release", tmp_path / "node" / "bin"
    release.mkdir()
    programs.mkdir(parents=True)
    npm = programs / "npm"
    npm.write_text(f'#!/bin/sh\npwd >{tmp_path}/said\necho "$@" >>{tmp_path}/said\n')
    npm.chmod(0o755)
    script = node.fill_script(
        PurePosixPath(release), "root", "root", str(programs.parent), "http://npm.test/", ["--omit=dev"]
    )
    done = subprocess.run(
        ["bash", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "said").read_text().splitlines() == [
        str(release), "ci --registry http://npm.test/ --no-audit --no-fund --no-update-notifier --omit=dev",
    ]  # fmt: skip
    assert (release / "node_modules").is_dir()
