"""No-goes that are made by hand of a go, as `altered.toml` says: one answer is another one."""

import json
import re
import tomllib
from collections.abc import Mapping

from fixtures.run.evidence import Verdict
from fixtures.run.readings import RUN
from tests.recorded.cases import HERE, Case, judge_again

FILE = HERE / "altered.toml"
ENTRIES: dict[str, dict[str, str]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
"""Check function -> what a no-go is made of."""


def no_go_of(go: Case, texts: Mapping[str, str]) -> Case:
    """The no-go that its entry makes of a go; raises `ValueError` where it speaks of no one answer."""
    entry = ENTRIES[go.function]
    if "file" in entry:
        names = {**go.beside, **go.files}
        readings = [
            {"connection": RUN, "question": file, "answer": texts[text]}
            for file, text in names.items()
            if file == entry["file"]
        ]
    else:
        readings = [json.loads(line) for line in go.answers]
    made = []
    for one in readings:
        is_text = isinstance(one["answer"], str)
        text = one["answer"] if is_text else json.dumps(one["answer"], ensure_ascii=False)
        instead, times = re.subn(entry["was"], entry["now"], text, count=1, flags=re.MULTILINE)
        if times and entry.get("in", "") in f"{one['connection']} {json.dumps(one['question'])}":
            made.append({**one, "answer": instead if is_text else json.loads(instead)})
    if len(made) != 1:
        raise ValueError(f"{go.check}: {entry['was']!r} is found in {len(made)} of its answers")
    said = {"verdict": Verdict.NO_GO, "by_hand": entry["why"], "was": entry["was"], "now": entry["now"]}
    return go.model_copy(update={**said, "altered": json.dumps(made[0], ensure_ascii=False)})


def is_no_go(go: Case, texts: Mapping[str, str]) -> bool:
    """Whether the check says no-go of what its entry makes of a go."""
    try:
        return judge_again(no_go_of(go, texts), texts).verdict is Verdict.NO_GO
    except ValueError:
        return False
