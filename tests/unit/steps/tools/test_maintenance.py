"""gonogo's own maintenance answer, shown by a real nginx with configurations of several shapes, and taken away again."""

import random
import subprocess
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import RemoteDisconnected
from pathlib import Path

import pytest

from fixtures.errors import Refused, StepFailed
from fixtures.facts import webserver
from fixtures.facts.fact import ask
from fixtures.run.places import held_main
from steps.tools import closed_site, maintenance
from tests.unit.buckets import with_
from tests.unit.example import PLAN
from tests.unit.webhosts import MAIN, web_host

PAGE = '<!doctype html>\n<title>it\'s closed</title>\n<p>Questions: "help" $5 \\ ${host}</p>\n'
SHOWN = PAGE.replace("$", "&#36;").replace("'", "&#39;").replace("\\", "&#92;")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
PATHS = ("/", "/a.css", "/absent/x.png", "/.well-known/acme-challenge/token", "/healthz", "/old", "/private/")
OTHER = "server { listen 80; server_name other.test; location / { return 200 'other\\n'; } }\n"
SITE = "/etc/nginx/sites-available/app"


@dataclass(frozen=True)
class Shape:
    """A configuration: its files below /etc/nginx, the names of the application, and those that stay what they are."""

    files: dict[str, str]
    names: tuple[str, ...] = ("app.test",)
    others: tuple[str, ...] = ("other.test",)
    site: str = SITE
    ports: dict[int, bool] = field(default_factory=lambda: {80: False})
    """Port -> whether it speaks TLS."""


APPLICATION = """
upstream pack { server 127.0.0.1:3001; }
server {
    listen 80%s;
    server_name app.test www.app.test;
    root /srv/app;
    error_page 404 500 502 503 504 /error.html;
    recursive_error_pages on;
    client_max_body_size 1;
    location = /error.html { internal; }
    location ^~ /.well-known/acme-challenge/ { auth_basic off; try_files $uri =404; }
    location /private/ { satisfy any; deny all; auth_basic "closed"; auth_basic_user_file /etc/nginx/users; }
    location = /old { rewrite ^ /new permanent; }
    location / { limit_except GET POST { deny all; } try_files $uri @pack; }
    location @pack { proxy_set_header Host $http_host; proxy_pass http://pack; }
    if ($request_method = DELETE) { return 405; }
}
"""
SHAPES = {
    "a site of Debian's, the default one, with error pages and rules of its own": Shape(
        {"sites-available/app": APPLICATION % " default_server", "sites-enabled/other": OTHER},
        names=("app.test", "www.app.test", "nobody.test"),
    ),
    "everything in one file, two applications, the first is the default one": Shape(
        {
            "nginx.conf": MAIN.replace(
                "include sites-enabled/*;", "server { listen 80; server_name other.test _; return 200 'other'; }" + APPLICATION % ""
            )
        },
        names=("app.test", "www.app.test"),
        others=("other.test", "nobody.test"),
        site="/etc/nginx/nginx.conf",
    ),
    "one site without a name in the main file": Shape(
        {"nginx.conf": MAIN.replace("include sites-enabled/*;", "server { root /srv/app; }")},
        names=("app.test", "nobody.test"),
        others=(),
        site="/etc/nginx/nginx.conf",
    ),
    "conf.d alone, listens and names in files that the server includes": Shape(
        {
            "conf.d/a.conf": "server {\n  include 'app listen.inc';\n  root /srv/app; include default.d/*.conf; }\n",
            "app listen.inc": "listen 80; listen 8080;\nserver_name APP.test;",
            "default.d/x.conf": "location /a.css { return 200 'a static file'; }",
            "conf.d/b.conf": OTHER.replace("listen 80;", "listen 80; listen 8080;"),
        },
        site="/etc/nginx/conf.d/a.conf",
        ports={80: False, 8080: False},
    ),
    "names by a regular expression and a wildcard": Shape(
        {
            "sites-available/app": "server { listen 80; server_name ~^(?<sub>app)\\.test$; root /srv/$sub; }\n"
            "server { listen 80; server_name *.app.test; root /srv/app; }\n",
            "sites-enabled/other": OTHER,
        },
        names=("app.test", "www.app.test"),
    ),
    "TLS, a certificate by variable, and one server for all names that leads there": Shape(
        {
            "conf.d/redirect.conf": "server { listen 80 default_server; listen [::]:80 default_server; server_name _; return 301 https://$host$request_uri; }\n",
            "conf.d/other.conf": "server { listen 443 ssl default_server; server_name other.test; ssl_certificate /etc/nginx/other.test.pem; "
            "ssl_certificate_key /etc/nginx/other.test.pem; return 200 'other over TLS'; }\n",
            "sites-available/app": "server { listen 443 ssl http2; server_name app.test; ssl_certificate /etc/nginx/$ssl_server_name.pem; "
            "ssl_certificate_key /etc/nginx/$ssl_server_name.pem; root /srv/app; }\n",
        },
        ports={80: False, 443: True},
    ),
    "comments, quotes and blocks that look like others": Shape(
        {
            "conf.d/0.conf": "# server { server_name app.test; }\nmap $uri $x { default '} server {'; \"~a;b\" \"\\\"\"; }\n"
            "log_format j escape=json '{\"uri\": \"$uri\"}'; # include nothing\ngeo $g { default 0; 10.0.0.0/8 1; }",
            "sites-available/app": "server{listen 80;server_name app.test;root /srv/app;location ~ \"^/x{2}/\"{return 200 a\\;b;}"
            "add_header X ${host}y;access_log /var/log/nginx/${host}.log;set $x \"#\";}# the end",
            "sites-enabled/other": OTHER,
        },
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with web_host(tmp_path_factory.mktemp("host")) as made, made.application(3001) as made.slow:
        for name in ("app.test", "other.test"):
            place = made.directory / f"{name}.pem"
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                 f"/CN={name}", "-keyout", place, "-out", f"{place}.crt", "-days", "2"], check=True, capture_output=True,
            )  # fmt: skip
            made.certificates = {
                **getattr(made, "certificates", {}),
                name: place.read_text() + Path(f"{place}.crt").read_text(),
            }
        yield made


