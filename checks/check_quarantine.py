"""While the target holds production's data without being production, it acts on nobody."""

from pathlib import PurePosixPath

import pytest

from fixtures.connect.host import Host
from fixtures.errors import NoGo
from fixtures.places import EGRESS_TABLE, EGRESS_UNIT, QUARANTINED, drop_in, held
from fixtures.plan import Plan
from fixtures.policy.egress import ruleset

pytestmark = pytest.mark.target_quarantined

MEND = "stop the application on the target at once, then run `gonogo run --until target_quarantined`"
MAIL_PORTS = (25, 465, 587)

# Arguments: name or address, port, and so on, all tried at once. Our own filter's refusal is one that no closed port
# gives; an answer, a refusal or silence from elsewhere means that the filter let the attempt out.
_TRY = r"""
use strict; use Socket; use Errno;
while (my ($host, $port) = splice @ARGV, 0, 2) {
  next if fork;
  my $address = inet_aton($host) or do { print "$host $port unknown\n"; exit };
  socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
  $SIG{ALRM} = sub { print "$host $port silence\n"; exit };
  alarm 5;
  my $said = connect($s, sockaddr_in($port, $address)) ? "connected" : $!{EHOSTUNREACH} ? "filtered" : "refused";
  print "$host $port $said\n";
  exit;
}
1 while wait > 0;
"""
# $1 application's user, $2 environment file, the rest for perl. Other systems stand there as NAME_HOST and NAME_PORT.
_AS_APPLICATION = r"""
user=$(id -un -- "$1" 2>/dev/null || echo nobody) file=$2
shift 2
others=$(sed -n 's/^\([A-Z_]*\)_HOST=\(.*\)/\1 \2/p' "$file" 2>/dev/null | while read -r name host; do
  port=$(sed -n "s/^${name}_PORT=//p" "$file")
  case $host in 127.* | localhost | ::1 | /*) ;; *) [ -n "$port" ] && echo "$host $port" ;; esac
done)
runuser -u "$user" -- perl -e "$@" $others
"""


@pytest.fixture(scope="session")
def attempts(target: Host, plan: Plan) -> dict[tuple[str, int], str]:
    """(host, port) -> what became of a connection that the application's user tried, every one of them at once."""
    own = str(plan.source.public_address)
    pairs = [(own, port) for port in (*MAIL_PORTS, plan.postgresql.port, 80)]
    pairs += [
        (str(rule.source.network_address), rule.port)
        for rule in plan.rehearsal.egress
        if rule.source.prefixlen == rule.source.max_prefixlen
    ]
    words = [word for host, port in pairs for word in (host, str(port))]
    application = plan.application
    argv = ["sh", "-c", _AS_APPLICATION, "try", application.user, str(application.environment_file), _TRY, *words]
    lines = [line.split() for line in target.check(argv).splitlines()]
    return {(host, int(port)): said for host, port, said in lines}


@pytest.mark.parametrize("port", MAIL_PORTS)
def check_mail_cannot_leave(port: int, attempts: dict[tuple[str, int], str], plan: Plan) -> None:
    """No mail leaves the target: a connection to a mail port is refused on the target itself."""
    found = attempts[str(plan.source.public_address), port]
    if found != "filtered":
        raise NoGo(
            f"a connection from the target to port {port}",
            expected="refused by the target's own filter",
            found=found,
            remedy=MEND,
        )


def check_production_cannot_be_reached(attempts: dict[tuple[str, int], str], plan: Plan) -> None:
    """The target cannot reach production: neither its database nor its web server."""
    own = str(plan.source.public_address)
    found = {port: attempts[own, port] for port in (plan.postgresql.port, 80)}
    if set(found.values()) != {"filtered"}:
        raise NoGo(
            f"connections from the target to production at {own}",
            expected="refused by the target's own filter",
            found=", ".join(f"port {port}: {said}" for port, said in found.items()),
            remedy=MEND,
        )


