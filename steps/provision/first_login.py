"""The first login: under the host key that the console showed."""

import logging
import socket
import time
from contextlib import suppress

from fixtures.connect.cloud import UNTAG, Cloud
from fixtures.connect.host import Host, open_host
from fixtures.connect.ssh import target_login
from fixtures.errors import CouldNotVerify, Refused
from fixtures.facts.fact import ask
from fixtures.facts.machine import TIME_ZONE
from fixtures.plan import Plan
from fixtures.run import places
from fixtures.run.records import Survey, TargetFacts
from fixtures.run.run import Run
from steps.provision.instance import wait_for
from steps.step import step

log = logging.getLogger(__name__)

# Read before anything of Debian's, and in sshd the first word counts.
_SSHD = "/etc/ssh/sshd_config.d/00-gonogo.conf"
_KEYS_ONLY = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"


@step(needs=["instance_running"], gives=["ssh_ready"], harmless=True, unproven="its marker is only written here")
def pin_host_key(plan: Plan, run: Run, cloud: Cloud) -> None:
    """Take the host key from the console, log in under it, close password logins, and mark the host as this run's."""
    target_facts = run.records(TargetFacts)
    target_facts.host_keys = console_host_keys(plan, cloud, target_facts.instance_id)
    run.record(target_facts)
    await_ssh(plan, target_facts.public_address)
    target = _log_in(plan, target_facts)
    try:
        log.info("waiting for cloud-init")
        await_cloud_init(plan, target)
        target.write_file(_SSHD, _KEYS_ONLY)
        target.check(["sh", "-c", "sshd -t && systemctl reload ssh"])
        zone = run.records(Survey).time_zone
        if ask(target, TIME_ZONE) != zone:
            target.check(["timedatectl", "set-timezone", zone])
        _mark(target, run, target_facts)
    finally:
        target.close()


def _mark(target: Host, run: Run, target_facts: TargetFacts) -> None:
    path, own = str(places.MARKER), places.marker(run, target_facts)
    present = target.check(["sh", "-c", 'cat "$1" 2>/dev/null || true', "marker", path])
    if present not in ("", own):
        raise Refused(
            f"{path} on the target",
            expected="no marker, or this run's",
            found=present,
            remedy="go on with that run (`gonogo status`). To have another host launched, set this one aside "
            f"as it is: {UNTAG}; then begin anew with `gonogo run --new`",
        )
    target.check(["install", "-d", "-m", "0755", str(places.STATE_DIRECTORY)])
    target.write_file(path, own)


def console_host_keys(plan: Plan, cloud: Cloud, instance_id: str) -> list[str]:
    """The host keys that an instance's console shows, ed25519 first; raises `StepFailed` after the plan's launch time."""
    keys = wait_for(
        lambda: cloud.console_host_keys(instance_id) or None,
        plan.target.launch_minutes * 60,
        f"the console of {instance_id}",
        "host keys on it",
    )
    return sorted(keys, key=lambda key: not key.startswith("ssh-ed25519"))


def await_ssh(plan: Plan, address: str) -> None:
    """Wait for an SSH server at port 22; raises `StepFailed` after the plan's launch time."""
    wait_for(lambda: _ssh_answers(address) or None, plan.target.launch_minutes * 60, address, "an SSH server")


def await_cloud_init(plan: Plan, host: Host) -> None:
    """Wait until cloud-init has done its work; raises `StepFailed` when it failed, or after the plan's launch time."""
    # 1 is a failure; 2, of newer versions, a warning that it recovered from.
    host.check(["sh", "-c", "cloud-init status --wait; [ $? -ne 1 ]"], timeout=plan.target.launch_minutes * 60)


def _ssh_answers(address: str) -> bool:
    with suppress(OSError), socket.create_connection((address, 22), timeout=3) as connection:
        return connection.recv(4) == b"SSH-"
    return False


def _log_in(plan: Plan, target_facts: TargetFacts, tries: int = 5) -> Host:
    login = target_login(plan, target_facts.public_address, target_facts.host_keys[0])
    while True:
        try:
            return open_host("target", login, plan.resolve)
        except CouldNotVerify:
            # A host that has only just booted may refuse users for a moment more.
            tries -= 1
            if not tries:
                raise
            time.sleep(2)