@pytest.fixture
def serving(host):
    """Starts nginx with a shape; at the end nothing of it is left."""

    def start(shape):
        host.before_each = str
        files = {"nginx.conf": MAIN, "users": "somebody:x\n", **shape.files}
        files |= {f"{name}.pem": text for name, text in host.certificates.items()}
        for name, text in files.items():
            host.put(f"/etc/nginx/{name}", text)
        host.put("/srv/app/a.css", "a static file\n")
        host.put("/srv/app/error.html", "the application's own error\n")
        host.check(["mkdir", "-p", "/etc/nginx/sites-enabled"])
        if "sites-available/app" in files:
            host.check(["ln", "-s", SITE, "/etc/nginx/sites-enabled/app"])
        host.start()
        return with_(PLAN, web={"hostnames": [one for one in shape.names if one != "nobody.test"], "site": shape.site})

    yield start
    host.before_each = str
    host.stop()
    host.check(
        ["sh", "-c", "find /etc/nginx /var/lib/gonogo /var/log/nginx /srv /run -mindepth 1 ! -name mime.types -delete"]
    )


def answers(host, names, shape, methods=METHODS):
    """What is answered to each request, without its moment."""
    found = {}
    for port, tls in shape.ports.items():
        for name in names:
            for method, path in [*(("GET", path) for path in PATHS), *((method, PATHS[1]) for method in methods)]:
                body = "a body that is larger than the site takes" if method in ("POST", "PUT") else None
                got = host.ask(name, path, method, port=port, tls=tls, body=body)
                found[name, port, method, path] = (got.status, got.headers.get("Location"), got.text)
    return found


