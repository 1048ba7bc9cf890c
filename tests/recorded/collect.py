"""`python -m tests.recorded.collect RUNS...`: a go and a no-go for each check, of what the gates of these runs read.

What was recorded before and is judged as it was stays as it is, so that a new check changes nothing but its own file; with
`--anew` everything is chosen again. The gate that holds most of what is wanted is taken first, of several the one of the run
that was named first, and of its checks the ones with the shortest answers. What is in `altered.toml` makes a no-go of a go,
where no gate has one.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fixtures.lab.signatures import write_signatures
from fixtures.plan import load_plan
from fixtures.plan.waivers import waivers_path
from fixtures.redaction import from_state, known_secrets
from fixtures.run.evidence import CheckResult, Verdict
from fixtures.run.readings import RUN, Reading
from fixtures.run.run import Run
from steps.cli.replay import kept_gate
from tests.recorded import altered
from tests.recorded.cases import (
    CASES,
    PLAN,
    TEXTS,
    Case,
    Texts,
    judge_again,
    place,
    read_cases,
    reading_of,
    write_cases,
)
from tests.recorded.replay import asks_in_its_body, functions
from tests.recorded.scrub import scrubbing

VERDICTS = (Verdict.GO, Verdict.NO_GO)
CHECKLIST = "checklist.md"
Wanted = tuple[str, Verdict]
"""A check function, and what it is to say."""


@dataclass(frozen=True)
class Gate:
    """A gate of a run, and what its checks said of those that are wanted."""

    run: Run
    number: int
    said: Mapping[Wanted, list[CheckResult]]

    def whole(self, texts: Texts) -> Case:
        """All that the gate read, without the machine that read it: what the cases of its checks are parts of."""
        with gzip.open(kept_gate(self.run, self.number)[1], "rt", encoding="utf-8", newline="\n") as file:
            lines = list(file)
        own = [Reading.model_validate_json(from_state(line)) for line in lines if json.loads(line)["connection"] == RUN]
        files = {one.question: str(one.answer) for one in own}
        beside = _beside(self.run)
        known = [beside[PLAN], *(text for name, text in files.items() if name == CHECKLIST)]
        plan = load_plan(self.run.directory / PLAN)
        name = f"{self.run.name.partition('-')[0]}-{plan.name}"  # the directory may have been renamed since
        scrub = scrubbing(plan, name, known, [*files.values(), *lines])
        return Case(
            verdict=Verdict.GO,
            run=name,
            gate=self.number,
            moment=datetime.fromtimestamp(max((one.began for one in own), default=0), UTC),
            beside=texts.take_up({name: scrub(text) for name, text in beside.items()}),
            files=texts.take_up({name: scrub(text) for name, text in files.items()}),
            answers=[_compact(json.loads(line), scrub) for line in lines if json.loads(line)["connection"] != RUN],
        )


def gates_of(directories: Iterable[Path]) -> Iterator[Gate]:
    """Every gate that kept its readings, of every run, in the order in which the runs are named."""
    for run in (Run(path) for path in directories if (path / PLAN).exists() and Run(path).readable):
        for number in sorted(int(path.name[:4]) for path in run.gates.glob("[0-9]*.readings")):
            said: dict[Wanted, list[CheckResult]] = {}
            results = {one.id: one for gate in kept_gate(run, number)[0] for one in gate.results}
            for _, one in sorted(results.items()):
                if one.outcome in VERDICTS:
                    said.setdefault((f"{one.file}::{one.function}", one.outcome), []).append(one)
            yield Gate(run, number, said)


def _beside(run: Run) -> dict[str, str]:
    """The plan of a run, and what was signed for beside it: a run has no copy of that, but a lab's is always the same."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / PLAN
        path.write_bytes((run.directory / PLAN).read_bytes())
        plan = load_plan(path)
        write_signatures(plan, plan.notice.starts.date())
        return {one.name: one.read_text(encoding="utf-8") for one in (path, waivers_path(plan))}


def _compact(reading: dict[str, Any], scrub: Callable[[str], str]) -> str:
    """A reading as a line, without the machine, and without when it was taken."""
    kept = {"connection": reading["connection"], "question": json.loads(reading["question"])}
    kept |= {"problem": reading["problem"]} if reading["problem"] else {"answer": reading["answer"]}
    return json.dumps(_within(kept, scrub), ensure_ascii=False)


def _within(value: Any, scrub: Callable[[str], str]) -> Any:
    match value:
        case str():
            return scrub(value)
        case list():
            return [_within(one, scrub) for one in value]
        case dict():
            return {key: _within(one, scrub) for key, one in value.items()}
    return value


def collect(directories: Iterable[Path], before: Mapping[Wanted, Case], texts: Texts) -> dict[Wanted, Case]:
    """What was recorded before, and beside it what these runs have of what is still wanted."""
    found, wanted = dict(before), everything() - before.keys()
    gates = list(gates_of(directories))
    while gates:
        gate = max(gates, key=lambda one: len(one.said.keys() & wanted))  # of several with as many the first one
        gates.remove(gate)
        here = sorted(gate.said.keys() & wanted)
        whole = gate.whole(texts) if here else None
        for one in here:
            if whole and (case := shortest(gate.said[one], whole, texts)):
                found[one] = case
                wanted.remove(one)
    return found


