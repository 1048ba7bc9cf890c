"""One rule a folder, and nothing outside the checkout."""

import ast
import importlib.util
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.unit.example import ROOT

FOLDERS = ("checks", "fixtures", "reports", "steps")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def modules(folder):
    return list((ROOT / folder).rglob("*.py"))


def breaches(folder, forbidden, allowed=()):
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(folder)
        if path.relative_to(ROOT).as_posix() not in allowed
        for name in imports(path)
        if name.split(".")[0] in forbidden
    ]


def room(name):
    """The room that a module of ours lies in."""
    top, *rest = name.split(".")
    if top in ("checks", "reports"):
        return top
    if top == "steps":
        return (
            rest[0]
            if rest[:1] in (["engine"], ["tools"], ["cli"], ["step"])
            else "cli"
            if rest == ["__main__"]
            else "phases"
        )
    return rest[0] if rest and (ROOT / "fixtures" / rest[0]).is_dir() else "plain"


PLAIN = {"plain"}
RUN = PLAIN | {"plan", "run"}
FACTS = RUN | {"connect", "policy", "facts"}
KNOWS = {
    "plain": set(),
    "plan": PLAIN,
    "run": PLAIN | {"plan"},
    "connect": RUN,
    "policy": RUN,
    "facts": RUN | {"connect", "policy"},
    "sameness": FACTS,
    "discovery": FACTS - {"policy"},
    "plugin": FACTS | {"sameness"},
    "lab": RUN | {"connect"},
    "checks": FACTS | {"sameness"},
    "reports": PLAIN | {"run"},
    "step": RUN | {"connect"},
    "engine": RUN | {"connect", "policy", "step"},
    "tools": FACTS,
    "phases": FACTS | {"sameness", "step", "engine", "tools"},
    "cli": FACTS | {"discovery", "lab", "step", "engine", "phases"},
}
"""Room -> the rooms that it may import, as docs/architecture.md has it. What is not here is a mistake on one side."""
OURS = ("checks", "fixtures", "reports", "steps")


def known():
    """Room -> the rooms that its modules do import, and by which of them."""
    found = {name: {} for name in KNOWS}
    for folder in FOLDERS:
        for path in modules(folder):
            if "smallpayroll" in path.parts:
                continue
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for name in imports(path):
                if name.split(".")[0] in OURS and room(name) != room(module):
                    found[room(module)].setdefault(room(name), []).append(f"{path.relative_to(ROOT)} imports {name}")
    return found


def test_each_room_knows_what_it_may_and_needs_what_it_may():
    found = known()
    for name, may in KNOWS.items():
        more = [line for other, lines in found[name].items() if other not in may for line in lines]
        assert not more, f"{name} may not know that"
        assert set(found[name]) == may, f"nothing in {name} needs {may - set(found[name])}: take the leave away"


def test_no_room_knows_itself_by_a_detour():
    def below(name, above=()):
        assert name not in above, f"a circle: {' -> '.join((*above, name))}"
        for other in KNOWS[name]:
            below(other, (*above, name))

    for name in KNOWS:
        below(name)


def test_the_page_and_the_picture_name_every_room():
    page, picture = ((ROOT / "docs" / name).read_text() for name in ("architecture.md", "architecture.svg"))
    for name in KNOWS.keys() - {"plain", "phases", "step"}:
        assert f"/{name}/`" in page or f"`{name}/`" in page, name
        assert f">{name}<" in picture, name


def test_only_the_plugin_and_checks_import_pytest():
    for folder in ("fixtures", "steps", "reports"):
        allowed = [path.relative_to(ROOT).as_posix() for path in modules("fixtures/plugin")]
        assert not breaches(folder, {"pytest", "_pytest"}, allowed=allowed)


def test_checks_stand_where_they_are_collected():
    stray = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules("checks") if not path.name.startswith("check_")
        for name in re.findall(r"^def (check_\w+)", path.read_text(), re.MULTILINE)
    ]  # fmt: skip
    assert not stray, "pytest reads files named check_*.py alone"


def test_policy_is_pure():
    reaching = {"boto3", "dns", "fabric", "paramiko", "requests", "socket", "subprocess", "testinfra", "urllib3"}
    assert not breaches("fixtures/policy", reaching)


def test_the_engine_knows_no_step_by_name():
    names = {name for path in modules("steps") for name in re.findall(r"(?s)@step\(.*?\ndef (\w+)", path.read_text())}
    assert len(names) > 30
    texts = [
        node.value
        for path in modules("steps/engine")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert not names & set(texts)


def test_nothing_but_its_commands_knows_the_lab():
    users = {
        path.name for folder in ("steps", "checks", "reports") for path in modules(folder)
        if any(name.startswith("fixtures.lab") for name in imports(path))
    }  # fmt: skip
    assert users == {"lab.py", "lab_drill.py"}


BEHIND_THE_SEAM = ("fixtures/facts/runtimes/", "fixtures/plan/runtimes.py", "steps/build/runtimes/", "fixtures/lab/")
LANGUAGES = re.compile(
    r"\b(ruby|rubygems|gems?|bundler?|rails|rake|puma|django|alembic|celery|gunicorn|pip|venv|virtualenv|npm|nodejs"
    r"|node_modules|knex|php|fpm|composer)\b",
    re.IGNORECASE,
)
"""Languages, frameworks and their tools. Python is none of them here: scripts of our own are written in it; uwsgi is a protocol of nginx's."""


def files_before_the_seam():
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and path.suffix != ".pyc" and not name.startswith(BEHIND_THE_SEAM):
                yield name, path


def test_nothing_but_its_runtimes_module_names_a_language_a_framework_or_a_tool():
    found = [
        f"{name}: {line.strip()}"
        for name, path in files_before_the_seam()
        for line in path.read_text(encoding="utf-8").splitlines()
        if LANGUAGES.search(line)
    ]
    assert not found, "put it into its module below fixtures/facts/runtimes/ or steps/build/runtimes/"


def test_nothing_imports_the_module_of_one_runtime():
    seam = {"seam", "frameworks", "finding"}
    found = [
        f"{name} imports {module}"
        for name, path in files_before_the_seam() if path.suffix == ".py"
        for module in imports(path)
        if (match := re.match(r"(?:fixtures\.facts|steps\.build)\.runtimes\.(\w+)", module)) and match[1] not in seam
    ]  # fmt: skip
    assert not found, "go by the seam: fixtures.facts.runtimes.of(plan, name)"


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_resolves_inside_the_checkout(folder):
    spec = importlib.util.find_spec(folder)
    places = [Path(p).resolve() for p in spec.submodule_search_locations]
    assert places == [ROOT / folder]


def test_nothing_was_published_to_site_packages():
    site = Path(sysconfig.get_path("purelib"))
    assert not [folder for folder in FOLDERS if (site / folder).exists()]


def test_reports_import_nothing_but_the_evidence() -> None:
    code = (
        "import sys, reports.__main__;"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('fixtures', 'steps', 'checks', 'pytest')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    rooms = ["fixtures", "fixtures.errors", "fixtures.redaction", "fixtures.run"]
    assert done.stdout.strip() == str(
        [*rooms, *(f"fixtures.run.{name}" for name in ("evidence", "journal", "records", "standing", "sums"))]
    )
