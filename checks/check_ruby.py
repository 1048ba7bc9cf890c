"""Ruby is there for whoever logs in."""

import pytest

from fixtures.host import Host
from fixtures.plan import Plan
from fixtures.verdict import problem

pytestmark = pytest.mark.ruby_installed

MEND = "run `gonogo run --until ruby_installed`, and see ruby.packages in the plan"


def check_ruby_is_the_planned_one(target: Host, plan: Plan) -> None:
    """A login shell finds Ruby, at the version that the plan asks for."""
    found = target.check(["bash", "-lc", "ruby -e 'print RUBY_VERSION' 2>/dev/null || true"]).strip()
    wanted = plan.ruby.version.split(".")
    assert found.split(".")[: len(wanted)] == wanted, problem(
        "Ruby in a login shell of the target",
        expected=f"{plan.ruby.version}",
        found=found or "no ruby on the PATH",
        remedy=MEND,
    )


def check_native_gems_can_be_built(target: Host) -> None:
    """A compiler and Ruby's own headers are there: gems with native code can be built."""
    script = (
        "for tool in gcc make; do command -v $tool >/dev/null || echo $tool; done; "
        "header=$(ruby -rrbconfig -e 'print RbConfig::CONFIG[\"rubyhdrdir\"]' 2>/dev/null)/ruby.h; "
        '[ -e "$header" ] || echo ruby.h'
    )
    missing = target.check(["sh", "-c", script]).split()
    assert not missing, problem(
        "what native gems are built with",
        expected="gcc, make, ruby.h",
        found=f"without {', '.join(missing)}",
        remedy=MEND,
    )


def check_rubygems_is_there(target: Host) -> None:
    """RubyGems and Bundler run for whoever logs in."""
    found = [tool for tool in ("gem", "bundle") if not target.succeeds(["bash", "-lc", f"{tool} --version >/dev/null"])]
    assert not found, problem(
        "RubyGems on the target", expected="gem and bundle run", found=f"not: {', '.join(found)}", remedy=MEND
    )