def as_it_lies(host):
    """The configuration's files with what they hold and whose they are."""
    return host.check(
        [
            "sh",
            "-c",
            "cd /etc/nginx && find . -printf '%p %l %m %u:%g %s\\n' | sort && find . -type f | sort | xargs -d '\\n' sha256sum",
        ]
    )


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_name_method_and_file_answers_503_and_its_own_again(host, serving, shape):
    plan = serving(shape)
    host.check(["chown", "daemon:adm", "/etc/nginx/nginx.conf"])
    before, lying = answers(host, (*shape.names, *shape.others), shape), as_it_lies(host)
    assert len(set(before.values())) > 1 or not shape.others
    prepared = maintenance.prepare(host.watched(), plan)
    maintenance.prove(host.watched(), prepared, PAGE)
    assert as_it_lies(host) == lying, "by day nothing is changed"
    assert answers(host, (*shape.names, *shape.others), shape, ()).items() <= before.items()

    for _ in range(2):
        prepared = maintenance.prepare(host, plan)
        maintenance.shut(host, prepared, PAGE)
        main = prepared.master.main
        assert ask(host, webserver.closed(main))
        for (name, port, method, path), (status, _, text) in answers(host, shape.names, shape).items():
            shown = "" if method == "HEAD" else SHOWN
            assert (status, text) == (503, shown), (name, port, method, path)
        for port, tls in shape.ports.items():
            got = host.ask(shape.names[0], "/a.css", port=port, tls=tls)
            assert got.headers["Retry-After"] == "120"
            assert got.headers["Cache-Control"] == "no-store"
            assert got.headers["Content-Type"] == "text/html"
        if shape.others:
            kept = {key: value for key, value in before.items() if key[0] in shape.others}
            assert answers(host, shape.others, shape) == kept
    assert host.check(["stat", "-c", "%U:%G %a", main]) == "daemon:adm 600\n"

    for _ in range(2):
        maintenance.reopen(host, main)
        assert not ask(host, webserver.closed(main))
        assert answers(host, (*shape.names, *shape.others), shape) == before
        assert as_it_lies(host) == lying
    assert not host.succeeds(["test", "-e", str(held_main(main))])


SIMPLE = SHAPES["a site of Debian's, the default one, with error pages and rules of its own"]


def test_a_request_that_has_begun_is_answered(host, serving):
    plan = serving(SIMPLE)
    got = []
    asking = threading.Thread(target=lambda: got.append(host.ask("app.test", "/slow")))
    asking.start()
    while "begun" not in host.slow:
        time.sleep(0.01)
        assert asking.is_alive()
    maintenance.shut(host, maintenance.prepare(host, plan), PAGE)
    assert host.ask("app.test", "/slow").status == 503
    assert not got
    host.slow.append("go")
    asking.join(20)
    assert (got[0].status, got[0].text) == (200, "application GET /slow")


# A command of these is about to begin: the last one is when nothing more is done.
KILLING = r"""
acts=0
act() { case $1 in mktemp*|cp*|cat*|sync*|mv*|kill*|mkdir*|'"$program"'*|sleep*) acts=$((acts + 1)); [ "$acts" -ne "$KILL_AT" ] || kill -KILL $$ ;; esac; }
set -o functrace
trap 'act "$BASH_COMMAND"' DEBUG
"""


def killed(host, at, act):
    """Do something on the host whose script is killed before its act of that number; whether there was such an act."""
    host.put("/srv/kill.sh", KILLING)
    host.before_each = lambda command: f"export BASH_ENV=/srv/kill.sh KILL_AT={at}; {command}"
    try:
        act()
    except StepFailed as error:
        assert "-9" in error.found, "by the signal"
        return True
    finally:
        host.before_each = str
    return False


@pytest.mark.parametrize("goes_on", [True, False], ids=["and goes on", "and is undone"])
def test_it_may_be_killed_before_each_of_its_acts(host, serving, goes_on):
    plan = serving(SIMPLE)
    before, lying = host.ask("app.test"), as_it_lies(host)
    main = "/etc/nginx/nginx.conf"

    def close():
        maintenance.shut(host, maintenance.prepare(host, plan), PAGE)

    def states():
        return {host.ask("app.test", path).status == 503 for path in ("/", "/a.css")}

    count = 0
    for count in range(1, 60):
        was_killed = killed(host, count, close)
        assert len(states()) == 1, "open or closed, never half of it"
        if goes_on:
            close()
            assert states() == {True}
        undone = killed(host, count, partial(maintenance.reopen, host, main))
        assert host.check(["cat", main]).startswith(("user www-data", "# written by gonogo"))
        maintenance.reopen(host, main)
        assert states() == {False}
        assert host.ask("app.test").text == before.text
        host.run("rm -f /etc/nginx/.nginx.gonogo.*")  # hidden, and nobody reads it
        assert as_it_lies(host) == lying
        if not was_killed and not undone:
            break
    assert 8 < count < 59


