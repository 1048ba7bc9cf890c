"""What must not be in an image is put aside in memory while the image is taken, and comes back even if gonogo dies."""

from collections.abc import Sequence

from fixtures.connect.host import Host
from fixtures.plan import Plan
from fixtures.run.places import UNITS
from fixtures.run.records import Survey
from fixtures.run.run import Run
from fixtures.scripts import script, text, with_arguments

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

_PACK = script(__file__, "pack.sh")
_HIDE = script(__file__, "hide.sh")
_UNSEAL = text(__file__, "unseal.sh")


def secret_files(plan: Plan, run: Run) -> list[str]:
    """Files with the application's and TLS secrets."""
    return [*run.records(Survey).secret_files, *(str(item.key) for item in plan.web.certificates)]


def unseal_script(units: Sequence[str]) -> str:
    """The script that puts everything back and starts the units."""
    return with_arguments(_UNSEAL, HELD, LOCK, *units)


def arm_command(seconds: int) -> list[str]:
    """The command that has the target itself run the script after so many seconds."""
    options = [f"--unit={UNIT}", f"--on-active={seconds}", "--timer-property=AccuracySec=1s", "--quiet", "--collect"]
    return ["systemd-run", *options, "--", "bash", f"{HELD}/unseal.sh"]


def seal(target: Host, units: Sequence[str], further: Sequence[str]) -> None:
    """Stop the units and put everything aside that no image may hold; the target takes it back after `SECONDS`."""
    target.check([*_PACK, HELD, " ".join(IN_HOMES), *ON_HOST, *further])
    target.write_file(f"{HELD}/unseal.sh", unseal_script(units), mode="0500")
    target.check(arm_command(SECONDS))
    target.check(["systemctl", "stop", "--", *units], timeout=180)
    target.check([*_HIDE, HELD, LOCK], timeout=SECONDS)


def is_sealed(target: Host) -> bool:
    """Whether everything is still put aside: taking it back has not even begun."""
    return target.succeeds(["flock", LOCK, "test", "-e", f"{HELD}/held.tar"])


def unseal(target: Host) -> None:
    """Take everything back and start what was stopped; where nothing is put aside, nothing happens."""
    if target.succeeds(["test", "-e", f"{HELD}/unseal.sh"]):
        target.check(["bash", f"{HELD}/unseal.sh"], timeout=180)
    target.check(["sh", "-c", 'systemctl stop "$1.timer" 2>/dev/null || :; rm -rf -- "$2"', "disarm", UNIT, HELD])
