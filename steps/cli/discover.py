"""`gonogo discover user@host`: surveys production read-only, drafts a plan, and writes a page and the stored survey."""

import os
import re
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from fixtures.connect.host import open_host
from fixtures.discovery import discover as survey
from fixtures.discovery import draft, page
from fixtures.discovery.model import ApplicationFound, Discovered
from fixtures.errors import Refused
from fixtures.plan import Jump, Login
from fixtures.redaction import as_state, hide, redact
from fixtures.run.run import write_whole
from fixtures.secrets import Secret
from steps.cli.clear_errors import clear_errors
from steps.engine.progress import Progress


@clear_errors
def discover(
    production: Annotated[
        str, typer.Argument(metavar="USER@HOST", help="production's address, and a user who may use sudo there")
    ],
    port: Annotated[int, typer.Option(help="production's SSH port")] = 22,
    key: Annotated[Path, typer.Option(help="your private key")] = Path("~/.ssh/id_ed25519"),
    host_key: Annotated[str, typer.Option(help="'TYPE BASE64'; without it, your known_hosts must hold one")] = "",
    jump: Annotated[str, typer.Option(metavar="USER@HOST", help="reach it through this host, with the same key")] = "",
    jump_host_key: Annotated[str, typer.Option(help="'TYPE BASE64' of the jump host")] = "",
    sudo_password_env: Annotated[str, typer.Option(metavar="NAME", help="variable that holds sudo's password")] = "",
    database: Annotated[str, typer.Option(help="the application's database, where the server has several")] = "",
    name: Annotated[str, typer.Option(help="the plan's name", show_default="the application's")] = "",
    out: Annotated[Path, typer.Option(help="the drafted plan; the survey is stored beside it")] = Path("plan.toml"),
    page_file: Annotated[Path, typer.Option("--page", help="the page (.md for Markdown)")] = Path("survey.html"),
    force: Annotated[bool, typer.Option("--force", help="overwrite a plan that is there")] = False,
) -> None:
    """Survey production read-only over one connection, and draft a plan."""
    if out.exists() and not force:
        raise Refused(f"the plan {out}", expected="no such file yet", found="it is there",
                      remedy="name another one with --out, or give --force")  # fmt: skip
    login = _login(production, port, key, host_key, jump, jump_host_key, sudo_password_env)
    progress = Progress()
    with progress.working(f"surveying {login.address}"):
        host = open_host("source", login, lambda path: path.expanduser().resolve(), read_only=True)
        try:
            if not host.shell.enforced:
                raise Refused(f"production at {login.address}", expected="a kernel that keeps gonogo's commands from writing",
                              found="one that does not", remedy="install util-linux there, and see that `sudo unshare --mount true` works")  # fmt: skip
            shown = host.connection.transport.get_remote_server_key()
            ssh_connection = host.connection.run('printf %s "$SSH_CONNECTION"', warn=True).stdout
            found = survey(host, database, ssh_connection)
        finally:
            host.close()
    relative = os.path.relpath(login.key_file.expanduser().resolve(), out.resolve().parent)
    key_file = login.key_file.expanduser().resolve() if relative.startswith("..") else Path(relative)
    login = login.model_copy(
        update={"host_key": f"{shown.get_name()} {shown.get_base64()}", "key_file": key_file}
        | ({"jump": login.jump.model_copy(update={"key_file": key_file})} if login.jump else {})
    )
    tables = draft.draft(found, login, name or draft.plan_name(found))
    stored = out.with_suffix(".survey.json")
    for path, text in (
        (out, redact(draft.render(found, tables))),
        (stored, as_state(found, hide, indent=1) + "\n"),
        (page_file, redact(page.render(found, tables, html=page_file.suffix != ".md"))),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    _say(progress, found, len(draft.decisions(tables)), out, page_file, stored)


def _at(app: ApplicationFound) -> str:
    places = ", ".join(str(at) for places in app.listens.values() for at in places)
    return f" at {places}" if places else ""


def _say(progress: Progress, found: Discovered, undecided: int, out: Path, page_file: Path, stored: Path) -> None:
    app = found.application
    progress.say(f"{found.host}: {found.system.os}", "bold")
    for line in (
        f"{len(app.pack)} application servers{_at(app)}, {len(app.workers)} workers",
        f"PostgreSQL {found.postgresql.version}, database {app.database or 'to be decided'}",
        "; ".join(f"{one.kind} {one.version}, {len(one.dependencies)} dependencies" for one in app.runtimes)
        or "no runtime found",
        f"{sum(upload.files for upload in app.uploads)} files of users; {len(found.touchpoints)} touchpoints",
    ):
        progress.say(f"  {line}")
    for risk in found.risks:
        progress.say(f"  risk: {risk}", "yellow")
    progress.say(f"plan: {out}, {undecided} decisions marked DECIDE\npage: {page_file}\nsurvey: {stored}", "bold")


def _login(production: str, port: int, key: Path, host_key: str, jump: str, jump_key: str, sudo: str) -> Login:
    user, at, address = production.rpartition("@")
    jump_user, jump_at, jump_address = jump.rpartition("@")
    if not at or not user or not address or (jump and not jump_at):
        raise Refused("gonogo discover", expected="USER@HOST", found=production if not (at and user and address) else jump,
                      remedy="name the user too, as in admin@192.0.2.1: the plan needs it")  # fmt: skip
    try:
        over = Jump(address=jump_address, user=jump_user, key_file=key, host_key=jump_key) if jump else None
        password = Secret(env=sudo) if sudo else None
        return Login(address=address, port=port, user=user, key_file=key, host_key=host_key or None, jump=over,
                     sudo_password=password, commands=2)  # fmt: skip
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = re.sub(r"_", "-", ".".join(str(part) for part in first["loc"]))
        raise Refused(f"gonogo discover: {where}", expected="what a plan takes there", found=first["msg"],
                      remedy="correct that option; `gonogo discover --help` lists them") from None  # fmt: skip