def test_what_nginx_does_not_take_is_put_back_at_once(host, serving, monkeypatch):
    plan = serving(SIMPLE)
    before, lying = answers(host, SIMPLE.names, SIMPLE), as_it_lies(host)
    prepared = maintenance.prepare(host, plan)
    right = closed_site.closed
    monkeypatch.setattr(maintenance, "closed", lambda *words: right(*words) + "nonsense;\n")
    with pytest.raises(StepFailed, match='unknown directive "nonsense"'):
        maintenance.prove(host.watched(), prepared, PAGE)
    with pytest.raises(StepFailed, match='unknown directive "nonsense"'):
        maintenance.shut(host, prepared, PAGE)
    assert as_it_lies(host) == lying
    # nginx's own test finds this right, and its master cannot use it: somebody else listens there.
    monkeypatch.setattr(
        maintenance, "closed", lambda *words: right(*words).replace("listen 80 default_server", "listen 3001")
    )
    monkeypatch.setattr(maintenance, "_PUT", [part.replace("seq 300", "seq 5") for part in maintenance._PUT])
    with pytest.raises(StepFailed, match="by its configuration of before"):
        maintenance.shut(host, prepared, PAGE)
    assert as_it_lies(host) == lying
    assert answers(host, SIMPLE.names, SIMPLE) == before


def test_who_rewrites_the_file_meanwhile_is_seen_and_not_overwritten(host, serving):
    plan = serving(SIMPLE)
    main = "/etc/nginx/nginx.conf"
    maintenance.shut(host, maintenance.prepare(host, plan), PAGE)
    host.put(main, f"# managed\n{MAIN}")
    assert not ask(host, webserver.closed(main))
    assert host.ask("app.test").status == 503, "not read yet"
    maintenance.shut(host, maintenance.prepare(host, plan, as_it_lies=True), PAGE)
    assert ask(host, webserver.closed(main))
    host.put(main, f"# managed\n{MAIN}")
    host.reload()
    assert host.ask("app.test", "/a.css").status == 200
    maintenance.shut(host, maintenance.prepare(host, plan, as_it_lies=True), PAGE)
    assert host.ask("app.test", "/a.css").status == 503
    maintenance.reopen(host, main)
    assert host.check(["head", "-n", "1", main]) == "# managed\n"
    assert host.ask("app.test", "/a.css").text == "a static file\n"
    host.reload()
    maintenance.shut(host, maintenance.prepare(host, plan), PAGE)
    maintenance.reopen(host, main)
    assert host.check(["head", "-n", "1", main]) == "# managed\n", "not what an earlier closing has kept"


def test_a_main_file_that_is_gone_is_put_back(host, serving):
    plan = serving(SIMPLE)
    main = "/etc/nginx/nginx.conf"
    maintenance.shut(host, maintenance.prepare(host, plan), PAGE)
    host.check(["rm", main])
    maintenance.reopen(host, main)
    assert host.check(["cat", main]) == MAIN
    assert host.ask("app.test", "/a.css").status == 200


def test_a_main_file_may_be_a_link(host, serving):
    plan = serving(SIMPLE)
    main = "/etc/nginx/nginx.conf"
    host.check(["sh", "-ec", f"mkdir /srv/conf; mv {main} /srv/conf/main; ln -s /srv/conf/main {main}"])
    host.reload()
    maintenance.shut(host, maintenance.prepare(host, plan), PAGE)
    assert host.ask("app.test").status == 503
    assert host.check(["readlink", main]) == "/srv/conf/main\n"
    maintenance.reopen(host)
    assert host.ask("app.test", "/a.css").status == 200
    assert host.check(["readlink", main]) == "/srv/conf/main\n"


def test_without_nginx_the_file_is_put_back_all_the_same(host, serving):
    plan = serving(SIMPLE)
    main = "/etc/nginx/nginx.conf"
    maintenance.shut(host, maintenance.prepare(host, plan), PAGE)
    host.stop()
    maintenance.reopen(host, main)
    host.start()
    assert host.ask("app.test", "/a.css").status == 200
    host.stop()
    maintenance.reopen(host)  # nothing runs and nothing is known: there is nothing to do


