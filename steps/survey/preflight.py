"""What is proven before anything changes: the account, the source, the target, the name, the data."""

from fixtures.connect.connections import Connections
from fixtures.errors import Refused
from fixtures.facts.fact import ask
from fixtures.facts.logins import with_own_login
from fixtures.run.places import MARKER, OPENED
from steps.night.cutover import refuse_foreign_closure
from steps.tools.copying import refuse_empty
from steps.tools.records import read_before


def preflight(connections: Connections) -> None:
    """Refuse a plan that would hurt the wrong machine; read-only.

    Raises `Refused` for another AWS account, a source that is a target or that another run has closed, a target at the source's
    address, a name that does not point at the source, a wrong database password, and an upload directory that is absent, empty or
    not mounted.
    """
    plan = connections.plan
    connections.cloud.verify_account()
    _source_is_no_target(connections)
    refuse_foreign_closure(connections.source, connections.run)
    _target_is_not_the_source(connections)
    read_before(plan, connections.dns)
    _password_is_productions(connections)
    for upload in plan.files:
        refuse_empty(connections.source, str(upload.path))


def _source_is_no_target(connections: Connections) -> None:
    for marker in (MARKER, OPENED):
        if connections.source.file(str(marker)).exists:
            raise Refused(
                f"the source {connections.plan.source.address}",
                expected="production, which gonogo never marked",
                found=f"{marker}, which gonogo writes on targets",
                remedy="source and target may be swapped: correct [source] in the plan",
            )


def _target_is_not_the_source(connections: Connections) -> None:
    plan = connections.plan
    own = {plan.source.address, *plan.source.addresses}
    instance = connections.cloud.instance()
    if instance is None:
        return
    shared = own & {instance.private_address, instance.public_address, instance.ipv6_address}
    if shared:
        raise Refused(
            f"the target {instance.id}",
            expected="an address of its own",
            found=f"{shared.pop()}, which is the source's",
            remedy="correct the addresses of [source] in the plan, or name another target in [target]",
        )


def _password_is_productions(connections: Connections) -> None:
    database = connections.plan.database
    refused = ask(connections.source_db, with_own_login(connections.plan))
    if refused is not None:
        raise Refused(
            f"the login of {database.role} to the database {database.name} on the source",
            expected=f"accepted by {database.authentication}{f', with {database.password}' if database.password else ''}",
            found=f"refused (SQLSTATE {refused})",
            remedy="mend database.password in the plan: it must be the one that production's application uses",
        )
