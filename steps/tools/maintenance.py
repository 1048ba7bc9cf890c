"""gonogo's own maintenance answer: while a host is closed, its nginx says 503 for the application, and needs no rule of its site for it."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from fixtures.connect.host import Host
from fixtures.errors import Refused
from fixtures.facts.fact import ask
from fixtures.facts.webserver import RUNNING, Configuration, Master, loaded
from fixtures.plan import Plan
from fixtures.run.places import CLOSED_SITE, held_main
from fixtures.scripts import script
from steps.tools.closed_site import Closing, Tree, UnreadableError, closed
from steps.tools.fence import hindrances

_PUT = script(__file__, "put_main.sh")
_TRY = ("unshare", "--mount", *script(__file__, "try_main.sh"))
_UNCHANGED = "then run the same command again: this one changed nothing"
_LIMIT = 120.0
"""Seconds for a test of nginx's and two reloads."""


@dataclass(frozen=True)
class Prepared:
    """What is closed by a main file of ours: the nginx that serves it, its configuration as it was, and what of it is the application's."""

    master: Master
    configuration: Configuration
    closing: Closing

    def text(self, page: str) -> bytes:
        """The main file that shows a page."""
        return closed(self.configuration, self.closing, page).encode("latin-1")


def prepare(host: Host, plan: Plan, *, again: bool = False) -> Prepared:
    """See how the site is closed; raises `Refused` where that cannot be done safely. It changes nothing.

    `again`: nginx goes by a file of ours already, or was about to; what somebody has put in its place meanwhile is closed anew.
    """
    running = ask(host, RUNNING)
    if len(running.masters) != 1:
        found = ", ".join(f"process {one.pid} by {one.main}" for one in running.masters)
        raise _refused(host, "one master process, whose configuration is closed", found or "none", "see `ps -C nginx`")
    (master,) = running.masters
    if not master.program or master.loaded is None:
        what = "a program that was replaced since it started" if not master.program else "no worker"
        raise _refused(host, "a master with its program and its workers", what, "restart nginx when users bear it")
    configuration = ask(host, loaded(master.main))
    if not again and (changed := configuration.changed_after(master.loaded)):
        raise _refused(
            host,
            "a configuration that nginx has loaded as it lies there: closing has it read anew",
            f"changed since: {', '.join(changed)}",
            "load it (`nginx -t`, then reload) or put back what was changed",
        )
    if hindered := hindrances(host, master.main):
        raise _refused(host, f"{master.main} that can be replaced", "; ".join(hindered), "mend it there")
    prepared = Prepared(master, configuration, Closing(plan.web.hostnames, str(plan.web.site), running.hostname))
    try:
        prepared.text("")
    except UnreadableError as error:
        raise _refused(
            host,
            "servers of which gonogo can tell how nginx answers for the application",
            str(error),
            "write that part otherwise, or give the application servers of its own by server_name",
        ) from None
    return prepared


def _refused(host: Host, expected: str, found: str, remedy: str) -> Refused:
    return Refused(f"nginx on the {host.name}", expected=expected, found=found, remedy=f"{remedy}, {_UNCHANGED}")


def prove(host: Host, prepared: Prepared, page: str) -> None:
    """Have nginx test the main file of ours where nobody else sees it; raises `StepFailed` with its words where it refuses it."""
    master = prepared.master
    host.check(
        [*_TRY, master.main, master.program, master.prefix, _pid_file(prepared), *_log_directories(prepared)],
        prepared.text(page),
        timeout=_LIMIT,
    )


def _directives(configuration: Configuration) -> list[tuple[str, list[str]]]:
    return [(node.name, node.args) for node in Tree(configuration).everything() if node.args]


def _pid_file(prepared: Prepared) -> str:
    named = [args[0] for name, args in _directives(prepared.configuration) if name == "pid"]
    return str(PurePosixPath(prepared.master.prefix, *named[:1] or [prepared.master.pid_file]))


def _log_directories(prepared: Prepared) -> list[str]:
    """Where nginx opens logs, but for places that it reads its configuration from."""
    logs = [args[0] for name, args in _directives(prepared.configuration) if name in {"access_log", "error_log"}]
    paths = [PurePosixPath(prepared.master.prefix, one) for one in (*prepared.master.logs, *logs) if _is_path(one)]
    needed = [PurePosixPath(name) for file, what in prepared.configuration.files.items() for name in (file, what.real)]
    places = sorted({path.parent for path in paths})  # what lies below another one comes after it
    return [str(place) for place in places if not any(one.is_relative_to(place) for one in needed)]


def _is_path(word: str) -> bool:
    return word not in {"off", "stderr"} and ":" not in word.split("/", maxsplit=1)[0] and "$" not in word


def shut(host: Host, prepared: Prepared, page: str) -> None:
    """Have nginx answer 503 with the page from now on, whatever begins after this returns; requests that had begun are finished.

    Done again, it finishes what was broken off. Raises `StepFailed` where nginx does not take it: then it is as it was.
    """
    text = prepared.text(page)
    host.check([*_put("close", prepared.master.main, prepared.master), str(len(text))], text, timeout=_LIMIT)


def reopen(host: Host, main: str = "") -> None:
    """Undo `shut`: nginx's main file, the one that runs where none is given, is what it was, and nginx has read it."""
    masters = ask(host, RUNNING).masters
    master = next((one for one in masters if main in ("", one.main)), None)
    if main or master:
        host.check(_put("open", main or (master.main if master else ""), master), timeout=_LIMIT)


def _put(what: str, main: str, master: Master | None) -> list[str]:
    words = [str(master.pid), master.program, master.prefix] if master else ["", "", ""]
    return [*_PUT, what, main, str(held_main(main)), CLOSED_SITE, *words]
