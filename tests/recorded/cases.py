"""What is kept of a gate for one check: a file for each check function, and texts that several of them share.

A file has a line for each case, and below it one for each answer that the check wanted:

    {"verdict": "go", "check": "checks/check_ttl.py::check_...[...]", "run": ..., "files": {...}}
    {"connection": "dns", "question": ..., "answer": ...}
    {"verdict": "no-go", "by_hand": "one name server was forgotten", "was": "\"ttl\": \\d+", "now": "\"ttl\": 86400"}
    {"connection": "dns", "question": ..., "answer": ...}

A case that was made by hand is the go with one other answer: that one alone stands below it, whole. A file of the run, or
one that lies beside the plan, counts as an answer, of the connection `run`.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from pydantic import Field

from fixtures.plan import Plan, load_plan
from fixtures.plan.references import plan_secrets, poor_secrets
from fixtures.redaction import from_state
from fixtures.run.evidence import Evidence, Verdict
from fixtures.run.readings import RUN, Reading, restore
from tests.recorded.replay import Judged, functions, judge

HERE = Path(__file__).parent
CASES = HERE / "cases"
TEXTS = HERE / "texts"
PLAN = "plan.toml"


class Texts(dict[str, str]):
    """Plans, records, journals ...: each is named by its own SHA-256, and so lies in `texts/` once."""

    def __missing__(self, name: str) -> str:
        return self.setdefault(name, (TEXTS / name).read_text(encoding="utf-8"))

    def take_up(self, files: Mapping[str, str]) -> dict[str, str]:
        """Take up the texts of files; the names of the files -> those of their texts."""
        names = {
            file: f"{hashlib.sha256(text.encode()).hexdigest()[:16]}{Path(file).suffix}" for file, text in files.items()
        }
        self.update({names[file]: text for file, text in files.items()})
        return names


class Case(Evidence):
    """One check of one gate, with all that it needs to be judged again."""

    verdict: Verdict
    check: str = Field(default="", description="pytest's node id")
    parameters: dict[str, str] = Field(default={}, description="what the check ran for, as reports name it")
    run: str = ""
    gate: int = 0
    moment: datetime = Field(default=datetime.min.replace(tzinfo=UTC), description="when the gate was asked")
    beside: dict[str, str] = Field(default={}, description="the plan, and what lies beside it -> name of its text")
    files: dict[str, str] = Field(default={}, description="those of the run that are needed -> name of its text")
    by_hand: str = Field(default="", description="when hosts would answer so; empty for what hosts did answer")
    was: str = Field(default="", description="what of the go's answer was replaced: a regular expression")
    now: str = Field(default="", description="what stands there instead")
    answers: list[str] = Field(default=[], description="readings, a line each")
    altered: str = Field(default="", description="the one that was made by hand")

    @property
    def function(self) -> str:
        """The check function's node id."""
        return self.check.partition("[")[0]

    @property
    def asked(self) -> set[tuple[str, str]]:
        """The questions, each with whom it was put to."""
        return {(one.connection, one.question) for one in map(reading_of, self.answers)}


def reading_of(line: str) -> Reading:
    """The reading of a line; its question is kept as the data that it is the text of."""
    kept = json.loads(from_state(line))
    question = kept["question"]
    return Reading(**{**kept, "question": question if isinstance(question, str) else json.dumps(question)})


def place(function: str) -> Path:
    """Where the cases of a check function lie: of `checks/check_ttl.py::check_x` in cases/check_ttl/check_x.jsonl."""
    file, _, name = function.partition("::")
    return CASES / Path(file).stem / f"{name}.jsonl"


def read_cases(function: str) -> dict[Verdict, Case]:
    """The cases of a check function; none where nothing was recorded."""
    path, cases = place(function), dict[Verdict, Case]()
    for line in path.read_text(encoding="utf-8").split("\n") if path.exists() else []:
        if line and "verdict" in json.loads(line):
            case = Case.model_validate_json(line)
            if case.by_hand:
                case = cases[Verdict.GO].model_copy(update=case.model_dump(exclude_defaults=True))
            cases[case.verdict] = case
        elif line and case.by_hand:
            case.altered = line
        elif line:
            case.answers.append(line)
    return cases


def write_cases(function: str, cases: Iterable[Case]) -> None:
    """Write the cases of a check function, go first."""
    lines = []
    for case in sorted(cases, key=lambda one: one.verdict):
        only = {"verdict", "by_hand", "was", "now"} if case.by_hand else set(Case.model_fields)
        head = case.model_dump(mode="json", include=only - {"answers", "altered"}, exclude_defaults=True)
        lines += [json.dumps(head, ensure_ascii=False), *([case.altered] if case.by_hand else case.answers)]
    place(function).parent.mkdir(parents=True, exist_ok=True)
    place(function).write_text("\n".join([*lines, ""]), encoding="utf-8")


SHARED = Texts()


def judge_again(case: Case, texts: Mapping[str, str] = SHARED) -> Judged:
    """Judge a case by the check of today."""
    altered = reading_of(case.altered) if case.altered else None
    by_hand = {altered.question: altered.answer} if altered and altered.connection == RUN else {}
    with TemporaryDirectory() as directory, patch.dict(os.environ):
        for name, text in case.beside.items():
            (Path(directory) / name).write_text(by_hand.get(name, texts[text]), encoding="utf-8")
        plan = _plan_of(Path(directory))
        files = {name: by_hand.get(name, texts[text]) for name, text in case.files.items()}
        own = [Reading(connection=RUN, question=name, answer=text) for name, text in files.items()]
        run = restore(own, Path(directory) / "runs" / case.run)
        # Of two answers to one question the last one counts.
        readings = [reading_of(line) for line in (*case.answers, case.altered) if line]
        judged = judge(functions()[case.function], case.parameters, case.moment, plan, run, readings)
        return replace(judged, error=judged.error.replace(directory, ""))


def _plan_of(directory: Path) -> Plan:
    """The recorded plan in a directory. Its secrets are made up, and known from now on."""
    plan = load_plan(directory / PLAN)
    for key, secret in plan_secrets(plan):
        if secret.env:
            os.environ[secret.env] = f"made up for {key}"
    poor_secrets(plan)
    return plan
