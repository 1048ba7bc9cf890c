"""Redis on the target: as production's, on the loopback; its data streamed there, or production's proven drained."""

import re
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from redis import Redis

from fixtures.connect.host import Host
from fixtures.connect.redis import KEPT_SETTINGS, clock, counts, lengths, opened, settings
from fixtures.errors import Refused, StepFailed
from fixtures.plan import Plan
from fixtures.plan import Redis as Planned
from fixtures.run.places import STATE_DIRECTORY
from fixtures.run.records import RedisCopy
from fixtures.run.run import Run
from fixtures.sameness.keys import Keys, alike, keep_keys, read_keys, unlike
from fixtures.scripts import script
from steps.rehearse.application import stop_pack_if_there
from steps.step import step
from steps.tools import packages
from steps.tools.copying import channel
from steps.tools.units import run_unit

PURPOSE = "copy_redis"
REDIS_BLOCK = "redis"
"""Names our block in Redis's own configuration."""
ARRIVED = STATE_DIRECTORY / "redis.rdb"
"""Where the data waits on the target until Redis is stopped."""
LIMIT = 3600.0
"""Seconds that the copy may take."""

# $1 unit. The configuration file that the server is started with.
_CONFIGURATION = 'systemctl show --property=ExecStart --value -- "$1" | grep -o "[^ ]*[.]conf" | head -n 1'
_LOAD = script(__file__, "load_redis.sh")
# Redis ends its data with a mark, so that a stream which broke off is recognised.
_RECEIVE = f"""umask 077; cat >{ARRIVED}.part && redis-check-rdb {ARRIVED}.part >&2 && mv -f {ARRIVED}.part {ARRIVED}"""


@step(
    needs=["target_quarantined", "source_surveyed"],
    gives=["redis_copied"],
    only_with="redis",
    destroys="what Redis on the target holds, to fill it anew from production",
    writes_to_source="a key for this copy alone, kept in memory, and the unit that sends Redis's data",
)
def copy_redis(plan: Plan, run: Run, source: Host, open_source: Host, target: Host) -> None:
    """Set up Redis on the target and stream production's data into it."""
    _copy(plan, run, source, open_source, target, final=False)


@step(
    needs=["source_closed", "target_stopped"],
    gives=["final_redis_copied"],
    only_with="redis",
    destroys="what Redis on the target holds, to fill it from closed production",
    writes_to_source="a key for this copy alone, kept in memory, and the unit that sends Redis's data",
)
def copy_redis_again(plan: Plan, run: Run, source: Host, open_source: Host, target: Host) -> None:
    """Stream closed production's Redis into the target's once more."""
    _copy(plan, run, source, open_source, target, final=True)


def _copy(plan: Plan, run: Run, source: Host, open_source: Host, target: Host, *, final: bool) -> None:
    planned = plan.redis
    if planned is None:
        return
    begun = time.monotonic()
    stop_pack_if_there(target, plan)
    packages.install(target, run, PURPOSE, planned.packages)
    with opened(source, planned) as production:
        wanted = settings(production, *KEPT_SETTINGS)
        _refuse_older(production, target)
        copied = Keys()
        # The append-only file comes later: with it, Redis would not look at the data that it is given.
        _configure(target, planned, {**wanted, "appendonly": "no"})
        if planned.mode == "copied":
            before = read_keys(production)
            forced = ["sudo", "-n", "sh", "-c", _RECEIVE]
            with channel(open_source, target, plan, run, purpose=PURPOSE, forced_command=forced) as ssh:
                run_unit(open_source, run, PURPOSE, dump_script(planned, ssh), LIMIT)
            after = read_keys(production)
            copied = _unchanged(before, after, clock(production), final=final)
    _load(target, planned)
    with opened(target, planned) as session:
        loaded, held, loaded_at = read_keys(session), counts(session), clock(session)
        if wanted["appendonly"] == "yes":
            _append(session)
    _write_settings(target, planned, wanted)
    for keys in (copied, loaded):
        keep_keys(run.directory, keys)
    run.record(
        RedisCopy(
            final=final,
            mode=planned.mode,
            copied=copied.sha256,
            loaded=loaded.sha256,
            counts=held,
            loaded_at=loaded_at,
            seconds=round(time.monotonic() - begun, 3),
        )
    )


def dump_script(planned: Planned, ssh: Sequence[str]) -> str:
    """The script on the source: what a replica would be given, straight into ssh; production's disk takes no part."""
    dump = ["nice", "-n", "10", "redis-cli", "-p", str(planned.port), "--no-auth-warning"]
    # A script of a unit is a file that root alone can read, in memory; redis-cli takes the password from its input.
    secret = f"printf '%s\\n' {shlex.quote(planned.password.reveal())} | " if planned.password else ""
    asks = ["--askpass"] if planned.password else []
    return f"set -o pipefail\n{secret}{shlex.join([*dump, *asks, '--rdb', '-'])} | {shlex.join(ssh)}\n"


