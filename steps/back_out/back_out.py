"""The way back: production is open again with its data, whatever the run had reached. It deletes nothing."""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from ipaddress import ip_address, ip_network
from pathlib import PurePosixPath

from fixtures.connect import conninfo
from fixtures.connect.cloud import SCRATCH_TAG
from fixtures.connect.connections import Connections
from fixtures.connect.database import SUPERUSER
from fixtures.connect.host import Host
from fixtures.errors import CouldNotVerify, GonogoError, Refused, StepFailed
from fixtures.facts import files
from fixtures.facts.fact import ask
from fixtures.facts.roles import ENTRANTS
from fixtures.facts.webserver import RUNNING
from fixtures.plan import Plan
from fixtures.policy import entrants, ingress, notices
from fixtures.policy.ingress import Ingress
from fixtures.run import journal
from fixtures.run.places import CLOSURE, HELD, STATE_DIRECTORY
from fixtures.run.records import (
    DataCopy,
    DnsBefore,
    FileCount,
    FilesCopy,
    MadeImage,
    Notices,
    SourceClosure,
    Survey,
    TableCopy,
    TargetFacts,
)
from fixtures.run.run import Run
from fixtures.run.standing import standing
from fixtures.sameness.digest import Digest, method_of
from fixtures.sameness.reading import open_reading
from fixtures.sameness.tables import LARGE_OBJECTS
from fixtures.scripts import text, with_arguments
from steps.build import quarantine
from steps.build.postgresql import server_unit, start_again
from steps.engine import guards
from steps.night import cutover
from steps.night.dns import restore
from steps.night.notices import withdraw
from steps.provision import firewall
from steps.rehearse.application import start_pack, stop_pack, stop_pack_if_there
from steps.rehearse.readiness import await_site, limit_of
from steps.tools import fence, maintenance
from steps.tools.units import run_unit, running_units

log = logging.getLogger(__name__)

Confirm = Callable[[str, str], bool]
"""Shows a text, asks for the word that must be typed, and says whether it was."""

WORK = "the back-out"
"""What refusals and host locks name."""
FENCE = STATE_DIRECTORY / "fence.json"
"""Which roles of the target could log in before it was fenced."""
LIMIT = 6 * 3600.0
"""Seconds that saving the target's data may take."""
_SAVE = text(__file__, "save.sh")


def plan_back_out(run: Run) -> list[str]:
    """What a back-out of this run would do, a sentence each, in order."""
    sentences = []
    if run.happened(journal.TargetOpened):
        sentences += [
            "The target is fenced: its nginx shows users a page, its pack, workers and cron stop, its roles may not "
            "log in.",
            "Its database and a list of its uploads are saved on its own data volume; nothing there is deleted.",
            "What was written there since the copy is counted table by table: production will lack it. You type the "
            "hostname to accept that.",
        ]
    elif run.has(TargetFacts):
        sentences.append("The target is fenced: its pack stops, it stays under quarantine, nothing on it is deleted.")
    if run.has(SourceClosure):
        sentences.append(
            "Production is opened: its roles may log in again, pg_hba.conf and subscriptions are as they were, its pack, "
            "workers and cron run, its nginx serves again."
        )
    if run.has(DnsBefore):
        sentences.append("DNS names production again on every authoritative server, with the TTL it had.")
    if run.has(Notices):
        sentences.append(
            "The notice is taken off production. Mails cannot be taken back: tell their readers that the move is off."
        )
    if run.has(MadeImage):
        image = run.records(MadeImage)
        trial = "" if image.scratch else f" Its trial broke off: terminate what is tagged {SCRATCH_TAG}, too."
        sentences.append(
            f"The image {image.image_id} stays in EC2: it holds production's code; remove it by hand.{trial}"
        )
    return sentences or ["Nothing was changed on production or in DNS: the run only ends."]


def back_out(connections: Connections, confirm: Confirm) -> None:
    """Take a run back; an interrupted back-out is finished by calling this again.

    `confirm` is asked only where production will lack what the target took in. Raises `Refused` when it says no: the
    target then serves again as before. Raises what connections raise; what was reached by then is in the journal.
    """
    run, plan = connections.run, connections.plan
    opened = run.happened(journal.TargetOpened)
    away = _unproven_target(connections, confirm) if run.has(TargetFacts) else None
    dead = _dead_database(connections, confirm) if opened and not away else ""
    # Not before somebody who was asked has said yes.
    if standing(run.entries()).going_back is None:
        run.journal(journal.BackOutStarted())
    if opened and (away or dead):
        if not run.happened(journal.WritesGivenUp):
            run.journal(journal.WritesGivenUp(written={"everything": "neither counted nor saved"}))
        firewall.set_ingress(connections.cloud, plan, operator_alone(plan))
    if away:
        run.journal(away)
    elif dead:
        run.journal(_kept_down(connections, dead))
    elif run.has(TargetFacts):
        _leave_target(connections, confirm)
    if run.has(SourceClosure):
        with guards.guarded(connections, {"open_source", "open_source_db"}, WORK, lock=False):
            _open_production(connections)
    if run.has(DnsBefore):
        with guards.guarded(connections, {"cloud"} if plan.dns.provider == "route53" else set(), WORK):
            restore(plan, run.records(DnsBefore), connections.dns, connections.cloud)
        run.journal(journal.DnsRestored())
    if run.has(Notices):
        with guards.guarded(connections, {"open_source"}, WORK, lock=False):
            for path in withdraw(connections.open_source, plan):
                run.journal(journal.NoticeWithdrawn(file=path))
    run.journal(journal.BackedOut())


