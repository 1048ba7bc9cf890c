"""Nobody but us can log in to the target."""

import re

import paramiko
import pytest

from fixtures.connect.host import Host
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.plan import Plan

pytestmark = pytest.mark.ssh_ready

# One line an account: name, then whether its password field would let somebody in ("!" and "*" lock it).
_PASSWORDS = r"""
while IFS=: read -r name word _; do
  case $word in "!"* | "*"*) ;; *) echo "$name" ;; esac
done </etc/shadow
"""
# One line a key: the file, then the line. Both names that sshd reads by default, in every home.
_KEYS = r"""
getent passwd | cut -d: -f6 | sort -u | while read -r home; do
  for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
    [ -f "$file" ] && sed "s|^|$file\t|" "$file"
  done
done
true
"""
_KEY = re.compile(r"(?:^|\s)(?:ssh|ecdsa|sk)-\S+ (AAAA[A-Za-z0-9+/]+=*)")


def strangers(listed: str, ours: set[str]) -> list[str]:
    """Files with authorized keys that are not ours, from the lines "file TAB line"; what is no key counts as one."""
    found = []
    for entry in listed.splitlines():
        file, _, line = entry.partition("\t")
        key = _KEY.search(line)
        if line.strip() and not line.lstrip().startswith("#") and (key is None or key[1] not in ours):
            found.append(file)
    return sorted(set(found))


def check_no_other_account_has_a_password(target: Host, plan: Plan) -> None:
    """No account beside the image's own user has a password, or none to ask for."""
    found = [name for name in target.check(["sh", "-c", _PASSWORDS]).split() if name != plan.target.user]
    if found:
        raise NoGo(
            "accounts with a password on the target",
            expected="none",
            found=", ".join(found),
            remedy="find out who made them; lock them (passwd -l), or choose another target.image",
        )


def check_no_stranger_is_let_in(target: Host, plan: Plan) -> None:
    """Every authorized key on the target, whoever's home it lies in, is ours."""
    path = plan.resolve(plan.target.key_file)
    try:
        ours = {paramiko.PKey.from_path(path).get_base64()}
    except (OSError, ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        raise CouldNotVerify(
            f"the private key {path}", expected="readable", found="not", remedy="correct target.key_file"
        ) from None
    found = strangers(target.check(["sh", "-c", _KEYS]), ours)
    if found:
        raise NoGo(
            "authorized keys on the target",
            expected=f"those of {path.name} alone",
            found=f"others in {', '.join(found)}",
            remedy="find out whose they are and remove them, or choose another target.image",
        )
