"""nginx is enabled and configured as on production: static files by itself, the rest through the pack."""

import re

import pytest

from checks.equality import must_be_on_production
from fixtures.errors import NoGo
from fixtures.facts import files, units
from fixtures.facts.listeners import LISTENERS, Listener
from fixtures.facts.nginx import DEFAULT, leads_to, servers, upstreams, whole
from fixtures.facts.wanted import on_source, on_target
from fixtures.plan import Listens, Plan

pytestmark = pytest.mark.web_configured

MEND = "run `gonogo run --until web_configured`; it copies production's site, tests and reloads"


def check_nginx_runs_and_starts_at_boot(
    states: list[str] = on_target(units.states("nginx.service")),
    at_boot: dict[str, bool] = on_target(units.enabled("nginx.service")),
) -> None:
    """Nginx runs, and does so again after a reboot."""
    active, enabled = states in (["active"], ["reloading"]), at_boot["nginx.service"]
    if not active or not enabled:
        raise NoGo(
            "nginx on the target",
            expected="active, enabled",
            found=f"{'active' if active else 'not running'}, {'enabled' if enabled else 'not enabled'}",
            remedy="systemctl enable --now nginx, and see `journalctl -u nginx`",
        )


def check_site_is_productions(
    plan: Plan,
    expected: dict[str, str] = on_source(lambda plan: files.digests(str(plan.web.site))),
    found: dict[str, str] = on_target(lambda plan: files.digests(str(plan.web.site))),
) -> None:
    """The site's configuration is production's, byte for byte."""
    must_be_on_production(str(plan.web.site), expected, named_by="web.site")
    if found != expected:
        raise NoGo(
            f"{plan.web.site} on the target",
            expected="production's text",
            found="another text" if found else "absent",
            remedy=MEND,
        )


def check_site_is_enabled(hostname: str, plan: Plan, configuration: str = on_target(whole)) -> None:
    """A server of nginx has the host name as its own, on the port that users come to: no default server answers for it."""
    tls = plan.web.scheme == "https"
    port = 443 if tls else 80
    named = [server for server in servers(configuration) if server.answers_to(hostname, port, tls=tls)]
    if not named:
        raise NoGo(
            f"{hostname} in nginx on the target",
            expected=f"a server of that name on port {port}{', with TLS' if tls else ''}",
            found="none",
            remedy=MEND,
        )


def check_port_is_open(plan: Plan, listeners: list[Listener] = on_target(LISTENERS)) -> None:
    """Nginx listens on the port that users come to."""
    port = 443 if plan.web.scheme == "https" else 80
    if not any((one.protocol, one.port) == ("tcp", port) for one in listeners):
        raise NoGo(f"port {port} of the target", expected="nginx listens", found="nobody listens", remedy=MEND)


def check_static_files_are_nginxs(configuration: str = on_target(whole)) -> None:
    """Nginx serves compressed static files that lie beside the plain ones (gzip_static)."""
    if not re.search(r"^\s*gzip_static\s+on;", configuration, re.MULTILINE):
        raise NoGo("gzip_static in nginx on the target", expected="on", found="off", remedy=MEND)


def check_pack_is_proxied(listener: Listens, configuration: str = on_target(whole)) -> None:
    """Nginx hands requests to every port and socket of the pack."""
    if not any(leads_to(way, listener) for way in upstreams(configuration)):
        raise NoGo(
            f"{listener} ({listener.unit}) in nginx on the target",
            expected="nginx hands requests there",
            found=f"none of its upstreams and *_pass names {listener.at}",
            remedy=MEND,
        )


@pytest.mark.parametrize("header", ["Host", "X-Real-IP", "X-Forwarded-For"])
def check_header_is_passed_on(header: str, configuration: str = on_target(whole)) -> None:
    """Nginx tells the application the name that was asked for and the address that asked."""
    if not re.search(rf"^\s*proxy_set_header\s+{header}\s", configuration, re.MULTILINE | re.IGNORECASE):
        raise NoGo(f"proxy_set_header {header} in nginx on the target", expected="set", found="not set", remedy=MEND)


def check_default_site_is_off(found: files.Status | None = on_target(files.status(str(DEFAULT)))) -> None:
    """Debian's default site does not answer."""
    if found:
        raise NoGo(f"{DEFAULT} on the target", expected="absent", found="present", remedy="remove it and reload nginx")


def check_error_pages_and_log_are_set(plan: Plan, configuration: str = on_target(whole)) -> None:
    """Pages for 404 and 50x are set, and the site has its own access log."""
    missing = [
        what
        for what, pattern in (
            ("error_page 404", r"^\s*error_page\s[^;]*\b404\b"),
            ("error_page 50x", r"^\s*error_page\s[^;]*\b50[0-9]\b"),
            (f"access_log {plan.web.access_log}", rf"^\s*access_log\s+{re.escape(str(plan.web.access_log))}\b"),
        )
        if not re.search(pattern, configuration, re.MULTILINE)
    ]
    if missing:
        raise NoGo(
            "nginx on the target",
            expected="error pages and an access log",
            found=f"without {', '.join(missing)}",
            remedy=MEND,
        )