def _open_production(connections: Connections) -> None:
    run = connections.run
    closure = run.records(SourceClosure)
    if closure.enabled_units is None:  # an earlier release closed it
        enabled = [unit for unit, was in run.records(Survey).units.items() if was]
        closure = closure.model_copy(update={"enabled_units": enabled})
    run.journal(journal.SourceReopening())
    reopen(connections, closure, run.name)
    put_closure_aside(connections.open_source)
    run.journal(journal.SourceReopened())
    address = str(connections.plan.source.public_address)
    await_site(connections.plan, address, connections.web, limit_of(run))


def reopen(connections: Connections, closure: SourceClosure, run: str) -> None:
    """Undo on production what closing it changed, once nothing of the run is at work there any more."""
    source = connections.open_source
    for unit in running_units(source, run):
        source.stop_unit(unit)
    fence.unfence(
        source,
        connections.open_source_db,
        closure.logins,
        file=closure.hba_file,
        subscriptions=closure.subscriptions,
    )
    try:
        cutover.release_units(source, connections.plan, closure)
    finally:
        # A unit of production's that does not start keeps nothing of ours in place.
        if closure.nginx_main:
            maintenance.reopen(source, closure.nginx_main)
            start_web(source)


def start_web(source: Host) -> None:
    """Start nginx where it does not run: it served when production was closed, and a host that was restarted may lack it."""
    if not ask(source, RUNNING).masters:
        source.check(["systemctl", "start", "--", "nginx.service"], timeout=180)


def put_closure_aside(source: Host) -> None:
    """Have production say no more that it is closed; both files at once, so that neither speaks without the other."""
    both = '[ ! -e "$1" ] || mv -fT -- "$1" "$2"; [ ! -e "$3" ] || mv -fT -- "$3" "$4"'
    undone = CLOSURE.with_name("closure-undone.json")
    paths = (CLOSURE, undone, cutover.OPENED_ELSEWHERE, HELD / "target-opened")
    source.check(["sh", "-ec", both, "-", *map(str, paths)])


# --- the target ---------------------------------------------------------------------------------------------------------


def _unproven_target(connections: Connections, confirm: Confirm) -> journal.TargetAway | journal.TargetUnknown | None:
    """Why the target is left as it is, None where it is proven; where it was open, that is accepted by word."""
    opened = connections.run.happened(journal.TargetOpened)
    try:
        guards.prove_target(connections)
    except CouldNotVerify as error:
        if opened:
            _accept_unknown_loss(
                connections,
                confirm,
                f"The target cannot be reached ({error.found}).",
                "Keep the target switched off: its workers would act again.",
            )
            connections.cloud.verify_account()
        return journal.TargetAway(reason=error.found)
    except Refused as error:
        # The host belongs to another run or to none, so this run does not fence it. Only an opened target had users.
        if opened:
            raise
        return journal.TargetUnknown(reason=error.found)
    return None


def _dead_database(connections: Connections, confirm: Confirm) -> str:
    """Why PostgreSQL of the opened target does not serve, though it was started again; "" where it does.

    What users wrote there can then be neither counted nor saved: that is accepted by word.
    """
    target, run, plan = connections.target, connections.run, connections.plan
    try:
        with guards.locked(target, run, WORK):
            start_again(plan, run, target)
        connections.target_db.value("SELECT 1")
    except (StepFailed, CouldNotVerify) as error:
        _accept_unknown_loss(
            connections,
            confirm,
            f"The target can be reached, but its PostgreSQL ({server_unit(plan)}) does not serve ({error.found}).",
            "It and the application there are stopped, and do not start again. Where it may still come up (its log says that it "
            "is recovering) or can be mended, do not accept: the same command, once it serves, counts and saves.",
        )
        return error.found
    return ""


