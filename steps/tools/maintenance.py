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
from steps.tools.closed_site import Closing, NotServedError, Tree, UnreadableError, closed
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


def prepare(host: Host, plan: Plan, *, as_it_lies: bool = False) -> Prepared:
    """See how the site is closed; raises `Refused` where that cannot be done safely. It changes nothing.

    `as_it_lies`: the configuration is closed even where nginx has not loaded it: on the target it is gonogo's own; on production
    nginx goes by a file of ours already, or was about to, and what somebody has put in its place meanwhile is closed anew.
    """
    prepared = _serving(host, plan)
    master, configuration = prepared.master, prepared.configuration
    if not master.program or master.loaded is None:
        what = "a program that was replaced since it started" if not master.program else "no worker"
        raise _refused(host, "a master with its program and its workers", what, "restart nginx when users bear it")
    if not as_it_lies and (changed := configuration.changed_after(master.loaded)):
        raise _refused(
            host,
            "a configuration that nginx has loaded as it lies there: closing has it read anew",
            f"changed since: {', '.join(changed)}",
            "load it (`nginx -t`, then reload) or put back what was changed",
        )
    if hindered := hindrances(host, master.main):
        raise _refused(host, f"{master.main} that can be replaced", "; ".join(hindered), "mend it there")
    return prepared


def _serving(host: Host, plan: Plan) -> Prepared:
    """The one nginx that serves the application; raises `Refused` where that is none, or not one, or cannot be told."""
    running = ask(host, RUNNING)
    serving, others = [], []
    for master in running.masters:
        closing = Closing(plan.web.hostnames, str(plan.web.site), running.hostname)
        prepared = Prepared(master, ask(host, loaded(master.main)), closing)
        try:
            prepared.text("")
        except NotServedError as error:
            others.append(str(error))
        except UnreadableError as error:
            raise _refused(
                host,
                "servers of which gonogo can tell how nginx answers for the application",
                str(error),
                "write that part otherwise, or give the application servers of its own by server_name",
            ) from None
        else:
            serving.append(prepared)
    if len(serving) != 1:
        processes = [f"process {one.master.pid} by {one.master.main}" for one in serving]
        raise _refused(
            host,
            "one master process, of root's, that serves the application",
            ", ".join(processes) or "; ".join(others) or "no nginx runs",
            "see `ps -C nginx`, and web.hostnames and web.site in the plan",
        )
    return serving[0]


def _refused(host: Host, expected: str, found: str, remedy: str) -> Refused:
    return Refused(f"nginx on the {host.name}", expected=expected, found=found, remedy=f"{remedy}, {_UNCHANGED}")


def prove(host: Host, prepared: Prepared, page: str) -> None:
    """Have nginx test the main file of ours where nobody else sees it; raises `StepFailed` with its words where it refuses it."""
    master = prepared.master
    host.check(
        [*_TRY, master.main, master.program, master.prefix, _pid_file(prepared), *_logs(prepared)],
        prepared.text(page),
        timeout=_LIMIT,
    )


def _directives(configuration: Configuration) -> list[tuple[str, list[str]]]:
    return [(node.name, node.args) for node in Tree(configuration).everything() if node.args]


def _pid_file(prepared: Prepared) -> str:
    named = [args[0] for name, args in _directives(prepared.configuration) if name == "pid"]
    return str(PurePosixPath(prepared.master.prefix, *named[:1] or [prepared.master.pid_file]))


def _logs(prepared: Prepared) -> list[str]:
    """The files that nginx opens to write its logs."""
    named = [args[0] for name, args in _directives(prepared.configuration) if name in {"access_log", "error_log"}]
    paths = [PurePosixPath(prepared.master.prefix, one) for one in (*prepared.master.logs, *named) if _is_path(one)]
    return sorted({str(path) for path in paths if not path.is_relative_to("/dev")})


def _is_path(word: str) -> bool:
    return word not in {"off", "stderr"} and ":" not in word.split("/", maxsplit=1)[0] and "$" not in word


def shut(host: Host, prepared: Prepared, page: str) -> None:
    """Have nginx answer 503 with the page from now on, whatever begins after this returns; requests that had begun are finished.

    Done again, it finishes what was broken off. Raises `StepFailed` where nginx does not take it: then it is as it was.
    """
    text = prepared.text(page)
    host.check([*_put("close", prepared.master.main, prepared.master), str(len(text))], text, timeout=_LIMIT)


def reopen(host: Host, main: str = "") -> None:
    """Undo `shut`: nginx's main file, that of each nginx that runs where none is given, is what it was, and nginx has read it.

    Where nginx was started by another main file meanwhile, and that was closed too, it is put back as well.
    """
    running = ask(host, RUNNING).masters
    masters = [
        one for one in running if main in ("", one.main) or host.succeeds(["test", "-e", str(held_main(one.main))])
    ]
    for master in masters:
        host.check(_put("open", master.main, master), timeout=_LIMIT)
    if main and main not in {one.main for one in masters}:
        host.check(_put("open", main, None), timeout=_LIMIT)


def _put(what: str, main: str, master: Master | None) -> list[str]:
    words = [str(master.pid), master.program, master.prefix] if master else ["", "", ""]
    return [*_PUT, what, main, str(held_main(main)), CLOSED_SITE, *words]
