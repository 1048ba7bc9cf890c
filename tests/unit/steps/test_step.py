"""A step that declares what does not fit cannot be built, and no step writes on what it does not declare."""

import ast

import pytest

from fixtures.connect.connections import HANDED_OUT
from fixtures.errors import GonogoError
from steps import STEPS
from steps.engine.guards import TARGET
from steps.step import OPEN_SOURCE, step
from tests.unit.example import ROOT

WRITES = {"write_file", "edit_block", "remove_block", "start_unit", "stop_unit", "execute", "lock", "unlock"}
"""Methods of a host or a database that change something there."""
DOORS = {"open_host", "Connections"}
"""What opens a connection of one's own, which no guard has seen."""
DOORKEEPERS = {
    "steps/engine/executor.py": "hands connections to steps, behind the guards",
    "steps/cli/cli.py": "frees a lock, behind the guards",
    "steps/cli/run.py": "preflight, which reads, and the back-out, behind the guards",
    "steps/cli/discover.py": "reads",
    "steps/cli/lab_drill.py": "reads, in a lab alone",
    "steps/provision/first_login.py": "logs in before the target can be proven, and declares it",
    "steps/keep/scratch.py": "logs in to the instance that it has launched itself",
}


# --- what cannot be built -------------------------------------------------------------------------------------------


def build(function, **declared):
    return step(needs=[], gives=["runtime_installed"], **declared)(function)


def test_a_misspelt_parameter_is_refused_with_the_known_names_the_nearest_first():
    def a_step(plan, traget):
        """Do something."""

    with pytest.raises(GonogoError) as caught:
        build(a_step)
    assert caught.value.subject == "the parameter traget of the step a_step"
    assert caught.value.expected.startswith("one of target, ")
    assert all(name in caught.value.expected for name in HANDED_OUT)


@pytest.mark.parametrize("name", sorted(OPEN_SOURCE))
def test_a_step_is_handed_production_writable_only_if_it_says_what_it_writes_there(name):
    made = {}
    exec(f"def a_step({name}):\n    'Do something.'", made)
    with pytest.raises(GonogoError, match="writes_to_source") as caught:
        build(made["a_step"])
    assert caught.value.subject == f"the parameter {name} of the step a_step"
    assert "declare" in caught.value.remedy
    assert build(made["a_step"], writes_to_source="a file").handed == {name}


def test_a_step_that_says_it_writes_on_production_is_handed_it():
    def a_step(source):
        """Do something."""

    with pytest.raises(GonogoError, match="the step a_step"):
        build(a_step, writes_to_source="a file")


# --- what a step writes on ------------------------------------------------------------------------------------------


class Sources:
    """The modules of steps/, by their dotted names; what each function is called where."""

    def __init__(self, extra=""):
        self.trees = {
            ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
                path.read_text()
            )
            for path in (ROOT / "steps").rglob("*.py")
        }
        if extra:
            self.trees["extra"] = ast.parse(extra)
        self.defined = {
            (module, node.name): node
            for module, tree in self.trees.items()
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        self.imported = {
            (module, alias.asname or alias.name): (node.module, alias.name)
            for module, tree in self.trees.items()
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    def find(self, module, called):
        """Module and definition of what is called, where it stands in steps/."""
        match called:
            case ast.Name(id=name):
                place = (module, name) if (module, name) in self.defined else self.imported.get((module, name))
            case ast.Attribute(value=ast.Name(id=alias), attr=name) if (module, alias) in self.imported:
                place = (".".join(self.imported[module, alias]), name)
            case _:
                place = None
        return place, self.defined.get(place)

    def written(self, module, node, bound, seen):
        """The names, in the step's own terms, of what this function or class writes on; `bound` are its names for them."""
        if (module, node.name, tuple(bound.items())) in seen:
            return
        seen.add((module, node.name, tuple(bound.items())))
        for call in (one for one in ast.walk(node) if isinstance(one, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr in WRITES:
                name = root(call.func.value)
                if name in bound:
                    yield bound[name]
                elif name in HANDED_OUT:
                    yield f"{name}, which it was not handed"
            place, definition = self.find(module, call.func)
            if isinstance(definition, ast.ClassDef):
                yield from self.written(
                    place[0], definition, bound, seen
                )  # its attributes are called as what they hold
            elif definition is not None:
                given = dict(zip([a.arg for a in definition.args.args], call.args, strict=False))
                given |= {word.arg: word.value for word in call.keywords}
                passed = {name: root(value) for name, value in given.items() if root(value) in {*bound, *HANDED_OUT}}
                passed = {name: bound.get(value, f"{value}, which it was not handed") for name, value in passed.items()}
                yield from self.written(place[0], definition, passed, seen)

    def of_step(self, module, name):
        node = self.defined[module, name]
        return set(self.written(module, node, {arg.arg: arg.arg for arg in node.args.args}, set()))


def root(value):
    """`target` in `target`, in `self.target` and in `connections.target`."""
    return value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""


SOURCES = Sources()


@pytest.mark.parametrize("one", STEPS, ids=lambda one: one.name)
def test_a_step_writes_on_nothing_but_what_it_declares(one):
    written = SOURCES.of_step(one.function.__module__, one.name)
    allowed = one.handed & (TARGET | OPEN_SOURCE)
    if one.unproven:
        allowed |= {"target, which it was not handed"}
    assert written <= allowed
    assert bool(one.handed & OPEN_SOURCE) == bool(one.writes_to_source)


def test_the_search_finds_what_steps_write_on():
    found = {one.name: SOURCES.of_step(one.function.__module__, one.name) for one in STEPS}
    assert found["mount_data_volume"] == {"target"}
    assert found["create_role_and_database"] == {"target_db"}
    assert found["close_source"] == {"open_source", "open_source_db"}
    assert found["copy_database"] == {"target", "target_db", "open_source"}
    assert found["copy_uploads_again"] == {"target", "open_source"}
    assert found["pin_host_key"] == {"target, which it was not handed"}
    assert found["survey_source"] == set()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("target.write_file('/x', '')", "target"),
        ("source.write_file('/x', '')", "source"),
        ("source_db.execute('DELETE FROM t')", "source_db"),
        ("helper(source)", "source"),
        ("helper(host=source)", "source"),
        ("run_unit(source, 'x')", "source"),
        ("_Work(source).go()", "source"),
        ("cutover.mark_open(run, source, '')", "source"),
        (
            "open_source = open_host('source')\n    open_source.start_unit('x', [])",
            "open_source, which it was not handed",
        ),
    ],
)
def test_a_step_that_writes_on_what_only_reads_is_found(body, found):
    text = f"""
from steps.night import cutover
from steps.tools.units import run_unit
def helper(host):
    host.edit_block('/x', 'm', [])
class _Work:
    def go(self):
        self.source.remove_block('/x', 'm')
def a_step(run, source, source_db, target):
    {body}
"""
    assert Sources(text).of_step("extra", "a_step") == {found}


def doors():
    """Where steps/ opens a connection by itself, or goes around a read-only one."""
    for path in sorted((ROOT / "steps").rglob("*.py")):
        for call in (one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)):
            if root(call.func) in DOORS or any(word.arg == "writable" for word in call.keywords):
                yield path.relative_to(ROOT).as_posix()


def test_no_step_opens_a_connection_that_no_guard_has_seen():
    assert set(doors()) == set(DOORKEEPERS)
    for one in STEPS:
        if f"{one.function.__module__.replace('.', '/')}.py" in DOORKEEPERS:
            assert one.unproven, one.name