REFUSED = {
    "no nginx": (lambda host: host.stop(), "no nginx runs"),
    "two of them": (
        lambda host: (host.put("/srv/n2.conf", "pid /run/2.pid; events {} http { server { listen 81; server_name app.test; } }"), host.check(["sh", "-c", "nginx -c /srv/n2.conf >/dev/null 2>&1"])),
        r"process \d+ by /etc/nginx/nginx\.conf, process \d+ by /srv/n2\.conf",
    ),
    "a program that was replaced": (
        lambda host: host.check(["sh", "-ec", "pkill -KILL -f '^nginx: '; cp /usr/sbin/nginx /srv/n; while pgrep -f '^nginx: '; do sleep 0.1; done; /srv/n; rm /srv/n"]),
        "replaced since it started",
    ),
    "what was changed and not loaded": (
        lambda host: (host.check(["sleep", "2.1"]), host.put("/etc/nginx/mime.types", "types { text/plain txt; }")),
        r"changed since: /etc/nginx/mime\.types",
    ),
    "what was added and not loaded": (
        lambda host: (host.check(["sleep", "2.1"]), host.put("/etc/nginx/conf.d/later.conf", "# half-done\n")),
        r"changed since: .*the directory of /etc/nginx/conf\.d/\*\.conf",
    ),
    "a main file that is mounted by itself": (
        lambda host: host.check(["mount", "--bind", "/etc/nginx/nginx.conf", "/etc/nginx/nginx.conf"]),
        "mounted by itself",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_not_be_closed_by_night_is_refused_by_day(host, serving, case):
    plan = serving(SIMPLE)
    breaks, words = REFUSED[case]
    breaks(host)
    try:
        with pytest.raises(Refused, match=words) as refused:
            maintenance.prepare(host.watched(), plan)
    finally:
        host.run("umount /etc/nginx/nginx.conf")
    assert "this one changed nothing" in refused.value.remedy


def test_what_cannot_be_told_is_refused_by_day(host, serving):
    plan = serving(SIMPLE)
    nobody = with_(plan, web={"hostnames": ["else.test"], "site": "/etc/nginx/sites-available/else"})
    with pytest.raises(Refused, match=r"no server has a name of else\.test"):
        maintenance.prepare(host, nobody)
    host.put("/etc/nginx/conf.d/x.conf", "server { listen 82; server_name ~^(app; }")
    with pytest.raises(Refused, match="regular expression that cannot be read here") as refused:
        maintenance.prepare(host, plan)
    assert "server_name" in refused.value.remedy


def test_by_day_logs_may_lie_anywhere_and_none_is_made(host, serving):
    tls = "listen 443 ssl; ssl_certificate /srv/app/a.pem; ssl_certificate_key /srv/app/a.pem;"
    logs = "access_log /srv/app/access.log; error_log /srv/app/error.log; access_log /srv/logs/new.log; access_log /dev/null;"
    host.put("/srv/app/a.pem", host.certificates["app.test"])
    host.check(["mkdir", "-p", "/srv/logs"])
    plan = serving(Shape({"sites-available/app": f"server {{ {tls} {logs} server_name app.test; }}"}))
    host.check(["rm", "/srv/logs/new.log"])
    prepared = maintenance.prepare(host.watched(), plan)
    maintenance.prove(host.watched(), prepared, PAGE)
    found = host.check(["find", "/srv/logs", "/srv/app", "-name", "*.log"]).split()
    assert sorted(found) == ["/srv/app/access.log", "/srv/app/error.log"]


def test_another_nginx_beside_it_is_left_alone(host, serving):
    plan = serving(SIMPLE)
    host.put(
        "/srv/n2.conf",
        "pid /run/2.pid; events {} http { server { listen 81; server_name other.test; return 200 'another'; } }",
    )
    host.check(["sh", "-c", "nginx -c /srv/n2.conf >/dev/null 2>&1"])
    maintenance.shut(host, maintenance.prepare(host, plan), PAGE)
    assert host.ask("app.test").status == 503
    assert host.ask("other.test", port=81).text == "another"
    maintenance.reopen(host, "/etc/nginx/nginx.conf")
    assert host.ask("app.test", "/a.css").status == 200


def test_no_program_of_a_strangers_is_run_because_of_a_processs_title(host, serving):
    plan = serving(SIMPLE)
    stranger = "setpriv --reuid 65534 --regid 65534 --clear-groups"
    title = f"exec -a 'nginx: master process nginx -c {SITE}' sleep 60"
    pid = host.check(["sh", "-c", f'{stranger} bash -c "{title}" >/dev/null 2>&1 & echo $!; sleep 0.3']).strip()
    try:
        assert "nginx: master process nginx -c" in host.check(["ps", "-eo", "args"])
        (master,) = ask(host, webserver.RUNNING).masters
        assert master.main == "/etc/nginx/nginx.conf"
        assert maintenance.prepare(host, plan).master.pid == master.pid
    finally:
        host.check(["kill", pid])


def test_secrets_of_a_site_stay_roots_while_it_is_closed(host, serving):
    plan = serving(SIMPLE)
    host.check(["chmod", "600", SITE])
    host.reload()
    lying = as_it_lies(host)
    maintenance.shut(host, maintenance.prepare(host, plan, as_it_lies=True), PAGE)
    main = "/etc/nginx/nginx.conf"
    assert "auth_basic_user_file" in host.check(["cat", main])
    assert not host.succeeds(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "cat", main])
    host.stop()
    host.start()
    assert host.ask("app.test", "/a.css").status == 503, "after a reboot too"
    maintenance.reopen(host, main)
    assert as_it_lies(host) == lying
    host.stop()
    host.start()
    assert host.ask("app.test", "/a.css").status == 200


def test_an_nginx_that_was_started_by_another_main_file_meanwhile_is_opened_too(host, serving):
    plan = serving(SIMPLE)
    main, other = "/etc/nginx/nginx.conf", "/etc/nginx/other.conf"
    maintenance.shut(host, maintenance.prepare(host, plan), PAGE)
    host.stop()
    host.put(other, MAIN)
    host.check(["sh", "-c", f"nginx -c {other} >/dev/null 2>&1"])
    maintenance.shut(host, maintenance.prepare(host, plan, as_it_lies=True), PAGE)
    assert host.ask("app.test", "/a.css").status == 503
    maintenance.reopen(host, main)
    assert host.ask("app.test", "/a.css").status == 200
    assert host.check(["cat", main]) == host.check(["cat", other]) == MAIN


def test_what_a_comment_names_is_nothing_that_nginx_reads(host, serving):
    text = f"# include /srv/drafts/*.conf;\n  #include /srv/drafts/one.conf;\n{OTHER}"
    plan = serving(Shape({**SIMPLE.files, "conf.d/other.conf": text}))
    host.check(["sleep", "2.1"])
    host.put("/srv/drafts/one.conf", "half-done {")
    prepared = maintenance.prepare(host.watched(), plan)
    assert not [file for file in prepared.configuration.files if file.startswith("/srv/drafts")]


def test_workers_are_known_by_a_pgrep_that_shows_blanks_behind_their_title(host, serving, monkeypatch):
    """As older ones do: else nothing would tell that nginx still works by its configuration of before."""
    plan = serving(SIMPLE)
    prepared = maintenance.prepare(host, plan)
    titles = """/usr/bin/pgrep -a "$1" "$2" | sed -n "s/$/   /; s/^\\([0-9]*\\) .*$4/\\1/p" """
    host.put("/srv/pgrep", f"#!/bin/sh\n{titles}\n")
    host.check(["chmod", "755", "/srv/pgrep"])
    host.before_each = lambda command: f"export PATH=/srv:$PATH; {command}"
    right = closed_site.closed
    monkeypatch.setattr(
        maintenance, "closed", lambda *words: right(*words).replace("listen 80 default_server", "listen 3001")
    )
    monkeypatch.setattr(maintenance, "_PUT", [part.replace("seq 300", "seq 5") for part in maintenance._PUT])
    with pytest.raises(StepFailed, match="by its configuration of before"):
        maintenance.shut(host, prepared, PAGE)
    assert host.ask("app.test", "/a.css").status == 200


# --- nginx as the oracle ------------------------------------------------------------------------------------------------

NAMES = (
    "app.test",
    "*.app.test",
    ".app.test",
    "app.*",
    "www.*",
    "*.test",
    "~^www\\.",
    "~^(?<s>app)\\.test$",
    "_",
    "APP.test",
    "other.test",
)
ASKED = ("app.test", "www.app.test", "a.b.app.test", "other.test", "www.other.test", "app.example", "nobody")


def test_the_server_that_we_choose_is_nginxs(host, serving):
    """At each of many ports several servers with names by chance, told apart by what they answer."""
    chance = random.Random(7)
    ports = range(9000, 9080)
    text = ""
    for port in ports:
        default = chance.randrange(8)
        for number in range(chance.randrange(1, 5)):
            names = " ".join(dict.fromkeys(chance.choices(NAMES, k=chance.randrange(1, 4))))
            address = chance.choice((f"{port}", f"*:{port}", f"0.0.0.0:{port}"))
            flag = " default_server" if number == default else ""
            text += f'server {{ listen {address}{flag}; server_name {names}; return 200 "{number}"; }}\n'
    serving(Shape({"conf.d/all.conf": text}))
    tree = closed_site.Tree(ask(host, webserver.loaded("/etc/nginx/nginx.conf")))
    for port in ports:
        for name in ASKED:
            server, _ = tree.chosen(("*", port), name, "vm")
            (answers,) = (node.args[1] for node in server.node.block if node.name == "return")
            assert host.ask(name, port=port).text == answers, (port, name)


def test_files_of_a_pattern_are_read_in_nginxs_order(host, serving):
    names = ("b", "B", "a", "Z", "\u00e4")
    serving(Shape({f"conf.d/{name}.conf": f'server {{ listen 90; return 200 "{name}"; }}' for name in names}))
    tree = closed_site.Tree(ask(host, webserver.loaded("/etc/nginx/nginx.conf")))
    server, _ = tree.chosen(("*", 90), "any", "vm")
    assert server.node.file == f"/etc/nginx/conf.d/{host.ask('any', port=90).text}.conf"


def test_whatever_is_sent_in_whatever_way_is_answered_by_the_page(host, serving):
    plan = serving(SIMPLE)
    with closing(host.connection()) as kept:
        kept.request("GET", "/a.css", headers={"Host": "app.test"})
        assert kept.getresponse().read() == b"a static file\n"
        maintenance.shut(host, maintenance.prepare(host, plan), PAGE)
        with suppress(RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            kept.request("GET", "/a.css", headers={"Host": "app.test"})
            assert kept.getresponse().status == 503
    for request in (
        b"GET /a.css HTTP/1.0\r\n\r\n",
        b"GET http://app.test/a.css HTTP/1.1\r\nHost: nobody\r\nConnection: close\r\n\r\n",
        b"GET /x/%2e%2e/a.css?x=//y HTTP/1.1\r\nHost: APP.test:80\r\nConnection: close\r\n\r\n",
        b"GET /a.css HTTP/1.1\r\nHost: app.test\r\nRange: bytes=0-1\r\nIf-None-Match: *\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"PUT /a.css HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        b"FROB /a.css HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n",
    ):
        with closing(host.connection()) as connection:
            connection.sock.sendall(request)
            said = b""
            while part := connection.sock.recv(4096):
                said += part
        assert b" 503 " in said.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"").partition(b"\r\n")[0], request
        assert SHOWN.encode() in said


def test_sockets_proxy_protocol_and_http_2_are_closed_too(host, serving):
    listens = "listen unix:/run/app.sock; listen 8080 proxy_protocol; listen 443 ssl http2;"
    tls = "ssl_certificate app.test.pem; ssl_certificate_key app.test.pem;"
    plan = serving(Shape({"sites-available/app": f"server {{ {listens} {tls} server_name app.test; root /srv/app; }}"}))
    curl = [
        "curl",
        "-sk",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{http_version}",
        "--resolve",
        "app.test:443:127.0.0.1",
    ]
    ways = {
        "socket": [*curl, "--unix-socket", "/run/app.sock", "http://app.test/a.css"],
        "proxy protocol": [
            *curl,
            "--haproxy-protocol",
            "--resolve",
            "app.test:8080:127.0.0.1",
            "http://app.test:8080/a.css",
        ],
        "HTTP/2": [*curl, "https://app.test/a.css"],
    }
    found = {way: host.check(command) for way, command in ways.items()}
    assert found == {"socket": "200 1.1", "proxy protocol": "200 1.1", "HTTP/2": "200 2"}
    prepared = maintenance.prepare(host.watched(), plan)
    maintenance.prove(host.watched(), prepared, PAGE)
    maintenance.shut(host, prepared, PAGE)
    assert {way: host.check(command)[:3] for way, command in ways.items()} == dict.fromkeys(ways, "503")
    maintenance.reopen(host)
    assert {way: host.check(command) for way, command in ways.items()} == found
