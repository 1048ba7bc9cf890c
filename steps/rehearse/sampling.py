"""A sample of production's pages: as it shows them before it is copied, and once more after it."""

import logging
import time

from fixtures.connect.host import Host
from fixtures.connect.web import Web
from fixtures.facts import accesslog
from fixtures.facts.accesslog import LogPart
from fixtures.facts.fact import ask
from fixtures.plan import Plan
from fixtures.run.evidence import now
from fixtures.run.records import PagesReplayed, PagesSampled
from fixtures.run.run import Run
from fixtures.sameness import replay
from steps.step import step

log = logging.getLogger(__name__)


@step(needs=["source_surveyed"], gives=["pages_sampled"])
def sample_pages(plan: Plan, run: Run, source: Host, web: Web) -> None:
    """Read which pages users ask for, and record how production shows those that the plan allows, before it is copied."""
    begun = time.monotonic()
    part = _log_of(source, plan)
    shapes = accesslog.candidates(part, plan.pages, plan.web.hostnames)
    wanted = replay.pages_to_ask(plan, accesslog.choose(shapes, plan.pages.sample))
    shown = replay.ask(web, str(plan.source.public_address), wanted, plan, gently=True, say=log.info)
    run.record(
        PagesSampled(
            lines=part.lines,
            own=part.own,
            malformed=part.malformed,
            other_methods=part.other_methods,
            candidates=sum(len(shape) for shape in shapes.values()),
            pages=replay.prints(shown, plan),
            seconds=round(time.monotonic() - begun, 3),
        )
    )


def _log_of(source: Host, plan: Plan) -> LogPart:
    if not plan.pages.allow or not plan.pages.sample:
        return LogPart(0, 0, 0, 0, ())
    return ask(source, accesslog.requests(str(plan.web.access_log), plan.pages))


def ask_again(plan: Plan, run: Run, web: Web) -> None:
    """Ask production once more for the sampled pages: what it shows as before the copy, the target must show too.

    At least `pages.apart` seconds lie between: what moves by itself must have had the time to.
    """
    begun = time.monotonic()
    sampled = run.records(PagesSampled)
    early = plan.pages.apart - (now() - sampled.recorded).total_seconds()
    if early > 0:
        log.info("production's pages were looked at a moment ago: once more in %.0f s", early)
        time.sleep(early)
    bare = [page.model_copy(update={"print": None}) for page in sampled.pages]
    shown = replay.ask(web, str(plan.source.public_address), bare, plan, gently=True, say=log.info)
    pairs = zip(sampled.pages, replay.prints(shown, plan), strict=True)
    learnt = [replay.learnt(before, after) for before, after in pairs]
    resting = [page for page in learnt if page.unsteady is not None]
    changed = [page for page in learnt if page.unsteady is None]
    run.record(
        PagesReplayed(
            sampled=sampled.recorded, pages=resting, changed=changed, seconds=round(time.monotonic() - begun, 3)
        )
    )
    if changed:
        named = ", ".join(dict.fromkeys(page.url for page in changed[:5]))
        log.info("%d pages stable; %d production changed itself: %s", len(resting), len(changed), named)
