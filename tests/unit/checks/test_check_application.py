"""Every port and socket of the pack answers as production's did."""

from pathlib import PurePosixPath

import pytest

from checks import check_application, check_closed, check_nginx, check_pack, check_stopped
from fixtures.errors import NoGo
from fixtures.facts.listeners import Listener
from fixtures.facts.pack import PackAnswer
from fixtures.plan import Listens, Server
from fixtures.run.records import Answered
from tests.unit.example import PLAN
from tests.unit.steps.target import SURVEY

PORT = Listens(3001, "web.service", "http")
SOCKET = Listens(PurePosixPath("/run/php.sock"), "php-fpm.service", "fastcgi")


@pytest.fixture
def surveyed(run):
    def recorded(listener, status, own_name=()):
        run.record(
            SURVEY.model_copy(update={"answers": {listener.name: Answered(status=status, own_name=[*own_name])}})
        )
        return run

    return recorded


@pytest.mark.parametrize("status", [200, 302, 406])
def test_whatever_status_production_gives_is_right(surveyed, status):
    known = surveyed(PORT, status)
    check_application.check_listener_answers(PORT, known, PackAnswer(status), "target")
    for other in (0, 500):
        with pytest.raises(NoGo, match=f"expected: as production, status: {status}"):
            check_application.check_listener_answers(PORT, known, PackAnswer(other), "target")


def test_a_page_that_names_productions_host_names_the_targets(surveyed):
    known = surveyed(PORT, 200, ["server"])
    check_application.check_listener_answers(PORT, known, PackAnswer(200, '{"server": "target", "b": 1}'), "target")
    for body in ('{"server": "production"}', "{}", "no JSON"):
        with pytest.raises(NoGo, match="server: target"):
            check_application.check_listener_answers(PORT, known, PackAnswer(200, body), "target")


def test_what_speaks_no_http_listens(surveyed):
    known = surveyed(SOCKET, None)
    check_application.check_listener_answers(SOCKET, known, PackAnswer(None), "target")
    with pytest.raises(NoGo, match=r"the socket /run/php\.sock of the target[^§]*nobody listens"):
        check_application.check_listener_answers(SOCKET, known, PackAnswer(0), "target")


@pytest.mark.parametrize(("answer", "found"), [(PackAnswer(None), "somebody listens"), (PackAnswer(302), "status 302")])
def test_closed_production_listens_nowhere(answer, found):
    check_closed.check_listener_is_closed(SOCKET, PackAnswer(0))
    with pytest.raises(NoGo, match=found):
        check_closed.check_listener_is_closed(SOCKET, answer)


def with_servers(*servers):
    return PLAN.model_copy(update={"application": PLAN.application.model_copy(update={"servers": list(servers)})})


def test_nobody_listens_on_the_stopped_target():
    plan = with_servers(Server(unit="a.service", listens=[3001]), Server(unit="b.service", listens=["/run/b.sock"]))
    others = [Listener("tcp", "127.0.0.1", 5432), Listener("udp", "127.0.0.1", 3001)]
    check_stopped.check_nobody_listens_for_the_pack(plan, others, {"the socket /run/b.sock": PackAnswer(0)})
    with pytest.raises(NoGo, match=r"127\.0\.0\.1:3001"):
        check_stopped.check_nobody_listens_for_the_pack(plan, [Listener("tcp", "127.0.0.1", 3001)], {})
    with pytest.raises(NoGo, match=r"/run/b\.sock"):
        check_stopped.check_nobody_listens_for_the_pack(plan, [], {"the socket /run/b.sock": PackAnswer(None)})


@pytest.mark.parametrize(
    ("listener", "good", "bad"),
    [
        (PORT, "upstream a { server 127.0.0.1:3001; }", "upstream a { server 127.0.0.1:30010; }"),
        (PORT, "server { location / { proxy_pass http://127.0.0.1:3001/; } }", "server { listen 3001; }"),
        (SOCKET, "server { location / { fastcgi_pass unix:/run/php.sock; } }", "# fastcgi_pass unix:/run/php.sock;\n"),
        (
            SOCKET,
            "server { location / { uwsgi_pass unix:/run/php.sock; } }",
            "location / { uwsgi_pass unix:/run/php.sock2; }",
        ),
        (
            SOCKET,
            "location / { proxy_pass http://unix:/run/php.sock:/a; }",
            "location / { proxy_pass http://x/run/php.sock; }",
        ),
    ],
)
def test_nginx_hands_requests_to_every_listener(listener, good, bad):
    check_nginx.check_pack_is_proxied(listener, good)
    with pytest.raises(NoGo, match="nginx hands requests there"):
        check_nginx.check_pack_is_proxied(listener, bad)


def test_a_unit_runs_as_productions_user_and_starts_at_boot_as_there(run):
    known = {"unit_users": {"a.service": "", "a.socket": ""}, "units": {"a.service": False, "a.socket": True}}
    run.record(SURVEY.model_copy(update=known))
    shown = {"LoadState": "loaded", "User": "", "NeedDaemonReload": "no"}
    check_pack.check_unit_can_start("a.service", run, shown, "/usr/sbin/php-fpm")
    check_pack.check_unit_can_start("a.socket", run, shown, "")
    for other, program in (({"User": "www-data"}, "/usr/sbin/php-fpm"), ({}, "")):
        with pytest.raises(NoGo):
            check_pack.check_unit_can_start("a.service", run, shown | other, program)
    check_pack.check_unit_is_enabled("a.service", run, {"a.service": False})
    with pytest.raises(NoGo, match="enabled"):
        check_pack.check_unit_is_enabled("a.socket", run, {"a.socket": False})
