"""The private key that is written for the operator."""

import stat

import paramiko
import pytest

from steps.provision import key_pair


def test_a_private_key_is_ours_alone_and_never_overwritten(tmp_path):
    path = tmp_path / "keys" / "new.pem"
    key_pair.write_new_key(path)
    text = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert paramiko.PKey.from_path(path).get_name() == "ssh-ed25519"
    with pytest.raises(FileExistsError):
        key_pair.write_new_key(path)
    assert path.read_bytes() == text
    assert [entry.name for entry in path.parent.iterdir()] == ["new.pem"]