def _kept_down(connections: Connections, why: str) -> journal.TargetFenced | journal.TargetAway:
    """Have nothing write or act on a target whose PostgreSQL does not serve; its disk may refuse any of it."""
    target, plan = connections.target, connections.plan
    pack, database = plan.application.pack, server_unit(plan)
    measures: list[Callable[[], object]] = [
        lambda: target.check(["systemctl", "stop", "--", *pack, *plan.application.workers], timeout=180),
        # At boot it comes up with postgresql.service, whatever is said of its own unit.
        lambda: target.check(["systemctl", "disable", "--quiet", "--", *pack, "postgresql.service", database]),
        lambda: quarantine.hold(target, plan),
        lambda: target.check(["systemctl", "stop", "--", database], timeout=120),
    ]
    undone = []
    for measure in measures:
        try:
            measure()
        except (StepFailed, CouldNotVerify) as error:
            undone.append(f"{error.subject}: {error.found}")
    return journal.TargetAway(reason="; ".join([why, *undone])) if undone else journal.TargetFenced()


def _leave_target(connections: Connections, confirm: Confirm) -> None:
    """Fence the target, and where it was open save it and have its writes given up by word."""
    run, plan = connections.run, connections.plan
    if not run.happened(journal.TargetOpened):
        return run.journal(_stopped(connections))
    with guards.locked(connections.target, run, WORK):
        _fence(connections)
        run.journal(journal.TargetFenced())
        if not run.happened(journal.WritesGivenUp):
            _give_up_writes(connections, confirm, unsaved=_save(connections))
        # The cloud's firewall too: whatever is started on the target by mistake, no user reaches it.
        firewall.set_ingress(connections.cloud, plan, operator_alone(plan))
    return None


def _stopped(connections: Connections) -> journal.TargetFenced | journal.TargetAway:
    """What became of a target that was never open: where it does not do as it is told, production's users do not wait for it."""
    target, plan = connections.target, connections.plan
    try:
        with guards.locked(target, connections.run, WORK):
            if stop_pack_if_there(target, plan):
                target.check(["systemctl", "disable", "--quiet", "--", *plan.application.pack])
    except (StepFailed, CouldNotVerify) as error:
        return journal.TargetAway(reason=error.found)
    return journal.TargetFenced()


def _fence(connections: Connections) -> None:
    """Close the target to users, and end all that could write there; what it was before is kept on it."""
    target, plan, db = connections.target, connections.plan, connections.target_db
    if not target.file(str(FENCE)).exists:
        roles = ask(db, ENTRANTS)
        held = entrants.held_roles(roles, entrants.spared(roles, plan, SUPERUSER))
        target.write_file(str(FENCE), json.dumps(dict.fromkeys(held, True)))
    page = notices.outage_page(plan, connections.run.records(SourceClosure).closed)
    try:
        maintenance.shut(target, maintenance.prepare(target, plan, as_it_lies=True), page)
    except GonogoError as error:
        # Users then get an error; that holds up nobody's way back.
        log.warning("the target shows no page while it is fenced: %s: %s", error.subject, error.found)
    quarantine.hold(target, plan)
    cutover.drain(target, plan)
    stop_pack(target, plan)
    target.check(["systemctl", "disable", "--quiet", "--", *plan.application.pack])
    # Its pg_hba.conf is left alone: the cloud's firewall keeps others away, and no wrong line there may hold up production.
    fence.fence(target, db, json.loads(target.read_file(str(FENCE))))


def _unfence(connections: Connections) -> None:
    """Undo `_fence`: the target serves again."""
    target, plan = connections.target, connections.plan
    fence.unfence(target, connections.target_db, json.loads(target.read_file(str(FENCE))))
    start_pack(target, plan, connections.run)
    quarantine.lift(target, plan)
    maintenance.reopen(target)
    target.check(["rm", "-f", "--", str(FENCE)])
    connections.run.journal(journal.TargetUnfenced())


def operator_alone(plan: Plan) -> frozenset[Ingress]:
    """What the firewall of a fenced target lets in."""
    own = str(ip_network(ip_address(str(plan.operator.address))))
    return frozenset(rule for rule in ingress.before_opening(plan) if rule.source == own)


def saved_directory(plan: Plan, run: Run) -> PurePosixPath:
    """Where on the target its data is saved: on the data volume, which outlives the instance."""
    return plan.target.volume.mount / "gonogo-back-out" / run.name


def save_script(plan: Plan, directory: PurePosixPath) -> str:
    """The script that saves the target's database and a list of its uploads; whole or not at all, for root alone."""
    uploads = [upload.path for upload in plan.files]
    return with_arguments(_SAVE, directory, plan.postgresql.port, conninfo.database(plan.database.name), *uploads)


