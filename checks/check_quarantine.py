"""While the target holds production's data without being production, it acts on nobody."""

from pathlib import PurePosixPath

import pytest

from fixtures.host import Host
from fixtures.places import EGRESS_TABLE, EGRESS_UNIT, QUARANTINED, drop_in, held
from fixtures.plan import Plan
from fixtures.verdict import problem

pytestmark = pytest.mark.target_quarantined

MEND = "stop the application on the target at once, then run `gonogo run --until target_quarantined`"

# Address and port as arguments. Our own filter's refusal is one that no closed port gives; with IP_RECVERR (11) the
# kernel reports it at once instead of trying again for a second.
_TRY = r"""
use strict; use Socket; use Errno;
socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
setsockopt($s, 0, 11, 1) or die;
$SIG{ALRM} = sub { print "time-out"; exit };
alarm 3;
if (connect($s, sockaddr_in($ARGV[1], inet_aton($ARGV[0])))) { print "connected" }
elsif ($!{EHOSTUNREACH} || $!{EACCES} || $!{EPERM}) { print "filtered" }
else { print "$!" }
"""


def _try(target: Host, address: str, port: int) -> str:
    return target.check(["perl", "-e", _TRY, address, str(port)]).strip()


@pytest.mark.parametrize("port", [25, 465, 587])
def check_mail_cannot_leave(port: int, target: Host, plan: Plan) -> None:
    """No mail leaves the target: a connection to a mail port is refused on the target itself."""
    found = _try(target, str(plan.source.public_address), port)
    assert found == "filtered", problem(
        f"a connection from the target to port {port}",
        expected="refused by the target's own filter",
        found=found,
        remedy=MEND,
    )


def check_production_cannot_be_reached(target: Host, plan: Plan) -> None:
    """The target cannot reach production: neither its database nor its web server."""
    for port in (plan.postgresql.port, 80):
        found = _try(target, str(plan.source.public_address), port)
        assert found == "filtered", problem(
            f"a connection from the target to production, port {port}",
            expected="refused by the target's own filter", found=found, remedy=MEND,
        )  # fmt: skip


def check_filter_holds_after_a_reboot(target: Host) -> None:
    """The filter is loaded, refuses what it does not list, and is loaded again at boot."""
    script = 'systemctl is-enabled -- "$1" || true; nft list table inet "$2" 2>&1 | grep -c "policy drop" || true'
    found = target.check(["sh", "-c", script, "-", EGRESS_UNIT, EGRESS_TABLE]).split()
    assert found == ["enabled", "1"], problem(
        f"{EGRESS_UNIT} on the target", expected="enabled, and its table in force", found=" ".join(found), remedy=MEND
    )


def check_worker_is_held(worker_unit: str, target: Host) -> None:
    """The worker does not run, and cannot be started."""
    script = (
        'test -e "$2" && test -e "$3" && echo held || echo free; systemctl is-active -- "$1" || true; '
        'systemctl show --property=NeedDaemonReload --value -- "$1"'
    )
    found = target.check(["sh", "-c", script, "-", worker_unit, str(QUARANTINED), str(drop_in(worker_unit))]).split()
    assert found[0] == "held" and found[1] in {"inactive", "failed"} and found[2] != "yes", problem(
        f"{worker_unit} on the target", expected="held, inactive", found=", ".join(found[:2]), remedy=MEND
    )


def check_cron_file_is_held(cron_file: PurePosixPath, target: Host) -> None:
    """The application's cron file lies aside, where cron does not read it."""
    found = target.check(["sh", "-c", 'test -e "$1" && echo "in place" || echo aside', "-", str(cron_file)]).strip()
    assert found == "aside", problem(
        f"{cron_file} on the target", expected=f"aside, in {held(cron_file)}", found=found, remedy=MEND
    )