def configuration(planned: Planned, settings: Mapping[str, str]) -> str:
    """Our part of the configuration: on the loopback, with the plan's password, and keeping data as production does."""
    lines = ["# Written by gonogo.", "bind 127.0.0.1 -::1", f"port {planned.port}"]
    if planned.password is not None:
        lines.append(f"requirepass {_quoted(planned.password.reveal())}")
    for name, value in settings.items():
        # "3600 1 300 100" are two rules, and an empty text is the word for none.
        words = re.findall(r"\d+ \d+", value) if name == "save" and value else [_quoted(value)]
        lines += [f"{name} {word}" for word in words]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unchanged(before: Keys, after: Keys, now: int, *, final: bool) -> Keys:
    """The keys that were the same before and after the data was read; on closed production none may differ."""
    differences = unlike(before, after, now, whole=True) if final else []
    if differences:
        raise StepFailed(
            "Redis on closed production",
            expected="no change: production is closed",
            found="; ".join(differences[:5]),
            remedy="`redis-cli CLIENT LIST` on the source names who still writes there; stop it, and run the same command again",
        )
    return Keys({key: facts for key, facts in before.items() if key in after and alike(facts, after[key])})


def _refuse_older(production: Redis, target: Host) -> None:
    """An older Redis cannot read a newer one's data."""
    theirs = _version(production.info("server")["redis_version"])
    ours = _version(target.check(["redis-server", "--version"]))
    if ours[:2] < theirs[:2]:
        raise Refused(
            "Redis on the target",
            expected=f"{'.'.join(map(str, theirs))}, as on production, or later",
            found=".".join(map(str, ours)),
            remedy="choose another package in redis.packages, or another image; nothing was changed on production",
        )


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else (0,)


def _configure(target: Host, planned: Planned, settings: Mapping[str, str]) -> None:
    own = _write_settings(target, planned, settings)
    path = str(own.with_name(_configuration_file(target, planned).name))
    target.edit_block(path, REDIS_BLOCK, [f"include {own}"])
    target.check(["systemctl", "enable", "--quiet", "--", planned.unit])
    target.check(["systemctl", "restart", "--", planned.unit], timeout=300)


def _write_settings(target: Host, planned: Planned, settings: Mapping[str, str]) -> PurePosixPath:
    main = _configuration_file(target, planned)
    owner = target.check(["stat", "-c", "%U:%G", "--", str(main)]).strip()
    own = main.with_name("gonogo.conf")
    target.write_file(str(own), configuration(planned, settings), mode="0640", owner=owner)
    return own


def _configuration_file(target: Host, planned: Planned) -> PurePosixPath:
    path = target.check(["sh", "-c", _CONFIGURATION, "configuration", planned.unit]).strip()
    if not path:
        raise StepFailed(
            f"{planned.unit} on the target",
            expected="a Redis that is started with a configuration file",
            found="none in its ExecStart",
            remedy="mend redis.unit and redis.packages in the plan",
        )
    return PurePosixPath(path)


def _load(target: Host, planned: Planned) -> None:
    with opened(target, planned) as session:
        directory, file, *append = settings(session, "dir", "dbfilename", "appenddirname", "appendfilename").values()
    arrived = str(ARRIVED) if planned.mode == "copied" else ""
    target.check([*_LOAD, planned.unit, directory, file, arrived, append[0] or append[1]], timeout=600)


def _append(session: Redis) -> None:
    """Begin the append-only file, and wait until it holds everything."""
    session.config_set("appendonly", "yes")
    deadline = time.monotonic() + LIMIT
    while True:
        facts = session.info("persistence")
        busy = facts.get("aof_rewrite_in_progress") != 0 or facts.get("aof_rewrite_scheduled") != 0
        if not busy and facts.get("aof_last_bgrewrite_status") == "ok":
            return
        if time.monotonic() > deadline or not busy:
            raise StepFailed(
                "Redis's append-only file on the target",
                expected="written whole",
                found=facts.get("aof_last_bgrewrite_status", "no status"),
                remedy="read the log of Redis on the target, then run the same command again",
            )
        time.sleep(0.2)


def await_drained(plan: Plan, source: Host) -> None:
    """Wait until production's workers have emptied the plan's queues; raises `StepFailed` when they do not.

    The workers still run then: running the same command again waits again.
    """
    if plan.redis is None or plan.redis.mode != "drained" or not plan.redis.queues:
        return
    deadline = time.monotonic() + plan.cutover.drain_seconds
    with opened(source, plan.redis) as session:
        while left := lengths(session, plan.redis.queues):
            if time.monotonic() > deadline:
                raise StepFailed(
                    "the queues in production's Redis",
                    expected=f"empty within {plan.cutover.drain_seconds} s",
                    found=", ".join(f"{key}: {length}" for key, length in left.items()),
                    remedy="the page is shown and the workers still run: wait and run the same command again, "
                    "or `gonogo back-out`",
                )
            time.sleep(0.2)
