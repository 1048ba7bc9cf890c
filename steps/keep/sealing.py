"""What must not be in an image is put aside in memory while the image is taken, and comes back whatever becomes of us."""

import shlex
from collections.abc import Sequence

from fixtures.connect.host import Host
from fixtures.places import UNITS

HELD = "/run/gonogo-sealed"
"""Where it waits: memory, which no image holds. A reboot meanwhile is survived too: without its own data cloud-init takes
the host for a new one, and lets the key pair in again."""
UNIT = f"{UNITS}unseal"
LOCK = "/run/gonogo-unseal.lock"
"""Held while things are hidden or taken back: what was taken back already is never hidden."""
SECONDS = 120
"""After which the target takes everything back by itself."""

IN_HOMES = (
    ".ssh", ".aws", ".boto", ".s3cfg", ".netrc", ".bash_history", ".sh_history", ".zsh_history", ".python_history",
    ".irb_history", ".psql_history", ".rediscli_history", ".lesshst", ".viminfo", ".sudo_as_admin_successful",
)  # fmt: skip
"""Names in a home directory that are a person's, or let somebody in somewhere."""
ON_HOST = (
    "/var/lib/cloud/instance", "/var/lib/cloud/instances", "/var/lib/cloud/data", "/var/lib/cloud/seed",
)  # fmt: skip
"""Cloud-init's memory of this one instance, its user data included. SSH's host keys are found by their names."""

# $1 directory, $2 names in homes, the rest paths. Packs what is there, and makes sure that the pack is whole.
_PACK = r"""
set -eu
umask 077
directory=$1 names=$2
shift 2
rm -rf -- "$directory"
mkdir -- "$directory"
put() { if [ -e "$1" ] || [ -L "$1" ]; then printf '%s\0' "${1#/}" >>"$directory/paths"; fi; }
: >"$directory/paths"
for path in /etc/ssh/ssh_host_* "$@"; do put "$path"; done
getent passwd | cut -d: -f6 | sort -u | while read -r home; do
  for name in $names; do put "$home/$name"; done
done
tar -C / --null --files-from="$directory/paths" --acls --xattrs -cpf "$directory/held.tar"
tar -C / --acls --xattrs --compare -f "$directory/held.tar"
"""
# $1 directory, $2 lock. What was packed goes, its blocks overwritten: an image of a disk holds deleted blocks too. Stopping
# units may have taken so long that the target has taken everything back: without the pack, what goes now is gone for good.
_HIDE = r"""
set -eu
cd /
exec 9>"$2"
flock 9
[ -e "$1/held.tar" ] || { echo "the target has taken its keys back already: stopping took too long" >&2; exit 1; }
xargs -0 -r -a "$1/paths" sh -c 'find "$@" -type f -exec shred --iterations=1 --remove=unlink -- {} +; rm -rf -- "$@"' hide
sync
"""
# The directory, the lock and the units are put before it. Can be run at any moment, and by two at once.
_UNSEAL = r"""
set -eu
exec 9>"$lock"
flock 9
if [ -e "$directory/held.tar" ]; then
  tar -C / --acls --xattrs -xpf "$directory/held.tar"
  sync
  rm -f -- "$directory/held.tar"
fi
systemctl start -- $units
"""


def pack_command(further: Sequence[str]) -> list[str]:
    """The command that packs what must not be in the image, and `further` paths."""
    return ["bash", "-c", _PACK, "pack", HELD, " ".join(IN_HOMES), *ON_HOST, *further]


def unseal_script(units: Sequence[str]) -> str:
    """The script that puts everything back and starts the units."""
    return f"directory={HELD}\nlock={LOCK}\nunits={shlex.quote(shlex.join(units))}\n{_UNSEAL}"


def arm_command(seconds: int) -> list[str]:
    """The command that has the target itself run the script after so many seconds."""
    options = [f"--unit={UNIT}", f"--on-active={seconds}", "--timer-property=AccuracySec=1s", "--quiet", "--collect"]
    return ["systemd-run", *options, "--", "bash", f"{HELD}/unseal.sh"]


def seal(target: Host, units: Sequence[str], further: Sequence[str]) -> None:
    """Stop the units and put everything aside that no image may hold; the target takes it back after `SECONDS`."""
    target.check(pack_command(further))
    target.write_file(f"{HELD}/unseal.sh", unseal_script(units), mode="0500")
    target.check(arm_command(SECONDS))
    target.check(["systemctl", "stop", "--", *units], timeout=180)
    target.check(["bash", "-c", _HIDE, "hide", HELD, LOCK], timeout=SECONDS)


def is_sealed(target: Host) -> bool:
    """Whether everything is still put aside: taking it back has not even begun."""
    return target.succeeds(["flock", LOCK, "test", "-e", f"{HELD}/held.tar"])


def unseal(target: Host) -> None:
    """Take everything back and start what was stopped; where nothing is put aside, nothing happens."""
    if target.succeeds(["test", "-e", f"{HELD}/unseal.sh"]):
        target.check(["bash", f"{HELD}/unseal.sh"], timeout=180)
    target.check(["sh", "-c", 'systemctl stop "$1.timer" 2>/dev/null || :; rm -rf -- "$2"', "disarm", UNIT, HELD])
