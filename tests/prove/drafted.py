"""A plan drafted by `gonogo discover` from a lab's production, the decisions marked in it made as the lab's own plan does.

Only decisions are taken over, and what no person would have to say: where the lab's imitation of Amazon answers.
"""

import re
import shutil
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fixtures.discovery import draft as drafting
from fixtures.plan import UNDECIDED, load_plan
from fixtures.plan.waivers import waivers_path
from tests.labsite import ROOT, run

ONLY_IN_A_LAB = (("target", "endpoint"), ("backup", "endpoint"))
"""Amazon's own addresses need no plan."""


def draft(lab_plan: Path) -> tuple[Path, int]:
    """Survey the production of a lab's plan, draft one beside it, decide as the lab does; the result, and how many decisions."""
    discovered = survey(lab_plan)
    with lab_plan.open("rb") as file:
        undecided = discovered.read_text()
        decided = fill(undecided, tomllib.load(file))
    path = discovered.with_name("drafted.toml")
    path.write_text(decided)
    # The clock of an earlier lab says nothing of this one's name servers.
    (ROOT / "runs" / f"{load_plan(path).name}.dns-clock.json").unlink(missing_ok=True)
    signed = waivers_path(load_plan(lab_plan))
    if signed.exists():  # whoever signs decides as well
        shutil.copy(signed, waivers_path(load_plan(path)))
    return path, undecided.count(f' = "{UNDECIDED}"')


def survey(lab_plan: Path) -> Path:
    """What `gonogo discover` itself drafts, every decision still open."""
    plan = load_plan(lab_plan)
    source, directory = plan.source, lab_plan.resolve().parent
    arguments = [f"{source.user}@{source.address}", "--port", str(source.port), "--key", str(plan.resolve(source.key_file)),
                 "--host-key", str(source.host_key), "--name", f"{plan.name}-drafted", "--force",
                 "--out", str(directory / "undecided.toml"), "--page", str(directory / "survey.html")]  # fmt: skip
    environment = {}
    if source.jump:
        arguments += ["--jump", f"{source.jump.user}@{source.jump.address}", "--jump-host-key", source.jump.host_key]
    if source.sudo_password:
        environment["LAB_SUDO"] = source.sudo_password.reveal()
        arguments += ["--sudo-password-env", "LAB_SUDO"]
    done = run([sys.executable, "-m", "steps", "discover", *arguments], **environment)
    assert done.code == 0, done.out
    return directory / "undecided.toml"


def fill(text: str, decided: Mapping[str, Any]) -> str:
    """The drafted text with each marked decision made as `decided` has it; one that it does not have is struck out."""
    lines, table = [], ""
    for line in text.splitlines():
        if head := re.match(r"\[\[?([a-z.]+)\]\]?", line):
            table = head[1]
        key, sign, rest = line.partition(" = ")
        if sign and rest.startswith(f'"{UNDECIDED}"'):
            value = _at(decided, [*filter(None, table.split(".")), key])
            line = "" if value is None else f"{key} = {drafting.toml(value).as_string()}"  # noqa: PLW2901 - the same line, decided
        lines.append(line)
        for part, name in ONLY_IN_A_LAB:
            value = _at(decided, [part, name])
            if line == f"[{part}]" and value is not None:
                lines.append(f"{name} = {drafting.toml(value).as_string()}")
    return "\n".join(lines) + "\n"


def _at(document: Any, keys: list[str]) -> Any:
    for key in keys:
        document = document[0] if isinstance(document, list) else document
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def differing(lab_plan: Path, drafted: Path) -> dict[str, tuple[Any, Any]]:
    """Where the two plans say something else: key -> the lab's and the drafted value, the order of lists aside."""
    theirs, ours = (load_plan(path).model_dump(mode="json") for path in (lab_plan, drafted))
    return {
        key: (theirs_.get(key), ours_.get(key))
        for theirs_, ours_ in ((_flat(theirs), _flat(ours)),)
        for key in sorted({*theirs_, *ours_})
        if theirs_.get(key) != ours_.get(key)
    }


def _flat(part: Any, key: str = "") -> dict[str, Any]:
    if isinstance(part, dict):
        return {k: v for name, one in part.items() for k, v in _flat(one, f"{key}.{name}".lstrip(".")).items()}
    return {key: sorted(map(str, part)) if isinstance(part, list) else part}


if __name__ == "__main__":
    print(draft(Path(sys.argv[1]))[0])  # noqa: T201
