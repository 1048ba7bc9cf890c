"""Sealing: what is hidden while an image is taken comes back by itself."""

import subprocess

import pytest

from steps.keep import sealing


def test_the_target_takes_everything_back_by_itself():
    words = sealing.arm_command(300)
    assert words[:3] == ["systemd-run", "--unit=gonogo-unseal", "--on-active=300"]
    assert words[-2:] == ["bash", "/run/gonogo-sealed/unseal.sh"]


@pytest.fixture
def sealed_root(tmp_path):
    """A directory in the root's place, what is packed of it, and the scripts that hide and take back."""
    root, held, lock = tmp_path / "root", tmp_path / "held", tmp_path / "lock"
    (root / "home/.ssh").mkdir(parents=True)
    (root / "home/.ssh/authorized_keys").write_text("key")
    (root / "home/.ssh/authorized_keys").chmod(0o600)
    (root / "key").write_text("host key")
    here = str(root).lstrip("/")
    pack = [
        word.replace("/etc/ssh/ssh_host_*", f"/{here}/key").replace("getent passwd", f"echo a:b:c:d:e:/{here}/home")
        for word in sealing._PACK
    ]
    subprocess.run([*pack, str(held), ".ssh .aws", "/nothing/there"], check=True)
    script = sealing.unseal_script(["true.service"]).replace(sealing.HELD, str(held))
    script = script.replace(sealing.LOCK, str(lock)).replace("systemctl start", "true")
    return root, held, [*sealing._HIDE, str(held), str(lock)], ["bash", "-c", script]


def test_what_is_packed_hidden_and_unpacked_is_what_was_there(sealed_root):
    root, held, hide, unseal = sealed_root
    subprocess.run(hide, check=True)
    assert not (root / "key").exists()
    assert not (root / "home/.ssh").exists()
    for _ in range(2):
        subprocess.run(unseal, check=True)
    assert (root / "key").read_text() == "host key"
    assert (root / "home/.ssh/authorized_keys").stat().st_mode & 0o777 == 0o600
    assert not (held / "held.tar").exists()


def test_what_was_taken_back_already_is_never_hidden(sealed_root):
    # Stopping the units took so long that the target's own timer came first: nothing could give the keys back again.
    root, _, hide, unseal = sealed_root
    subprocess.run(unseal, check=True)
    done = subprocess.run(hide, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "taken its keys back" in done.stderr
    assert (root / "key").read_text() == "host key"
    assert (root / "home/.ssh/authorized_keys").read_text() == "key"