def everything() -> set[Wanted]:
    """All that could be recorded."""
    return {(name, verdict) for name, one in functions().items() if not asks_in_its_body(one) for verdict in VERDICTS}


def shortest(results: Iterable[CheckResult], whole: Case, texts: Texts) -> Case | None:
    """Of the checks of one function in one gate the one with the shortest answers, where it is judged as it was.

    A go that no no-go can be made of, where one is to be made, is passed over: it said go because there was nothing to ask.
    """
    cases = []
    for result in results:
        said = {"verdict": result.outcome, "check": result.id, "parameters": result.parameters}
        case = whole.model_copy(update=said)
        judged = judge_again(case, texts)
        lines = {(one.connection, one.question): line for line in case.answers for one in [reading_of(line)]}
        case.answers = [lines[key] for key in dict.fromkeys(judged.wanted) if key in lines]
        if judged.verdict is result.outcome and (not _to_alter(case) or altered.is_no_go(case, texts)):
            cases.append(case)
    best = min(cases, key=lambda one: (len("".join(one.answers)), one.check), default=None)
    return _with_few_files(best, texts) if best else None


def _to_alter(case: Case) -> bool:
    return case.verdict is Verdict.GO and case.function in altered.ENTRIES


def _with_few_files(case: Case, texts: Texts) -> Case:
    """The case with those files alone without which the check, or what is made of it by hand, says or asks something else."""

    def said(one: Case) -> list[tuple[object, ...]]:
        judged = [
            judge_again(each, texts) for each in [one, *([altered.no_go_of(one, texts)] if _to_alter(one) else [])]
        ]
        return [(each.verdict, each.error, each.wanted) for each in judged]

    whole = said(case)
    for kind in ("beside", "files"):
        for file in sorted(set(getattr(case, kind)) - {PLAN, altered.ENTRIES.get(case.function, {}).get("file")}):
            less = {other: text for other, text in getattr(case, kind).items() if other != file}
            without = case.model_copy(update={kind: less})
            if said(without) == whole:
                case = without
    return case


def recorded(texts: Texts) -> dict[Wanted, Case]:
    """What was recorded of checks that are still there, and that ask and say what they did."""
    found = {(name, verdict): case for name in functions() for verdict, case in read_cases(name).items()}
    good = {}
    for one, case in found.items():
        judged = judge_again(case, texts)
        if not case.by_hand and judged.verdict is case.verdict and set(judged.wanted) == case.asked:
            good[one] = case
    return good


def made_by_hand(found: Mapping[Wanted, Case], texts: Texts) -> Iterator[tuple[Wanted, Case]]:
    """The no-go of each go that has an entry; raises `ValueError` for an entry that makes none."""
    for name in altered.ENTRIES:
        if (name, Verdict.NO_GO) in found:
            sys.stderr.write(f"{altered.FILE.name}: {name} has a no-go of a gate; take the entry out\n")
        elif go := found.get((name, Verdict.GO)):
            case = altered.no_go_of(go, texts)
            judged = judge_again(case, texts)
            if judged.verdict is not Verdict.NO_GO:
                raise ValueError(f"{name} says {judged.verdict} of the answer that was made by hand: {judged.error}")
            yield (name, Verdict.NO_GO), case


def write(found: Mapping[Wanted, Case], texts: Texts) -> None:
    """Write all cases and the texts that they share; what no case needs any more is removed."""
    for name in sorted({name for name, _ in found}):
        write_cases(name, (found[name, verdict] for verdict in VERDICTS if (name, verdict) in found))
    used = {text for case in found.values() for text in (*case.beside.values(), *case.files.values())}
    TEXTS.mkdir(exist_ok=True)
    for name in sorted(used):
        (TEXTS / name).write_text(texts[name], encoding="utf-8")
    needed = {*(place(name) for name, _ in found), *(TEXTS / name for name in used)}
    for path in {*CASES.rglob("*.jsonl"), *TEXTS.iterdir()} - needed:
        path.unlink()


def main() -> None:
    """Collect, write, and say what is lacking."""
    parser = argparse.ArgumentParser(prog="python -m tests.recorded.collect")
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="a run's directory")
    parser.add_argument("--anew", action="store_true", help="choose everything again, of these runs alone")
    given = parser.parse_args()
    known_secrets.clear()
    texts = Texts()
    found = collect(given.runs, {} if given.anew else recorded(texts), texts)
    found |= made_by_hand(found, texts)
    write(found, texts)
    lacking = [f"{name}: {verdict}" for name, verdict in sorted(everything() - found.keys())]
    size = sum(path.stat().st_size for path in (*CASES.rglob("*.jsonl"), *TEXTS.iterdir()))
    print(*lacking, f"{len(found)} cases, {size / 1000:.0f} kB; {len(lacking)} lacking", sep="\n")  # noqa: T201 - the tool's output


if __name__ == "__main__":
    main()
