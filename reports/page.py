"""The pages: HTML and Markdown of a sign-off. Both escape whatever evidence quotes."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fixtures.run.evidence import Verdict
from reports import words
from reports.models import SignOff, Status
from reports.timeline import FILLS, picture

TEMPLATES = Path(__file__).parent / "templates"
TONES = {
    Status.ACCEPTED: "go",
    Status.BACKED_OUT: "waived",
    Status.NO_GO: "no-go",
    Status.FAILED: "no-go",
    Status.COULD_NOT_VERIFY: "could-not-verify",
    Status.INTERRUPTED: "could-not-verify",
    Status.STOPPED: "could-not-verify",
}
"""How a run stands -> the colour of its verdict. The words are always there too."""
REFRESH_SECONDS = 10

# Escaped anywhere; an underscore only at a word's edge; what begins a list or a heading only at the start of a line.
_MARKDOWN = re.compile(r"[\\`*\[\]|~<>&]|(?<!\w)_|_(?!\w)|^[-+#=]|(?<=^\d)[.)]")


def _plain(text: object) -> str:
    """Foreign text as one line of Markdown in which no character means anything."""
    if isinstance(text, Markup):
        return str(text)
    return (
        _MARKDOWN.sub(r"\\\g<0>", re.sub(r"\s*\n\s*", " / ", str(text))).replace("\\<", "&lt;").replace("\\&", "&amp;")
    )


def _environment(*, html: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=html,  # noqa: S701 - Markdown is escaped by finalize
        finalize=None if html else _plain,
    )  # fmt: skip
    environment.filters |= {
        "when": words.day_and_time, "clock": words.clock, "duration": words.duration, "number": words.number,
        "counted": words.counted,
        "size": words.size, "spoken": lambda name: str(name).replace("_", " "),
    }  # fmt: skip
    return environment


def _open(sign: SignOff) -> set[str]:
    """States whose checks are shown unfolded: those that did not simply pass."""
    return {state.name for state in sign.states if state.verdict is not Verdict.GO}


def html(sign: SignOff) -> str:
    """The page for a browser: one file that fetches nothing and runs nothing."""
    return _environment(html=True).get_template("signoff.html.j2").render(
        sign=sign, tone=TONES.get(sign.status, "neutral"), picture=picture(sign), fills=FILLS, unfolded=_open(sign),
        refresh=REFRESH_SECONDS if sign.status is Status.UNDER_WAY else None,
    )  # fmt: skip


def markdown(sign: SignOff) -> str:
    """The sign-off in short as Markdown, for a ticket or a mail."""
    return _environment(html=False).get_template("signoff.md.j2").render(sign=sign)