def check_other_systems_cannot_be_reached(attempts: dict[tuple[str, int], str], plan: Plan) -> None:
    """The systems that the application's settings name cannot be reached, but for those the plan lists."""
    listed = {(str(rule.source.network_address), rule.port) for rule in plan.rehearsal.egress}
    reached = {pair: said for pair, said in attempts.items() if pair not in listed and said != "filtered"}
    if reached:
        raise NoGo(
            "connections from the target as the application's user",
            expected="refused by the target's own filter",
            found=", ".join(f"{host} port {port}: {said}" for (host, port), said in sorted(reached.items())),
            remedy=f"{MEND}; what is harmless belongs into rehearsal.egress",
        )


def check_listed_egress_is_open(attempts: dict[tuple[str, int], str], plan: Plan) -> None:
    """What the plan lists for the rehearsal can be reached."""
    closed = [
        f"{rule.source} port {rule.port} ({rule.purpose})"
        for rule in plan.rehearsal.egress
        if attempts.get((str(rule.source.network_address), rule.port)) == "filtered"
    ]
    if closed:
        raise NoGo(
            "rehearsal.egress on the target", expected="let out", found=f"refused: {', '.join(closed)}", remedy=MEND
        )


def check_filter_is_the_plans(target: Host, plan: Plan) -> None:
    """The filter in force lets out what the plan lists and not a rule more."""
    # The plan's rules, loaded into an empty network of their own, are shown in the same words as those in force.
    shown = "nft --stateless list table inet"
    script = f'{shown} "$1" 2>/dev/null; echo ===; unshare --net sh -c "nft -f - && {shown} $1"'
    done = target.shell.run(
        f"sh -c '{script}' - {EGRESS_TABLE}", stdin=ruleset(plan.rehearsal.egress).encode(), timeout=20
    )
    found, _, expected = done.text.partition("===\n")
    other = sorted({line.strip() for line in found.splitlines()} ^ {line.strip() for line in expected.splitlines()})
    if not (found == expected != ""):
        raise NoGo(
            f"the filter {EGRESS_TABLE} on the target",
            expected="the plan's rules, each once, in their order",
            found=f"otherwise: {'; '.join(other) or 'another order'}" if found else "no such filter",
            remedy=MEND,
        )


def check_filter_holds_after_a_reboot(target: Host) -> None:
    """The filter is loaded again at every boot."""
    script = 'systemctl is-enabled -- "$1"; systemctl is-active -- "$1"; true'
    found = target.check(["sh", "-c", script, "-", EGRESS_UNIT]).split()
    if found != ["enabled", "active"]:
        raise NoGo(
            f"{EGRESS_UNIT} on the target", expected="enabled active", found=" ".join(found) or "absent", remedy=MEND
        )


def check_worker_is_held(worker_unit: str, target: Host) -> None:
    """The worker does not run, and cannot be started."""
    script = (
        'grep -Fxq "AssertPathExists=!$2" "$3" && test -e "$2" && echo held || echo free; '
        'systemctl is-active -- "$1"; systemctl show --property=NeedDaemonReload --value -- "$1"'
    )
    found = target.check(["sh", "-c", script, "-", worker_unit, str(QUARANTINED), str(drop_in(worker_unit))]).split()
    if found[0] != "held" or found[1] not in {"inactive", "failed"} or found[2] != "no":
        raise NoGo(
            f"{worker_unit} on the target",
            expected="held, inactive",
            found=", ".join(found[:2]) + (", its files changed since systemd read them" if found[2] != "no" else ""),
            remedy=MEND,
        )


def check_cron_file_is_held(cron_file: PurePosixPath, target: Host) -> None:
    """The application's cron file lies aside, where cron does not read it."""
    found = target.check(["sh", "-c", 'test -e "$1" && echo "in place" || echo aside', "-", str(cron_file)]).strip()
    if found != "aside":
        raise NoGo(f"{cron_file} on the target", expected=f"aside, in {held(cron_file)}", found=found, remedy=MEND)
