"""Packages of either family: what is asked for, and what may go."""

import pytest

from fixtures.errors import Refused, StepFailed
from steps.tools import packages
from tests.unit.example import PLAN

FAMILIES = [packages.APT, packages.DNF]


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ('ID=debian\nVERSION_ID="13"\n', "apt"),
        ("ID=ubuntu\nID_LIKE=debian\n", "apt"),
        ('NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n', "apt"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf"),
        ('ID="amzn"\nID_LIKE="fedora"\n', "dnf"),
        ("ID=fedora\n", "dnf"),
    ],
)
def test_the_target_says_which_family_it_is_of(told, name):
    assert packages.family(told).name == name


@pytest.mark.parametrize("told", ["", "ID=alpine\n", "ID=arch\nID_LIKE=archlinux\n"])
def test_another_family_is_refused(told):
    with pytest.raises(StepFailed, match="distribution"):
        packages.family(told)


def test_only_what_is_not_installed_is_asked_for():
    shown = "installed ruby\nconfig-files rails\nunpacked gcc\npackage puma is not installed\n"
    assert packages.missing(["ruby", "rails", "gcc", "puma"], shown) == ["rails", "gcc", "puma"]


@pytest.mark.parametrize("tool", FAMILIES)
def test_a_package_name_is_no_way_into_the_script(tool):
    assert tool.install_script(["ruby", "libpq-dev"]).startswith("set -- install ruby libpq-dev\n")
    assert tool.remove_script(["ruby"]).startswith("set -- remove ruby\n")
    assert tool.installed_command(["ruby", "gcc-c++"])[-2:] == ["ruby", "gcc-c++"]
    for name in ("ruby; reboot", "$(reboot)", "-o=x", ""):
        for make in (tool.install_script, tool.remove_script, tool.installed_command, tool.simulate_command):
            with pytest.raises(StepFailed):
                make([name])


def test_what_would_go_is_read_from_a_simulation():
    shown = (
        "Reading package lists...\nThe following packages will be REMOVED:\n  ruby2.7 libruby2.7\n"
        "Remv ruby2.7 [2.7.4-1]\nRemv libruby2.7 [2.7.4-1]\n"
    )
    assert packages.APT.would_go(shown) == {"ruby2.7", "libruby2.7"}
    assert packages.APT.simulate_command(["ruby2.7"])[-6:] == [
        "apt-get", "--simulate", "--no-auto-remove", "remove", "--", "ruby2.7",
    ]  # fmt: skip
    shown = (
        "error: Failed dependencies:\n\truby(release) is needed by (installed) rubygem-json-2.3.1-2.el8.x86_64\n"
        "\truby = 2.5.9 is needed by (installed) ruby-libs-2.5.9-110.module+el8.noarch\n"
    )
    assert packages.DNF.would_go(shown) == {"rubygem-json", "ruby-libs"}


def test_only_listed_packages_go_and_none_that_the_plan_needs():
    packages.refuse_removal(["ruby2.7"], {"ruby2.7"}, {"nginx"})
    with pytest.raises(Refused, match=r"libruby2\.7 would go with them"):
        packages.refuse_removal(["ruby2.7"], {"ruby2.7", "libruby2.7"}, {"nginx"})
    with pytest.raises(Refused, match="nginx would go"):
        packages.refuse_removal(["ruby2.7", "nginx"], {"ruby2.7", "nginx"}, {"nginx"})
    assert {"ruby", "postgresql", "rails", "nginx"} <= packages.planned(PLAN)
