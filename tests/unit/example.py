"""The checkout's root, and the example plan with what it launched: what many unit tests start from."""

from pathlib import Path

from fixtures.plan import load_plan
from fixtures.run.records import TargetFacts

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "plan.example.toml"
EXAMPLE_TEXT = EXAMPLE.read_text()
PLAN = load_plan(EXAMPLE)
VOLUME = "vol-0123456789abcdef0"
FACTS = TargetFacts(
    instance_id="i-1", private_address="10.0.0.4", public_address="192.0.2.4", allocation_id="eipalloc-1",
    volume_id=VOLUME, security_group_id="sg-1", host_keys=["ssh-ed25519 AAAA"],
)  # fmt: skip
