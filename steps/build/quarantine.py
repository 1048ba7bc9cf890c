"""The quarantine: while the target holds production's data without being production, it sends nothing to anybody."""

from pathlib import PurePosixPath

from fixtures.connect.host import Host
from fixtures.plan import Plan
from fixtures.policy.egress import ruleset
from fixtures.run.places import (
    EGRESS_RULES,
    EGRESS_TABLE,
    EGRESS_UNIT,
    HELD,
    QUARANTINED,
    STATE_DIRECTORY,
    drop_in,
    held,
)
from fixtures.run.run import Run
from fixtures.scripts import script
from steps.step import step
from steps.tools import packages

_ASSERTION = f"[Unit]\nAssertPathExists=!{QUARANTINED}\n"
_UNIT = f"""\
[Unit]
Description=Egress filter of a target that is not production yet
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {EGRESS_RULES}
ExecStop=/usr/sbin/nft delete table inet {EGRESS_TABLE}

[Install]
WantedBy=sysinit.target
"""
# "$@" are units. A unit that is not installed yet is left out.
_STOP = 'for u in "$@"; do systemctl stop -- "$u" 2>/dev/null || ! systemctl is-active --quiet -- "$u"; done'
# $1 from, $2 to: moves the file if it is there, over an older one.
_MOVE = 'set -eu; [ ! -e "$1" ] || { mkdir -p -- "$(dirname -- "$2")"; mv -fT -- "$1" "$2"; }'
_END = script(__file__, "end_egress_filter.sh")


@step(needs=["ssh_ready"], gives=["target_quarantined"], harmless=True)
def hold_target(plan: Plan, run: Run, target: Host) -> None:
    """Hold the target's workers and cron files, and refuse what would leave it except what the plan lists."""
    packages.install(target, run, "hold_target", ["nftables"])
    hold(target, plan)


def hold(target: Host, plan: Plan) -> None:
    """Put the target under quarantine; it holds over a reboot. Doing it again changes nothing."""
    target.check(["install", "-d", "-m", "0755", str(STATE_DIRECTORY)])
    target.write_file(str(QUARANTINED), "")
    for unit in plan.application.workers:
        target.check(["install", "-d", "-m", "0755", str(drop_in(unit).parent)])
        target.write_file(str(drop_in(unit)), _ASSERTION)
    target.check(["systemctl", "daemon-reload"])
    target.check(["sh", "-c", _STOP, "stop", *plan.application.workers])
    target.check(["install", "-d", "-m", "0700", str(HELD)])
    for file in plan.application.cron:
        target.check(["sh", "-c", _MOVE, "move", str(file), str(held(file))])
    target.write_file(str(EGRESS_RULES), ruleset(plan.rehearsal.egress))
    target.write_file(f"/etc/systemd/system/{EGRESS_UNIT}", _UNIT)
    target.check(["systemctl", "daemon-reload"])
    target.check(["systemctl", "enable", "--quiet", EGRESS_UNIT])
    # Restarting would leave a moment without rules; loading the file replaces them at once.
    target.check(["nft", "-f", str(EGRESS_RULES)])
    target.check(["systemctl", "start", EGRESS_UNIT])


def lift(target: Host, plan: Plan) -> None:
    """End the quarantine: egress is free, cron files are in place, workers are enabled and run. Can be repeated."""
    target.check([*_END, EGRESS_UNIT, EGRESS_TABLE])
    leftovers = [
        EGRESS_RULES,
        PurePosixPath("/etc/systemd/system") / EGRESS_UNIT,
        QUARANTINED,
        *map(drop_in, plan.application.workers),
    ]
    target.check(["rm", "-f", "--", *map(str, leftovers)])
    target.check(["systemctl", "daemon-reload"])
    for file in plan.application.cron:
        target.check(["sh", "-c", _MOVE, "move", str(held(file)), str(file)])
    if plan.application.workers:
        target.check(["systemctl", "enable", "--quiet", "--now", "--", *plan.application.workers])
