"""Whether every sentence of an accepted run's sign-off is true, judged by the run's own files and by none of the reports' code.

A sentence that nobody here knows is untrue: whoever writes a new one says how it can be proven.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

WORST = ("no-go", "could-not-verify", "waived", "go")


class Evidence:
    """The raw files of a run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.plan = tomllib.loads((directory / "plan.toml").read_text())
        self.journal = [json.loads(line) for line in (directory / "journal.jsonl").read_text().splitlines() if line]
        self.sign = json.loads((directory / "signoff.json").read_text().replace("\u00a0", " "))
        gates = [json.loads(path.read_text()) for path in sorted((directory / "gates").glob("[0-9]*.json"))]
        gates = [gate for gate in gates if "verdict" in gate]
        self.gates = sorted(gates, key=lambda gate: (gate["number"], gate["finished"]))
        telling = [g for g in self.gates if "what it gives" not in g["occasion"] or g["verdict"] in ("go", "waived")]
        self.last = {result["id"]: result for gate in telling for result in gate["results"]}

    def record(self, name: str) -> dict[str, Any]:
        path = self.directory / "records" / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def moments(self, kind: str) -> list[datetime]:
        return [moment(entry["at"]) for entry in self.journal if entry["kind"] == kind]

    def proven(self, state: str, since: str) -> bool:
        gates = [g for g in self.gates if state in g["states"] and moment(g["started"]) >= moment(since)]
        return bool(gates) and all(r["outcome"] == "go" for r in gates[-1]["results"] if state in r["states"])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def number(text: str) -> int:
    return int(text.replace(" ", ""))


def seconds(text: str) -> tuple[float, float]:
    """What a duration says, and how far it may be off for being rounded."""
    units = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}
    parts = re.findall(r"([\d.]+) (ms|s|min|h|d)\b", text)
    return sum(float(count) * units[unit] for count, unit in parts), units[parts[-1][1]] * (
        0.051 if "." in parts[-1][0] else 0.51
    )


def about(text: str, expected: float) -> bool:
    said, rounding = seconds(text)
    return abs(said - expected) <= rounding


def rows(e: Evidence) -> int:
    return sum(table["rows"] for table in e.record("data_copy")["tables"].values())


def files(e: Evidence) -> int:
    return sum(count["files"] for count in e.record("files_copy")["counts"].values())


def waived(e: Evidence) -> list[str]:
    return [result["claim"] for result in e.last.values() if result["outcome"] == "waived"]


def tallied(e: Evidence, note: str) -> bool:
    """Whether "362 go, 1 waived, in 52 gates" is so."""
    found = {
        verdict: number(count) for count, verdict in re.findall(r"([\d ]+?) (go|no-go|waived|could-not-verify)\b", note)
    }
    outcomes = [result["outcome"] for result in e.last.values()]
    gates = re.search(r"in ([\d ]+) gates?$", note)
    return found == {v: outcomes.count(v) for v in set(outcomes)} and bool(gates) and number(gates[1]) == len(e.gates)


