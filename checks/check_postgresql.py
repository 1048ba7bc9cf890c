"""PostgreSQL is installed, runs, starts at boot, and keeps its data on the data mount."""

import pytest

from checks.equality import must_equal
from fixtures.errors import NoGo
from fixtures.facts import files, server, units
from fixtures.facts.wanted import in_target_db, on_target
from fixtures.plan import Plan

ON_MOUNT = (
    "run `gonogo run --until data_on_mnt`: it stops PostgreSQL, moves the data, leaves the link and starts it again"
)


def _unit(plan: Plan) -> str:
    return f"postgresql@{plan.postgresql.version}-{plan.postgresql.cluster}.service"


@pytest.mark.database_installed
def check_server_is_the_planned_version(plan: Plan, found: str = in_target_db(server.VERSION)) -> None:
    """The server that runs is of the version the plan asks for."""
    must_equal(
        "the version of PostgreSQL on the target",
        expected=str(plan.postgresql.version),
        found=found,
        remedy="correct postgresql.packages or postgresql.version in the plan",
    )


@pytest.mark.database_installed
def check_server_runs_and_starts_at_boot(
    plan: Plan,
    states: list[str] = on_target(lambda plan: units.states(_unit(plan))),
    package: dict[str, str] = on_target(units.shown("postgresql.service", "UnitFileState")),
    start: str = on_target(server.start),
) -> None:
    """The server runs, and does so again after a reboot."""
    # Debian starts the clusters of postgresql.service whose start.conf says auto.
    found = (states[0], package["UnitFileState"], start)
    if found != ("active", "enabled", "auto"):
        raise NoGo(
            f"{_unit(plan)} on the target",
            expected="active, enabled, start.conf auto",
            found=f"{found[0]}, {found[1]}, start.conf {start or 'absent'}",
            remedy=f"systemctl enable --now postgresql, and see `journalctl -u {_unit(plan)}`",
        )


@pytest.mark.database_installed
def check_development_files_are_there(plan: Plan, header: str = on_target(server.HEADER)) -> None:
    """Where the plan lists the client's development files, they are there: the database driver can be built."""
    if not header and "libpq-dev" in plan.postgresql.packages:
        raise NoGo(
            "PostgreSQL's development files on the target",
            expected="libpq-fe.h",
            found="absent",
            remedy="install libpq-dev, which postgresql.packages lists, or strike it out there",
        )


@pytest.mark.data_on_mnt
def check_data_lies_on_the_mount(
    plan: Plan,
    directory: str = in_target_db(server.setting("data_directory")),
    real: str = on_target(lambda directory: files.real(directory)),
    status: files.Status | None = on_target(lambda directory: files.status(directory)),
) -> None:
    """The running server's data directory lies on the data mount, and the mount is really one."""
    mount = status.mount if status else "none"
    expected = (str(plan.data_on_mount), str(plan.target.volume.mount))
    if (real, mount) != expected:
        raise NoGo(
            "PostgreSQL's data on the target",
            expected=f"{expected[0]}, on the mount {expected[1]}",
            found=f"{real}, on the mount {mount}",
            remedy=ON_MOUNT,
        )


@pytest.mark.data_on_mnt
def check_link_points_at_the_data(
    plan: Plan, found: str = on_target(lambda plan: files.link(str(plan.data_directory)))
) -> None:
    """The usual place is a link to the data on the mount, and does not dangle."""
    if found != str(plan.data_on_mount):
        raise NoGo(
            f"{plan.data_directory} on the target",
            expected=f"a link to {plan.data_on_mount}",
            found=found or "no link",
            remedy=ON_MOUNT,
        )


@pytest.mark.data_on_mnt
def check_server_waits_for_the_mount(
    plan: Plan, found: dict[str, str] = on_target(lambda plan: units.shown(_unit(plan), "RequiresMountsFor"))
) -> None:
    """At boot the server waits for the mount, and does not start without it."""
    shown, mount = found["RequiresMountsFor"].split(), plan.target.volume.mount
    good = any(path == str(mount) or path.startswith(f"{mount}/") for path in shown)
    if not good:
        raise NoGo(
            f"{_unit(plan)} on the target",
            expected=f"RequiresMountsFor={plan.data_on_mount}",
            found=" ".join(shown) or "none",
            remedy=ON_MOUNT,
        )


@pytest.mark.data_on_mnt
def check_data_is_the_servers_alone(
    plan: Plan, status: files.Status | None = on_target(lambda plan: files.status(str(plan.data_directory)))
) -> None:
    """Only PostgreSQL's own user can read the data."""
    found = f"{status.owner} {status.mode}" if status else "nothing"
    if found not in {"postgres 700", "postgres 750"}:
        raise NoGo(
            f"{plan.data_directory} on the target",
            expected="postgres 700 (or 750)",
            found=found,
            remedy=f"`chown postgres {plan.data_on_mount}; chmod 700 {plan.data_on_mount}` on the target",
        )