def _save(connections: Connections) -> str:
    """Save the target's data; why that could not be done, "" where it was. A full disk there keeps production no longer shut."""
    plan, run = connections.plan, connections.run
    directory = saved_directory(plan, run)
    try:
        run_unit(connections.target, run, "back_out-save", save_script(plan, directory), LIMIT)
    except StepFailed as error:
        return error.found
    run.journal(journal.TargetSaved(directory=str(directory)))
    return ""


def written_since(copied: Mapping[str, TableCopy], live: Mapping[str, TableCopy]) -> dict[str, str]:
    """Table -> what happened to it since the copy, in words; tables that are equal are left out."""
    changes: dict[str, str] = {}
    for table in sorted({*copied, *live}):
        before, after = copied.get(table), live.get(table)
        if before is None or after is None:
            changes[table] = "a new table" if after else "no longer there"
        elif after.rows != before.rows:
            changes[table] = f"{after.rows - before.rows:+d} rows"
        elif after.digest != before.digest:
            changes[table] = "rows changed"
    return changes


def database_since(copied: DataCopy, found: Mapping[str, Digest | CouldNotVerify]) -> dict[str, str]:
    """Table, or "large objects" -> what happened to it since the copy, or why that cannot be told."""
    live = {name: digest.copy_record() for name, digest in found.items() if isinstance(digest, Digest)}
    objects = live.pop(LARGE_OBJECTS, None)
    written = written_since(copied.tables, live)
    if objects and objects.digest != copied.large_objects_digest:
        written[LARGE_OBJECTS] = "changed"
    written |= dict.fromkeys(copied.unproven, "not known: it could not be read when it was copied")
    unread = {name: error.found for name, error in found.items() if isinstance(error, CouldNotVerify)}
    return written | {name: f"could not be read: {why}" for name, why in unread.items()}


def files_since(copied: Mapping[str, FileCount], live: Mapping[str, FileCount]) -> dict[str, str]:
    """Upload directory -> how many files more or fewer it holds than were copied; equal ones are left out."""
    changes = {path: live[path].files - copied[path].files for path in sorted(copied) if path in live}
    return {path: f"{change:+d} files" for path, change in changes.items() if change}


def redis_since(plan: Plan) -> dict[str, str]:
    """What the operator reads about the target's Redis: jobs and sessions there are neither counted nor saved."""
    return {plan.redis.unit: "whatever was put there: not counted, and kept in Redis alone"} if plan.redis else {}


def loss_text(written: Mapping[str, str], directory: PurePosixPath, unsaved: str = "") -> str:
    """What the operator reads before giving up what the target took in; `unsaved`: why no copy of it could be made there."""
    if not written:
        return "The target took no write since the copy: production will lack nothing."
    lines = "\n".join(f"  {table}: {words}" for table, words in written.items())
    kept = f"It is saved on the target: {directory}"
    if unsaved:
        kept = f"It could not be saved ({unsaved}): it is in the target's own database and files alone, which nobody deletes"
    return f"Production will lack what was written on the target since the copy:\n{lines}\n{kept}"


def _give_up_writes(connections: Connections, confirm: Confirm, unsaved: str) -> None:
    plan, run = connections.plan, connections.run
    copied = run.records(DataCopy)
    method = method_of(copied.tables)
    with closing(open_reading(connections.target_db, plan, "the target", method=method)) as reading:
        written = database_since(copied, reading.digests())
    counts = {str(upload.path): ask(connections.target, files.count(str(upload.path))) for upload in plan.files}
    written |= files_since(run.records(FilesCopy).counts if plan.files else {}, counts) | redis_since(plan)
    word = plan.web.hostnames[0]
    try:
        agreed = confirm(loss_text(written, saved_directory(plan, run), unsaved), word)
    except GonogoError:
        _unfence(connections)
        raise
    if not agreed:
        _unfence(connections)
        raise Refused(
            "the back-out",
            expected=f"{word}, typed: production will lack what the target took in",
            found="something else",
            remedy="nothing is lost: the target serves again; `gonogo status` shows where the run stands",
        )
    run.journal(journal.WritesGivenUp(written=written))


def _accept_unknown_loss(connections: Connections, confirm: Confirm, why: str, what_then: str) -> None:
    """The target was open and does not answer for its data: nothing can be counted or saved now."""
    if connections.run.happened(journal.WritesGivenUp):
        return
    text = (
        f"{why}\nWhat users wrote there can be neither counted nor saved now; it stays on its volume, as far as that can be "
        f"read. Production will lack it.\n{what_then}"
    )
    word = connections.plan.web.hostnames[0]
    if not confirm(text, word):
        raise Refused(
            "the back-out",
            expected=f"{word}, typed",
            found="something else",
            remedy="nothing was changed; mend the target, or run `gonogo back-out` again",
        )
