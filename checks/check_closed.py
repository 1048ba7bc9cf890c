"""Production shows the maintenance page, and nothing writes to its database."""

from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest

from checks.equality import must_be_none, must_equal
from fixtures import wording
from fixtures.connect.database import SUPERUSER
from fixtures.errors import CouldNotVerify, NoGo
from fixtures.facts import catalogue, files, pack, units, webserver
from fixtures.facts.listeners import OWN_STREAMS
from fixtures.facts.logins import as_superuser, with_own_login
from fixtures.facts.network import PageAnswer, PageFact, at_source
from fixtures.facts.pack import PackAnswer
from fixtures.facts.roles import ENTRANTS, RULES, STALE, WRONG_LINES
from fixtures.facts.server import Session
from fixtures.facts.standstill import COUNTERS
from fixtures.facts.wanted import in_source_db, on_source, on_web
from fixtures.facts.watches import UNANSWERED, WRITTEN, MethodFact, Refusal, SqlWatch, Strangers, Written
from fixtures.plan import Listens, Plan
from fixtures.policy import notices
from fixtures.policy.entrants import Entrant, held_roles, spared
from fixtures.policy.hba import HbaRule, other_ways_in
from fixtures.policy.standstill import moved
from fixtures.run.places import held
from fixtures.run.records import Counters, SourceClosure, Standstill
from fixtures.run.run import Run

pytestmark = pytest.mark.source_closed

CLOSE = "close production: `gonogo run`; go back: `gonogo back-out`"
WATCHED_SECONDS = 1.0
"""How long production is watched for writes."""


def _pages(plan: Plan, hostname: str) -> dict[str, PageFact]:
    """Pages, a file that nginx itself serves, and what machines ask for."""
    paths = (plan.first_page, plan.smoke.login_page, *plan.web.static[:1], plan.health_page)
    return {path: at_source(plan, path, host=hostname) for path in paths}


def check_users_see_the_maintenance_page(
    hostname: str,
    plan: Plan,
    answers: dict[str, PageAnswer] = on_web(lambda plan, hostname: _pages(plan, hostname)),
) -> None:
    """Users of production get 503 and the maintenance page, whatever they ask for."""
    found = {path: _otherwise(answer) for path, answer in answers.items()}
    must_be_none(
        f"{hostname} at {plan.source.public_address}",
        expected=f"503 with the maintenance page, {' and '.join(HEADERS)}",
        found=[f"{path}: {words}" for path, words in found.items() if words],
        remedy=CLOSE,
    )


HEADERS = ("Retry-After", "Cache-Control")
"""What keeps programs from asking too soon, and caches from keeping the page."""


def _otherwise(answer: PageAnswer) -> str:
    """How an answer is not that of a closed site; "" where it is."""
    if answer.status != 503:
        return f"status {answer.status}"
    return " and ".join(f"no {name}" for name in HEADERS if not answer.header(name))


def check_nginx_stays_closed(found: dict[str, bool] = on_source(webserver.closed_by)) -> None:
    """Production's nginx stays closed when it begins anew: the file that it goes by is still the one that closes it."""
    if found and all(found.values()):
        return
    raise NoGo(
        f"{', '.join(found) or 'the main file of nginx'} on production",
        expected="gonogo's, which answers 503",
        found="somebody else's" if found else "never replaced by this run",
        remedy=f"see who changes the file (a configuration management?), and {CLOSE}",
    )


def check_page_says_when_and_whom(
    plan: Plan,
    run: Run,
    answer: PageAnswer = on_web(lambda plan: at_source(plan, plan.first_page, redirects=False)),
) -> None:
    """The maintenance page says since when and until when, that data is safe, and whom to ask."""
    closed = run.records(SourceClosure).closed
    mistakes = wording.lint(notices.visible(answer.text), notices.closed_since(plan, closed))
    must_be_none(
        f"the maintenance page at {plan.source.public_address}",
        expected=wording.plain(notices.outage_text(plan, closed)),
        found=mistakes,
        remedy=f"see who answers there in nginx's place (a proxy, a cache?), and {CLOSE}",
    )


METHODS = ("POST", "PUT", "PATCH", "DELETE")
REFUSED = (403, 405, 501, UNANSWERED)
"""How a web server refuses a method by itself; the pack is stopped by then, which other checks prove."""