SENTENCES: dict[str, Callable[[Evidence, re.Match[str]], bool]] = {
    r"Accepted: (\S+) runs on (\S+) since (\S+ \S+) UTC": lambda e, m: (
        m[1] == e.plan["web"]["hostnames"][0]
        and m[2] == e.record("target")["instance_id"]
        and m[3] == f"{e.moments('target_open')[-1]:%Y-%m-%d %H:%M}"
        and e.journal[-1]["kind"] == "step_finished"
        and e.proven("accepted", e.journal[0]["at"])
    ),
    r"outage (.+)": lambda e, m: about(m[1], e.record("users")["outage_seconds"]),
    r"([\d ]+) rows in ([\d ]+) tables proven equal": lambda e, m: (
        (number(m[1]), number(m[2])) == (rows(e), len(e.record("data_copy")["tables"]))
        and e.proven("final_data_copied", e.record("data_copy")["recorded"])
    ),
    r"([\d ]+) files(?: proven equal)?": lambda e, m: (
        number(m[1]) == files(e) and e.proven("final_files_copied", e.record("files_copy")["recorded"])
    ),
    r"([\d ]+) failed checks? waived": lambda e, m: number(m[1]) == len(waived(e)),
    r"Raise the DNS records' TTL again: before the move it was (.+)\.": lambda e, m: (
        {int(ttl) for ttl in re.findall(r"(\d+) s", m[1])}
        == {ttl for ttl in e.record("dns_before")["ttls"].values() if ttl != e.plan["dns"].get("ttl", 300)}
    ),
    r"Keep the old host, closed as it is, .+": lambda e, _: (
        bool(e.moments("source_closed")) and not e.moments("source_reopened")
    ),
    r"Set up backups on the target, and try a restore\.": lambda e, _: not e.record("restore_test"),
    r"Mend before its waiver ends: (.+)": lambda e, m: m[1] in waived(e),
}
FIGURES: dict[str, Callable[[Evidence, str, str], bool]] = {
    "Outage": lambda e, value, note: (
        about(value, e.record("users")["outage_seconds"]) and note.startswith("as users saw it")
    ),
    "Write gap": lambda e, value, _: about(value, e.record("users")["write_gap_seconds"]),
    "Rows": lambda e, value, note: number(value) == rows(e) and note.endswith("tables, proven equal"),
    "Files": lambda e, value, note: number(value) == files(e) and note == "proven equal",
    "Checks": lambda e, value, note: number(value) == len(e.last) and tallied(e, note),
    "Whole run": lambda e, value, _: about(
        value, (moment(e.journal[-1]["at"]) - moment(e.journal[0]["at"])).total_seconds()
    ),
}


def statements(e: Evidence) -> Iterator[tuple[str, bool]]:
    """Each statement of the sign-off, and whether it is true."""
    sign = e.sign
    yield f"status {sign['status']}", sign["status"] == "accepted" and not sign["troubles"] and not sign["next"]
    for part in [*sign["sentence"].removesuffix(".").split("; "), *sign["not_done"]]:
        found = [(test, match) for pattern, test in SENTENCES.items() if (match := re.fullmatch(pattern, part))]
        yield part, bool(found) and found[0][0](e, found[0][1])
    for figure in sign["figures"]:
        test = FIGURES.get(figure["label"])
        yield (
            f"{figure['label']} {figure['value']} ({figure['note']})",
            bool(test) and test(e, figure["value"], figure["note"]),
        )
    for state in sign["states"]:
        claimed = [result["outcome"] for result in e.last.values() if state["name"] in result["states"]]
        worst = min(claimed, key=WORST.index, default="nothing")
        yield f"{state['name']}: {state['verdict']}", (worst, len(claimed)) == (state["verdict"], len(state["checks"]))
    changed = [entry["records"] for entry in e.journal if entry["kind"] == "dns_changed"][-1]
    before = e.record("dns_before")
    for row in sign["dns"]:
        name = row["record"]
        expected = (before["records"][name], before["ttls"][name], changed.get(name, ""))
        yield f"DNS {name}", (row["before"], row["ttl"], row["after"]) == expected
    for table in sign["data"]["tables"]:
        yield (
            f"table {table['name']}",
            table["rows"] == e.record("data_copy")["tables"][table["name"]]["rows"] and table["verdict"] == "go",
        )
    risks = {risk["name"]: risk["signed"] for risk in sign["risks"]}
    for risk in e.record("checklist")["risks"]:
        yield (
            f"risk {risk['name']}",
            (risk["who"] in risks.get(risk["name"], "")) and bool(risks.get(risk["name"])) == bool(risk["who"]),
        )
    yield "performance", ("Performance not compared yet" in risks) == (not e.record("response_times"))
    compared = e.record("pages_replayed")
    yield "pages compared", (sign["pages"] or {}).get("compared") == (len(compared["pages"]) if compared else None)
    yield "evidence that could not be read", sign["unreadable"] == []


def untrue(directory: Path) -> list[str]:
    """The statements that the run's own files do not bear out."""
    return [text for text, true in statements(Evidence(directory)) if not true]


def count(directory: Path) -> int:
    """How many statements were looked at."""
    return sum(1 for _ in statements(Evidence(directory)))
