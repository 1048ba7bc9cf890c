"""Each name of ours is written once: a check that repeated it would say go for ever once a step has another one.

The names are those that steps and fixtures write down: paths, files of ours, units, and marks. A check imports them from
where they are owned (`fixtures/run/places.py`, or the room that reads the thing).
"""

import ast
import re
from functools import cache

import pytest

from tests.unit.example import ROOT

OWNERS = [
    *(ROOT / "steps").rglob("*.py"),
    *(ROOT / "steps").rglob("*.sh"),
    ROOT / "fixtures/run/places.py",
    *(ROOT / "fixtures/connect").rglob("*.py"),
    *(ROOT / "fixtures/facts").rglob("*.py"),
]
NAMES = re.compile(
    r"(?:/[A-Za-z0-9_.@-]+){2,}/?"  # a path
    r"|[\w@.-]+\.(?:service|timer|socket|mount|target|conf|json|sh|list|dump|nft)\b"  # a unit or a file
    r"|\bgonogo[-_:.]\w[\w.-]*"  # a unit, a table, a tag, a database of ours
    r"|\# BEGIN gonogo[\w ]*"  # a marked block
)
SHORTEST = 6
# Not ours: these were there before us, and are called so whatever we do.
OTHERS = {
    "/db/migrate": "where Rails keeps migrations",
    "/dev/null": "the kernel's",
    "/etc/ssh/": "sshd's own directory",
    "/etc/ssh/ssh_host_": "how sshd's host keys are called",
    "/usr/bin": "the system's own programs",
    "nginx.service": "Debian's unit",
    "pg_hba.conf": "PostgreSQL's own file",
    "postgresql.service": "Debian's unit",
    "start.conf": "Debian's file beside a PostgreSQL cluster",
}


def strings(text):
    """Each string constant of a module and its line, docstrings aside."""
    tree = ast.parse(text)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


@cache
def owned():
    """Every name that a step or a fixture writes down."""
    lines = [line for path in OWNERS if path.suffix == ".sh" for line in path.read_text().splitlines()]
    texts = [line for line in lines if not line.startswith("#")]
    texts += [value for path in OWNERS if path.suffix == ".py" for _, value in strings(path.read_text())]
    found = {name for text in texts for name in NAMES.findall(text)}
    return sorted(name for name in found if len(name) >= SHORTEST and name not in OTHERS)


def repeats(text, names):
    """The names that a check writes down anew, with their lines."""
    return [f"line {line}: {name}" for line, value in strings(text) for name in names if name in value]


def test_no_check_repeats_a_name():
    names = owned()
    found = {
        path.name: told for path in sorted((ROOT / "checks").glob("*.py")) if (told := repeats(path.read_text(), names))
    }
    assert not found, "import it from where it is owned; what is not ours belongs into OTHERS, with the reason"


@pytest.mark.parametrize(
    "line",
    [
        'keys = source.check(["sh", "-c", "find /run/gonogo/keys -name key -type f 2>/dev/null || :"]).split()',
        '["sh", "-c", \'grep -c "^# BEGIN gonogo copy" "$1" || :\', "grep", f"{home}/.ssh/authorized_keys"]',
        '_DUMPS = "find /tmp /var/tmp /root /run/gonogo /var/lib/gonogo /var/lib/postgresql -xdev -maxdepth 2 -type f"',
        "query = \"SELECT datname::text FROM pg_database WHERE datname LIKE 'gonogo_restore_test_%%'\"",
        'dumped = newest.objects["database.dump"].bytes',
        'there = target.file("/etc/nginx/sites-enabled/default").exists',
        'lines = [line.split() for line in target.read_file("/etc/fstab").splitlines() if not line.startswith("#")]',
        'machine = target.check(["cat", "/etc/machine-id"]).strip()',
        'there = target.file(f"/etc/systemd/system/{unit}.d/gonogo-quarantine.conf").exists',
    ],
)
def test_a_repeat_is_found(line):
    # All but the last stood in checks until they were taken out.
    assert repeats(line, owned())


def test_every_exception_is_needed():
    known = "\n".join(value for path in OWNERS if path.suffix == ".py" for _, value in strings(path.read_text()))
    assert not [name for name in OTHERS if name not in known]