def _sent(plan: Plan, run: Run, hostname: str, page: PageAnswer) -> dict[str, MethodFact]:
    # A site that shows pages, or is only overloaded, might do what it is sent: it is not asked.
    methods = METHODS if run.has(SourceClosure) and page.status == 503 else ()
    return {method: MethodFact(method, str(plan.source.public_address), hostname) for method in methods}


def check_no_method_reaches_the_application(
    hostname: str,
    plan: Plan,
    page: PageAnswer = on_web(lambda plan, hostname: at_source(plan, plan.first_page, host=hostname)),
    answers: dict[str, Refusal] = on_web(lambda plan, run, hostname, page: _sent(plan, run, hostname, page)),
) -> None:
    """Closed production refuses every method that could write, not GET alone."""
    if not answers:
        raise CouldNotVerify(
            f"{', '.join(METHODS)} to {hostname} at {plan.source.public_address}",
            expected="a site that shows the maintenance page, and may be asked",
            found=f"status {page.status}: it was not asked",
            remedy=CLOSE,
        )
    # These are the web server's words for a method that it does not take; another name of the site is asked by itself.
    reached = [
        f"{method}: status {status}"
        for method, (status, location) in answers.items()
        if status not in (503, *REFUSED) and not (300 <= status < 400 and _is_other_name(location, hostname, plan))
    ]
    must_be_none(
        f"requests to {hostname} at {plan.source.public_address}",
        expected="503, whatever their method",
        found=reached,
        remedy=f"see who answers there in nginx's place (a proxy, a cache?), and {CLOSE}",
    )


def _is_other_name(location: str, hostname: str, plan: Plan) -> bool:
    return urlsplit(location).hostname in {*plan.web.hostnames} - {hostname}


def check_fenced_roles_may_not_log_in(plan: Plan, found: list[Entrant] = in_source_db(ENTRANTS)) -> None:
    """No role may log in to production's database but gonogo's own and those that closing spares."""
    must_be_none(
        f"roles that may log in to {plan.database.name} on production",
        expected=f"none but {SUPERUSER}, cutover.spare_roles, and roles that only replicate the server",
        found=held_roles(found, spared(found, plan, SUPERUSER)),
        remedy=CLOSE,
    )


def check_rules_refuse_everybody(
    plan: Plan,
    rules: list[HbaRule] = in_source_db(RULES),
    wrong: list[str] = in_source_db(WRONG_LINES),
    stale: bool = in_source_db(STALE),
) -> None:
    """No rule of pg_hba.conf lets anybody but gonogo into production's database, and the server has loaded the rules."""
    found = [*wrong, *other_ways_in(rules, plan.database.name, SUPERUSER)]
    if stale:
        found.append("changed since the server loaded it")
    must_be_none(
        "pg_hba.conf on production",
        expected=f"{plan.database.name} closed to everybody but {SUPERUSER} on the host itself",
        found=found,
        remedy=f"see who changes the file (a configuration management?), and {CLOSE}",
    )


def check_server_refuses_by_its_rules(plan: Plan, code: str | None = in_source_db(as_superuser)) -> None:
    """The server refuses our own role over TCP before it looks at any password: its rules are in force."""
    if code != "28000":
        raise NoGo(
            f"logging in to {plan.database.name} on production as {SUPERUSER} over TCP",
            expected="refused by a rule (SQLSTATE 28000)",
            found="accepted" if code is None else f"SQLSTATE {code}: asked for its password first",
            remedy=f"load pg_hba.conf there (SELECT pg_reload_conf()), and see the server's log; {CLOSE}",
        )


def check_password_is_refused(plan: Plan, code: str | None = in_source_db(with_own_login)) -> None:
    """The application's own password does not let anybody into production's database any more."""
    if code is None:
        raise NoGo(
            f"logging in to {plan.database.name} on production as {plan.database.role}",
            expected="refused",
            found="accepted",
            remedy=CLOSE,
        )


def _strangers(plan: Plan, run: Run, streams: tuple[int, ...]) -> Strangers:
    run.records(SourceClosure)  # until it is closed users are there, and nobody waits for them to go
    return Strangers(plan.database.name, streams)


def check_nobody_is_logged_in(
    plan: Plan,
    streams: tuple[int, ...] = on_source(OWN_STREAMS),
    found: list[Session] = in_source_db(lambda plan, run, streams: _strangers(plan, run, streams)),
) -> None:
    """Nobody is in production's database but gonogo's own sessions, whatever they call themselves."""
    must_be_none(
        f"sessions in {plan.database.name} on production",
        expected="none but gonogo's",
        found=found,
        remedy="wait for another gonogo to end, or end them on production (SELECT pg_terminate_backend(PID)); a worker of an "
        f"extension that comes back must be stopped by its own means; {CLOSE}",
    )


