"""What of production's access log is asked again."""

from fixtures.plan import Pages
from fixtures.run.records import PagesSampled
from fixtures.sameness import replay
from steps.rehearse import sampling
from tests.unit import two_hosts

plan = two_hosts.plan
port = two_hosts.port
source = two_hosts.source
web = two_hosts.web


def test_without_patterns_the_log_is_not_even_read(run, plan, web, source):
    plan = plan.model_copy(update={"pages": Pages(per_second=100)})
    sampling.sample_pages.function(plan, run, None, web)
    assert {page.kind for page in run.records(PagesSampled).pages} == {"static", "error", "signed in"}
    assert {path for _, path, *_ in source.asked} == {"/", "/a.css", "/help", "/login", replay.ABSENT}
