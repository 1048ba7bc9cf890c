"""The judgement of a gate over its receipt."""

from datetime import UTC, datetime

from fixtures.plan import Plan
from fixtures.run.evidence import CheckResult, Receipt, Verdict
from fixtures.run.run import Run
from steps.engine.gate import Gates
from tests.unit import begun

run = begun.run


def test_a_check_that_nobody_expected_shuts_a_composite_gate(plan: Plan, run: Run) -> None:
    def result(name: str) -> CheckResult:
        return CheckResult(id=name, states=["ruby_installed"], claim="It is so.", outcome=Verdict.GO)

    gates = Gates(plan, run)
    gates.catalogue = {"checks/a": ["ruby_installed"]}
    receipt = Receipt(
        nonce="",
        expression="pre_cutover",
        files=[],
        collected={},
        expected=[],
        results=[result("checks/a"), result("checks/b")],
    )
    judged = gates._judge(1, "pre_cutover", ["pre_cutover"], receipt, "0", datetime.now(UTC))
    assert {r.id for r in judged.results} == {"checks/a", "checks/b"}
    assert judged.verdict is Verdict.COULD_NOT_VERIFY