def check_no_subscription_feeds_it(found: dict[str, bool] = in_source_db(catalogue.SUBSCRIPTIONS)) -> None:
    """No subscription brings rows of another database into production's."""
    feeding = [name for name, enabled in found.items() if enabled]
    must_be_none("subscriptions of production's database", expected="disabled", found=feeding, remedy=CLOSE)


def check_no_prepared_transaction_waits(count: int = in_source_db(catalogue.PREPARED)) -> None:
    """No prepared transaction waits in production's database: it could still commit behind the fence."""
    if count != 0:
        raise NoGo(
            "prepared transactions on production",
            expected="none",
            found=count,
            remedy="see pg_prepared_xacts on production; COMMIT PREPARED or ROLLBACK PREPARED each, then copy again: `gonogo run`",
        )


def check_nothing_writes(
    seen: tuple[Written, Written] = in_source_db(SqlWatch(WRITTEN, WATCHED_SECONDS, "check_nothing_writes")),
) -> None:
    """Nothing was written to production's database while it was watched."""
    before, after = seen
    must_equal(
        f"production's database over {WATCHED_SECONDS:g} s (rows written, sum of sequences)",
        expected=before,
        found=after,
        remedy="find the writer in pg_stat_activity on production, stop it, and copy again: `gonogo run`",
    )


def check_nothing_was_written_since(run: Run, now: Counters = in_source_db(COUNTERS)) -> None:
    """Nothing was written to production's database since it had been closed, by what the server itself counts."""
    before = run.records(Standstill)
    must_be_none(
        f"writes to production's database since {before.recorded:%H:%M:%S} UTC",
        expected="none",
        found=moved(before.counters, now),
        remedy="find who wrote (the server's log, cron jobs of postgres on production) and stop it; a waiver of this check "
        "says who looked, and the final copy must be made after that write; or go back: `gonogo back-out`",
    )


def check_pack_is_stopped(
    pack_unit: str,
    states: list[str] = on_source(lambda pack_unit: units.states(pack_unit)),
    enabled: dict[str, bool] = on_source(lambda pack_unit: units.enabled(pack_unit)),
) -> None:
    """No application server of production runs, or would start at boot."""
    _is_stopped(pack_unit, states[0], on=enabled[pack_unit])


def check_worker_is_stopped(
    worker_unit: str,
    states: list[str] = on_source(lambda worker_unit: units.states(worker_unit)),
    enabled: dict[str, bool] = on_source(lambda worker_unit: units.enabled(worker_unit)),
) -> None:
    """No worker of production runs, or would start at boot."""
    _is_stopped(worker_unit, states[0], on=enabled[worker_unit])


def _is_stopped(unit: str, state: str, *, on: bool) -> None:
    found = (state, "enabled" if on else "not enabled")
    if found not in (("inactive", "not enabled"), ("failed", "not enabled")):
        raise NoGo(f"{unit} on production", expected="stopped, and not enabled", found=", ".join(found), remedy=CLOSE)


def check_cron_is_held(
    cron_file: PurePosixPath,
    run: Run,
    there: files.Status | None = on_source(lambda cron_file: files.status(str(cron_file))),
    kept: files.Status | None = on_source(lambda cron_file: files.status(str(held(cron_file)))),
) -> None:
    """Cron runs nothing of the application on production; its file is kept for a back-out."""
    was_there = str(cron_file) in run.records(SourceClosure).held_files
    found = (there is not None, kept is not None)
    if found != (False, was_there):
        raise NoGo(
            f"{cron_file} on production",
            expected=f"moved to {held(cron_file)}",
            found="still in place" if found[0] else "neither in place nor kept",
            remedy=CLOSE,
        )


def check_listener_is_closed(listener: Listens, answer: PackAnswer = on_source(pack.health)) -> None:
    """Nothing answers on the ports and sockets of production's pack, not even a server that was started by hand."""
    if answer.status != 0:
        raise NoGo(
            f"{listener} of production",
            expected="closed",
            found="somebody listens" if answer.status is None else f"an answer, status {answer.status}",
            remedy=CLOSE,
        )
