"""Every message that names a command, found by reading the program; `remedies.toml` says what has tried each."""

import ast
import re
import tomllib
from pathlib import Path

from tests.unit.example import ROOT

TABLE = Path(__file__).with_suffix(".toml")
FOLDERS = ("checks", "fixtures", "reports", "steps")
OURS = re.compile(
    r"\bgonogo (?:run|rehearse|back-out|lock|status|report|discover|forget|hosts|lab|replay|checklist|plan)\b"
)
OTHERS = re.compile(
    r"\b(?:systemctl|journalctl|nft|psql|crontab -e|chmod|chown|redis-cli|bundle check|ssh-keygen|kill|apt-get|pytest|setval|"
    r"pg_terminate_backend|unshare|lsof|ALTER ROLE|ROLLBACK PREPARED|nginx -[tT]|sshd -t|ls)\b(?! to )|`mount "
)
"""Programs and statements of the host's own that a message may ask a person for."""
LENGTH = 72
"""Characters of a message that it is known by."""
GROUPS = ("tried", "not_tried", "no_test")


def text_of(node: ast.expr) -> str:
    """The text of a string, with {} for what is put into it."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def strings(tree: ast.AST) -> list[ast.expr]:
    """Every string of a tree, those within an f-string aside."""
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    return [node for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in inner]


def named_in(source: str, *, everything: bool = False) -> list[str]:
    """The messages of a module that name a command; with `everything` all that asks somebody to do something."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    asked = [word.value for word in ast.walk(tree) if isinstance(word, ast.keyword) and word.arg == "remedy"]
    names = {one.id for value in asked for one in ast.walk(value) if isinstance(one, ast.Name)} | {"remedy"}
    asked += [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and {one.id for one in node.targets if isinstance(one, ast.Name)} & names
    ]
    remedies = {id(one) for value in asked for one in strings(value)}
    found = []
    for node in strings(tree):
        text = text_of(node)
        # A command alone is a title, as that of who holds a lock; in a remedy it asks somebody to run it.
        ours = OURS.search(text) and (id(node) in remedies or not text.startswith("gonogo "))
        if id(node) not in docs and (ours or (id(node) in remedies and (everything or OTHERS.search(text)))):
            found.append(text)
    return found


def full() -> list[tuple[str, str]]:
    """Every message of the program that names a command: as the table writes it, and whole."""
    return [
        (f"{path.relative_to(ROOT)}: {' '.join(text.split())[:LENGTH].strip()}", text)
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for text in named_in(path.read_text())
    ]


def messages() -> set[str]:
    """Those messages, as the table writes them."""
    return {known for known, _ in full()}


def table() -> dict[str, list[dict[str, object]]]:
    """The table: each group's rows."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def listed(group: str) -> list[str]:
    """The messages of a group."""
    return [message for row in table()[group] for message in row["messages"]]  # type: ignore[union-attr]


def summary() -> str:
    """How many messages name a command, and how many of them were tried."""
    counts = {group: len(listed(group)) for group in GROUPS}
    return (
        f"{sum(counts.values())} messages name a command: {counts['tried']} have a test that ran it and saw the thing mended, "
        f"{counts['not_tried']} were not tried, {counts['no_test']} can have none"
    )
