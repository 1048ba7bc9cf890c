"""Who is who, before anything changes: the account, the source, the target, the name, the data."""

from fixtures.connect.connections import Connections
from fixtures.errors import Refused
from fixtures.places import MARKER, OPENED
from fixtures.run.journal import DnsChanged


def preflight(connections: Connections) -> None:
    """Refuse a plan that would hurt the wrong machine; read-only.

    Raises `Refused` for another AWS account, a source that is a target, a target at the source's address, a name that
    does not point at the source, a wrong database password, and an upload directory that is absent, empty or not mounted.
    """
    plan = connections.plan
    connections.cloud.verify_account()
    _source_is_no_target(connections)
    _target_is_not_the_source(connections)
    _names_point_at_the_source(connections)
    _password_is_productions(connections)
    for upload in plan.files:
        _uploads_are_there(connections, str(upload.path))


def _source_is_no_target(connections: Connections) -> None:
    for marker in (MARKER, OPENED):
        if connections.source.file(str(marker)).exists:
            raise Refused(
                f"the source {connections.plan.source.address}",
                expected="production, which gonogo never marked",
                found=f"{marker}, which gonogo writes on targets",
                remedy="source and target are swapped in the plan; mend [source]",
            )


def _target_is_not_the_source(connections: Connections) -> None:
    plan = connections.plan
    own = {plan.source.address, str(plan.source.public_address)}
    instance = connections.cloud.instance()
    if instance is None:
        return
    shared = own & {instance.private_address, instance.public_address}
    if shared:
        raise Refused(
            f"the target {instance.id}",
            expected="an address of its own",
            found=f"{shared.pop()}, which is the source's",
            remedy="mend [source] or [target] in the plan",
        )


def _names_point_at_the_source(connections: Connections) -> None:
    plan = connections.plan
    if connections.run.happened(DnsChanged):
        return
    for record in plan.dns.records:
        answer = connections.dns.ask(plan.dns.primary, record.name, record.type)
        if str(plan.source.public_address) not in answer.values:
            raise Refused(
                f"{record.name} {record.type}",
                expected=f"{plan.source.public_address}, the source's public address",
                found=", ".join(answer.values) or "no such record",
                remedy="mend source.public_address, or the list dns.records: this is not what production's name points to",
            )


def _password_is_productions(connections: Connections) -> None:
    database = connections.plan.database
    refused = connections.source_db.password_login(database.role, database.password.reveal(), database.name)
    if refused is not None:
        raise Refused(
            f"{database.role} to {database.name} on the source, over TCP",
            expected=f"let in with the plan's password ({database.password})",
            found=f"refused (SQLSTATE {refused})",
            remedy="mend database.password in the plan: it must be the one that production's application uses",
        )


def _uploads_are_there(connections: Connections, path: str) -> None:
    source = connections.source
    if not source.file(path).is_directory:
        found = "no such directory"
    elif not source.check(["find", path, "-mindepth", "1", "-print", "-quit"]).strip():
        found = "an empty directory"
    elif _meant_to_be_mounted(source.file("/etc/fstab").content_string, path) and not source.succeeds(
        ["mountpoint", "-q", path]
    ):
        found = "a mount point of /etc/fstab that is not mounted"
    else:
        return
    raise Refused(
        f"the uploads {path} on the source",
        expected="a directory with users' files",
        found=found,
        remedy="mount it, or mend the plan's [[files]]; copying from here would empty the target's uploads",
    )


def _meant_to_be_mounted(fstab: str, path: str) -> bool:
    lines = [line.split() for line in fstab.splitlines() if line.strip() and not line.startswith("#")]
    return any(len(fields) > 1 and fields[1] == path for fields in lines)
