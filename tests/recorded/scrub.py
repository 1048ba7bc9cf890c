"""Takes the machine that recorded a run out of its texts, everywhere in the same way, so that checks say the same of them."""

import getpass
import hashlib
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from fixtures.plan import Plan
from fixtures.plan.references import plan_secrets
from fixtures.plugin.session import ROOT

CHECKOUT, LAB, HOME, HOST, USER = "/srv/gonogo", "/srv/lab", "/home/operator", "operators-machine", "operator"
"""What stands in the place of this machine's own names."""
VARIABLE = "RECORDED_"
"""How the variables begin that stand in a recorded plan where its secrets were."""
ORDINARY = {"admin", "debian", "localhost", "ops", "production", "root", "source", "target", "ubuntu"}
"""Names of machines and people that hosts of the lab have too: they give nobody away."""
Scrub = Callable[[str], str]


def own_names() -> dict[str, str]:
    """Patterns of what only this machine is called, and what to say instead."""
    names = {re.escape(str(ROOT)): CHECKOUT}
    if getpass.getuser() not in ORDINARY:
        names |= {re.escape(str(Path.home())): HOME, _word(getpass.getuser()): USER}
    if socket.gethostname() not in ORDINARY:
        names |= {_word(socket.gethostname()): HOST}
    return names


def _word(name: str) -> str:
    """The name alone: `vm` is no part of `vm.swappiness`."""
    return rf"(?<![\w.-]){re.escape(name)}(?![\w.-])"


def scrubbing(plan: Plan, run_name: str, known: Iterable[str], texts: Iterable[str]) -> Scrub:
    """What takes the machine out of a text of a run; `known` are the files that records know by their SHA-256, the plan first.

    A recorded plan has variables in the place of its secrets, and nobody needs the files of the lab that it is of.
    """
    secrets = [(key, secret) for key, secret in plan_secrets(plan) if secret.file]
    labs = {
        re.escape(str(secret.file.parent.parent)): LAB
        for _, secret in secrets
        if secret.file and secret.file.parent.name == "secrets"
    }
    beside_runs = re.compile(rf"(?:/[\w.+-]+)+(?=/runs/{re.escape(run_name)})")
    checkouts = {re.escape(found): CHECKOUT for text in texts for found in beside_runs.findall(text)}
    variables = {
        re.escape(f'file = "{secret.file}"'): f'env = "{VARIABLE}{key.replace(".", "_").upper()}"'
        for key, secret in secrets
    }
    changed = {**variables, **labs, **checkouts, **own_names()}
    for text in known:
        changed[_sha256(text)] = _sha256(_changed(text, changed))
    return lambda text: _changed(text, changed)


def _changed(text: str, changed: Mapping[str, str]) -> str:
    for pattern, instead in changed.items():
        text = re.sub(pattern, instead, text)
    return text


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
