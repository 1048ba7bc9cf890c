"""The judgement of a gate over its receipt."""

from datetime import UTC, datetime

from fixtures.plan import Plan
from fixtures.run.evidence import Check, CheckResult, Occasion, Receipt, Verdict
from fixtures.run.run import Run
from steps.engine.gate import Gates, _Asked
from tests.unit import begun

run = begun.run
CHECK = Check(claim="It is so.", states=["runtime_installed"], function="check_a", file="checks/a", line=1)


def test_a_check_that_nobody_expected_shuts_a_composite_gate(plan: Plan, run: Run) -> None:
    def result(name: str) -> CheckResult:
        return CheckResult(id=name, outcome=Verdict.GO, **dict(CHECK))

    gates = Gates(plan, run)
    gates.catalogue = {"checks/a": CHECK}
    receipt = Receipt(
        nonce="",
        expression="pre_cutover",
        files=[],
        collected={},
        expected=[],
        results=[result("checks/a"), result("checks/b")],
    )
    judged = gates._keep(
        _Asked(1, receipt, "0", datetime.now(UTC), datetime.now(UTC)), Occasion.BY_HAND, "", ["pre_cutover"]
    )
    assert {r.id for r in judged.results} == {"checks/a", "checks/b"}
    assert judged.verdict is Verdict.COULD_NOT_VERIFY
