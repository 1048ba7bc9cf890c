"""The target is locked down: no pending security update, no listener beside the planned ones, no file open to all."""

import pytest

from checks.equality import must_be_none
from fixtures.errors import NoGo
from fixtures.facts import files, updates
from fixtures.facts.listeners import LISTENERS, Listener
from fixtures.facts.wanted import on_target
from fixtures.plan import Plan
from fixtures.run.records import Survey
from fixtures.run.run import Run


def _places(plan: Plan, run: Run) -> list[str]:
    own = str(plan.application.home or run.records(Survey).release)
    return sorted({own, *(str(upload.path) for upload in plan.files)})


def _secrets(plan: Plan, run: Run) -> list[str]:
    current = plan.application.current
    return [
        *run.records(Survey).secret_files,
        *(str(pair.key) for pair in plan.web.certificates),
        *(f"{current}/{name}" for name in ("config/master.key", "config/credentials/production.key", ".env")),
    ]


@pytest.mark.build_finished
@pytest.mark.accepted
def check_no_security_update_is_pending(found: list[str] = on_target(updates.PENDING)) -> None:
    """Every security update that the target knows of is installed."""
    if found:
        raise NoGo(
            "security updates of the target",
            expected="none pending",
            found=f"{len(found)} pending: {', '.join(found[:10])}",
            remedy="`apt-get upgrade` (or `dnf upgrade --security`) on the target; restart the services that it names",
        )


@pytest.mark.build_finished
@pytest.mark.accepted
def check_no_application_file_is_open_to_all(
    plan: Plan,
    run: Run,
    found: list[str] = on_target(lambda plan, run: files.open_to_all(files.NOBODY, *_places(plan, run))),
) -> None:
    """No file of the application can be written by every user of the machine."""
    if found:
        raise NoGo(
            f"files under {', '.join(_places(plan, run))} on the target",
            expected="none that everybody may write",
            found=", ".join(found[:5]),
            remedy="`chmod o-w FILE` on the target, and find out who made them so on production",
        )


@pytest.mark.build_finished
@pytest.mark.accepted
def check_secrets_are_readable_by_nobody_else(
    found: list[str] = on_target(lambda plan, run: files.readable(files.NOBODY, *_secrets(plan, run))),
) -> None:
    """Environment files, keys and other secrets cannot be read by a user who has no business with them."""
    if found:
        raise NoGo(
            "secrets on the target",
            expected=f"not readable by {files.NOBODY}",
            found=f"readable: {', '.join(found)}",
            remedy="`chmod o-r FILE` on both hosts; whoever could log in to production may have read them: change them",
        )


@pytest.mark.rehearsed
@pytest.mark.accepted
def check_no_listener_beside_the_planned_ones(plan: Plan, sockets: list[Listener] = on_target(LISTENERS)) -> None:
    """From outside the machine nothing listens but SSH and the ports that the plan opens."""
    planned = {22, *(rule.port for rule in [*plan.target.public, *plan.target.copying])}
    found = [socket for socket in sockets if socket.public and socket.port not in planned]
    must_be_none(
        "listeners on the target that are not bound to the loopback",
        expected=f"ports {', '.join(map(str, sorted(planned)))}",
        found=found,
        remedy="bind it to 127.0.0.1, or stop and disable it; a firewall alone is one mistake away from open",
    )
