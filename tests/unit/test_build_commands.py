"""What the building steps send out, to the letter; and the guards that stand before them."""

import hashlib
import os
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import paramiko
import pytest

from checks.check_passwords import Rule, first_match
from fixtures import places
from fixtures.connect.cloud import Instance
from fixtures.errors import Refused, StepFailed
from fixtures.facts import facts
from fixtures.plan import Tarball, load_plan
from fixtures.policy import ingress
from fixtures.policy.egress import ruleset
from fixtures.policy.ingress import Ingress
from fixtures.run.journal import TargetOpened
from fixtures.run.records import Survey, TargetFacts
from fixtures.run.run import Run
from steps.build import gems, nginx, postgresql, release, ruby, volume
from steps.engine import guards
from steps.provision import firewall, instance, key_pair
from steps.tools import packages, units

PLAN = load_plan(Path(__file__).resolve().parents[2] / "docs" / "plan.example.toml")
VOLUME = "vol-0123456789abcdef0"
FACTS = TargetFacts(
    instance_id="i-1", private_address="10.0.0.4", public_address="192.0.2.4", allocation_id="eipalloc-1",
    volume_id=VOLUME, security_group_id="sg-1", host_keys=["ssh-ed25519 AAAA"],
)  # fmt: skip
SURVEY = Survey(
    machine_id="source-machine", system_identifier="7001", server_version="15.4", encoding="UTF8", collation="C.UTF-8",
    ctype="C.UTF-8", tables=[], sequences=[], extensions={}, ruby="3.1.2", gems={}, features={}, release="/r",
    release_digest="", environment=[], time_zone="Etc/UTC", files={}, units={},
)  # fmt: skip


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "20260101T000000Z-smallpayroll")
    (run.directory / "records").mkdir(parents=True)
    run.record(FACTS)
    run.record(SURVEY)
    return run


# --- what is asked of the cloud ------------------------------------------------------------------------------------


def test_launch_asks_for_what_the_plan_says(run):
    asked = instance.launch_request(PLAN, run, "sg-1", 0)
    assert asked["ClientToken"] == "20260101T000000Z-smallpayroll-0"
    assert (asked["MinCount"], asked["MaxCount"]) == (1, 1)
    assert (asked["ImageId"], asked["KeyName"]) == (PLAN.target.image, PLAN.target.key_name)
    assert (asked["SubnetId"], asked["SecurityGroupIds"]) == (PLAN.target.subnet, ["sg-1"])
    assert asked["MetadataOptions"]["HttpTokens"] == "required"
    (disk,) = asked["BlockDeviceMappings"]
    assert disk["DeviceName"] == "/dev/xvdf"
    assert disk["Ebs"] == {"VolumeSize": 100, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": False}
    for tagged in asked["TagSpecifications"]:
        tags = {tag["Key"]: tag["Value"] for tag in tagged["Tags"]}
        assert tags == {"Name": "smallpayroll-web", "gonogo:plan": "smallpayroll", "gonogo:run": run.name}


def test_firewall_lets_in_the_operator_and_the_copy_then_users_too_then_no_copy():
    ssh, copy = Ingress("tcp", 22, 22, "203.0.113.7/32"), Ingress("tcp", 22, 22, "198.51.100.10/32")
    web = {Ingress("tcp", port, port, "203.0.113.7/32") for port in (80, 443)}
    users = {Ingress("tcp", port, port, "0.0.0.0/0") for port in (80, 443)}
    assert ingress.before_opening(PLAN) == {ssh, copy} | web
    assert ingress.when_open(PLAN) == {ssh, copy} | web | users
    assert ingress.when_accepted(PLAN) == {ssh} | users


def test_every_kind_of_rule_is_read_back_as_it_was_written():
    rules = {
        Ingress("tcp", 22, 22, "203.0.113.7/32"),
        Ingress("tcp", 80, 90, "2001:db8::/32"),
        Ingress("tcp", 5432, 5432, "sg-9"),
        Ingress("udp", 53, 53, "pl-9"),
        Ingress("-1", 0, 65535, "0.0.0.0/0"),
    }
    assert ingress.of_permissions([firewall.permission(rule, "why") for rule in rules]) == rules


class Ec2:
    """A security group in memory."""

    def __init__(self, group):
        self.group = group
        self.said = []

    def describe_subnets(self, **_):
        return {"Subnets": [{"VpcId": "vpc-1"}]}

    def describe_security_groups(self, **_):
        return {"SecurityGroups": [self.group] if self.group else []}

    def authorize_security_group_ingress(self, IpPermissions, **_):  # noqa: N803 - boto3's name
        self.said += [("open", rule) for rule in ingress.of_permissions(IpPermissions)]

    def revoke_security_group_ingress(self, IpPermissions, **_):  # noqa: N803 - boto3's name
        self.said += [("close", rule) for rule in ingress.of_permissions(IpPermissions)]


class Cloud:
    def __init__(self, ec2=None, found=None):
        self.ec2 = ec2
        self.found = found

    def verify_account(self):
        pass

    def instance(self):
        return self.found


def test_missing_rules_are_opened_before_others_are_closed():
    kept, extra = Ingress("tcp", 22, 22, "203.0.113.7/32"), Ingress("tcp", 22, 22, "0.0.0.0/0")
    ours = [{"Key": "gonogo:plan", "Value": "smallpayroll"}]
    group = {"GroupId": "sg-1", "IpPermissions": [firewall.permission(r) for r in (kept, extra)], "Tags": ours}
    ec2 = Ec2(group)
    new = Ingress("tcp", 80, 80, "203.0.113.7/32")
    firewall.set_ingress(Cloud(ec2), PLAN, frozenset({kept, new}))
    assert ec2.said == [("open", new), ("close", extra)]


def test_a_group_that_somebody_else_made_is_refused():
    ec2 = Ec2({"GroupId": "sg-1", "IpPermissions": [], "Tags": []})
    with pytest.raises(Refused, match="sg-1"):
        firewall.set_ingress(Cloud(ec2), PLAN, ingress.before_opening(PLAN))
    assert ec2.said == []


def test_a_private_key_is_ours_alone_and_never_overwritten(tmp_path):
    path = tmp_path / "keys" / "new.pem"
    key_pair.write_new_key(path)
    text = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert paramiko.PKey.from_path(path).get_name() == "ssh-ed25519"
    with pytest.raises(FileExistsError):
        key_pair.write_new_key(path)
    assert path.read_bytes() == text
    assert [entry.name for entry in path.parent.iterdir()] == ["new.pem"]


# --- what is run on the target -------------------------------------------------------------------------------------


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
    assert tool.install_script(["ruby", "libpq-dev"]).endswith(" -- ruby libpq-dev\n")
    assert tool.remove_script(["ruby"]).endswith(" remove -- ruby\n" if tool is packages.DNF else " -- ruby\n")
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


TARBALL = Tarball(
    url="https://example.org/ruby.tar.gz", sha256="a" * 64, installer=["./installer", "--auto=/opt/my ruby"],
    prefix=PurePosixPath("/opt/my ruby"),
)  # fmt: skip


def test_a_tarball_is_installed_with_the_plans_own_words():
    first, *script = ruby.install_script(TARBALL).splitlines()
    assert first == (
        f"set -- https://example.org/ruby.tar.gz {'a' * 64} /usr/local/src/gonogo-ruby '/opt/my ruby' "
        "'/opt/my ruby/gonogo-tarball.sha256' ./installer '--auto=/opt/my ruby'"
    )
    assert next(n for n, line in enumerate(script) if 'right "$archive.part"' in line) < next(
        n for n, line in enumerate(script) if line.startswith("tar ")
    )
    assert script[-1].endswith('>"$mark"')


@pytest.fixture
def machine(tmp_path):
    """A stand-in for the target: the script runs here, below a directory, with a tarball that lies there."""
    made = tmp_path / "made" / "ruby-1"
    made.mkdir(parents=True)
    installer = '#!/bin/sh\nset -e\nmkdir -p "$1/bin"\nprintf "#!/bin/sh\\necho fake" >"$1/bin/ruby"\nchmod +x "$1/bin/ruby"\n[ ! -e ../../fail ]\n'
    (made / "installer").write_text(installer)
    (made / "installer").chmod(0o755)
    archive = tmp_path / "ruby.tar.gz"
    subprocess.run(["tar", "-czf", archive, "-C", made.parent, "ruby-1"], check=True)
    prefix = tmp_path / "opt"
    tarball = Tarball(
        url="https://example.org/ruby.tar.gz", sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        installer=["./installer", str(prefix)], prefix=PurePosixPath(prefix),
    )  # fmt: skip
    curl = tmp_path / "bin" / "curl"
    curl.parent.mkdir()
    curl.write_text(f'#!/bin/sh\nwhile [ "$1" != --output ]; do shift; done\ncat {archive} >"$2"\n')
    curl.chmod(0o755)

    def install(**changes):
        script = ruby.install_script(tarball.model_copy(update=changes)).replace(str(ruby.SOURCES), f"{tmp_path}/src")
        path = f"{curl.parent}:{os.environ['PATH']}"
        return subprocess.run(["bash", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False)

    return SimpleNamespace(install=install, tarball=tarball, directory=tmp_path, mark=places.tarball_mark(tarball))


def test_a_tarball_is_unpacked_and_marked_only_when_it_is_the_planned_one(machine):
    wrong = machine.install(sha256="0" * 64)
    assert wrong.returncode == 1
    assert f"has SHA-256 {machine.tarball.sha256}, the plan says {'0' * 64}" in wrong.stderr
    assert not (machine.directory / "src" / "unpacked").exists()
    assert not machine.directory.joinpath("opt").exists()
    assert machine.install().returncode == 0
    assert Path(machine.mark).read_text() == f"{machine.tarball.sha256}\n"


def test_an_installation_that_broke_off_is_no_installation(machine):
    (machine.directory / "src").mkdir()
    (machine.directory / "src" / "fail").touch()
    assert machine.install().returncode == 1
    assert (machine.directory / "opt" / "bin" / "ruby").exists()
    assert not Path(machine.mark).exists()
    (machine.directory / "src" / "fail").unlink()
    assert machine.install().returncode == 0
    assert Path(machine.mark).exists()


def test_a_login_shell_finds_the_prefix_first_and_once(tmp_path):
    file = tmp_path / "profile"
    file.write_text(ruby.profile(PurePosixPath("/opt/my ruby")))
    twice = f'PATH=/usr/bin; . "{file}"; . "{file}"; echo "$PATH"'
    said = subprocess.run(["sh", "-c", twice], capture_output=True, text=True, check=True).stdout
    assert said == "/opt/my ruby/bin:/usr/bin\n"


def test_file_system_has_the_volumes_own_uuid():
    number = places.filesystem_uuid(VOLUME)
    disk = PLAN.target.volume
    assert number == places.filesystem_uuid(VOLUME) != places.filesystem_uuid("vol-1")
    assert volume.format_command(disk, "/dev/xvdf", VOLUME) == ["mkfs.ext4", "-q", "-U", number, "/dev/xvdf"]
    assert volume.fstab_line(disk, VOLUME) == (
        f"UUID={number} /mnt ext4 defaults,nofail,x-systemd.device-timeout=30s 0 2"
    )
    xfs = disk.model_copy(update={"filesystem": "xfs"})
    assert volume.format_command(xfs, "/dev/xvdf", VOLUME) == ["mkfs.xfs", "-q", "-m", f"uuid={number}", "/dev/xvdf"]


@dataclass
class Target:
    """A host that answers from a list and keeps what it was asked."""

    answers: list = field(default_factory=list)
    address: str = "192.0.2.4"
    opened: bool = False
    asked: list = field(default_factory=list)

    def check(self, argv, **_):
        self.asked.append(list(argv))
        return self.answers.pop(0)

    def succeeds(self, argv, **_):
        self.asked.append(list(argv))
        return self.opened


GIB = 1024**3


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (f"{8 * GIB}\n-\n", "100 GiB"),
        (f"{100 * GIB}\n/srv\n", "mounted at /srv"),
        (f"{100 * GIB}\n-\n{places.filesystem_uuid('vol-1')} ext4 ", "blank"),
        (f"{100 * GIB}\n-\ndos ", "blank"),
        (f"{100 * GIB}\n-\n{places.filesystem_uuid(VOLUME)} ext4 0x1 gpt ", "blank"),
    ],
)
def test_a_volume_that_is_not_blank_is_never_formatted(run, answer, complaint):
    target = Target([answer])
    with pytest.raises(Refused, match=complaint):
        volume._format_if_blank(target, run, PLAN.target.volume, "/dev/xvdf", FACTS)
    assert len(target.asked) == 1


def test_our_own_file_system_is_known_again(run):
    target = Target([f"{100 * GIB}\n/mnt\n{places.filesystem_uuid(VOLUME)} ext4 "])
    assert volume._format_if_blank(target, run, PLAN.target.volume, "/dev/xvdf", FACTS) == "/mnt"


def test_the_password_rules_are_the_databases_own():
    assert postgresql.hba_lines(PLAN, []) == [
        "host payroll_prod all 127.0.0.1/32 scram-sha-256",
        "host payroll_prod all ::1/128 scram-sha-256",
    ]


def test_the_move_names_link_data_mount_and_tool():
    first = postgresql.move_script(PLAN).splitlines()[0]
    assert first == (
        "set -- /var/lib/postgresql/15/main /mnt/postgresql/15/main /mnt /usr/lib/postgresql/15/bin/pg_controldata"
    )
    assert postgresql.waits_for(PLAN.data_on_mount) == "[Unit]\nRequiresMountsFor=/mnt/postgresql/15/main\n"


def test_uploads_keys_and_the_maintenance_page_are_left_out():
    command = release.pack_command([PLAN.application.home], release.left_out(PLAN, ["/home/payroll/releases/1"]))
    assert command[:4] == ["tar", "-C", "/", "-cz"]
    assert command[-2:] == ["--", "home/payroll"]
    for pattern in (
        ".ssh",
        "home/payroll/shared/uploads/*",
        "home/payroll/shared/maintenance.html",
        "home/payroll/shared/notice.html",
        "home/payroll/releases/1",
    ):
        assert f"--exclude={pattern}" in command


def test_gems_come_from_the_plans_source_alone():
    script = gems.install_script("http://gems.test/", {"b": "2.0", "a": "1.0"})
    assert script.splitlines()[-1] == (
        "exec gem install --clear-sources --source http://gems.test/ --no-document a:1.0 b:2.0"
    )


def test_a_gem_is_missing_when_absent_of_another_version_or_broken():
    found = facts.Bundle.model_validate(
        {"bundle": None, "gems": {"a": {"version": "1"}, "b": {"version": "2"}, "c": {"version": "1", "error": "no"}}}
    )
    wanted = {name: ("1", name) for name in "abcd"}
    assert gems.missing_gems(wanted, found) == {"b": "1", "c": "1", "d": "1"}


def test_what_only_the_lock_names_is_installed_too():
    # Production was deployed after the survey: every surveyed gem loads, and the bundle is incomplete all the same.
    loads = {"a": {"version": "1"}}
    found = facts.Bundle.model_validate({"bundle": "Could not find e-2", "lacks": {"e": "2"}, "gems": loads})
    wanted = {"a": ("1", "a")}
    assert gems.to_install(wanted, found) == {"e": "2"}
    assert gems.to_install(wanted, facts.Bundle.model_validate({"bundle": None, "gems": loads})) == {}


def test_a_site_of_sites_available_needs_a_link():
    assert nginx.enabled_link(PurePosixPath("/etc/nginx/sites-available/app")) == PurePosixPath(
        "/etc/nginx/sites-enabled/app"
    )
    assert nginx.enabled_link(PurePosixPath("/etc/nginx/conf.d/app.conf")) is None


def test_egress_is_what_the_plan_lists_and_then_a_refusal():
    lines = [line.strip() for line in ruleset(PLAN.rehearsal.egress).splitlines()]
    assert "type filter hook output priority 0; policy drop;" in lines
    assert lines.index("ip daddr 198.51.100.5/32 tcp dport 80 accept") < lines.index(
        "reject with icmpx admin-prohibited"
    )
    assert sum("dport" in line for line in lines) == 5


def test_cron_files_wait_below_their_own_path():
    assert str(places.held(PurePosixPath("/etc/cron.d/app"))) == "/var/lib/gonogo/held/etc/cron.d/app"


def test_a_units_name_is_run_and_step(run):
    assert units.unit_name(run, "install_gems") == "gonogo-20260101T000000Z-smallpayroll-install_gems.service"


# --- guards --------------------------------------------------------------------------------------------------------


def cloud_with(**changes):
    known = {
        "id": "i-1", "state": "running", "image": "", "type": "", "key_name": "", "subnet": "", "private_address": None,
        "public_address": "192.0.2.4", "security_groups": {}, "volumes": {}, "tags": {},
    }  # fmt: skip
    return Cloud(found=Instance(**(known | changes)))


def identity(run, **changes):
    said = {"machine": "own", "instance": "i-1", "marker": places.marker(run, FACTS), "opened": "closed"} | changes
    return "\n".join(said.values()) + "\n"


def test_this_runs_own_target_is_proven(run):
    assert guards.prove_target(Target([identity(run)]), run, PLAN, cloud_with()) == FACTS
    assert guards.prove_target(Target([identity(run, cluster="7002")]), run, PLAN, cloud_with()) == FACTS


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"machine": "source-machine"}, "the source"),
        ({"instance": "i-2"}, "i-2"),
        ({"instance": ""}, "no instance id"),
        ({"marker": ""}, "no marker"),
        ({"marker": '{"run": "another", "instance": "i-1"}'}, "another"),
        ({"cluster": "7001"}, "the source's cluster"),
    ],
)
def test_a_host_that_is_not_this_runs_target_is_refused(run, changes, complaint):
    with pytest.raises(Refused, match=complaint):
        guards.prove_target(Target([identity(run, **changes)]), run, PLAN, cloud_with())


def test_an_instance_or_address_that_the_cloud_does_not_show_is_refused(run):
    for cloud in (Cloud(), cloud_with(id="i-2"), cloud_with(public_address="192.0.2.5")):
        with pytest.raises(Refused):
            guards.prove_target(Target([identity(run)]), run, PLAN, cloud)
    with pytest.raises(Refused, match=r"192\.0\.2\.9"):
        guards.prove_target(Target([identity(run)], address="192.0.2.9"), run, PLAN, cloud_with())


def test_after_the_opening_nothing_may_be_overwritten(run):
    guards.refuse_after_opening(run, Target())
    with pytest.raises(Refused, match="opened on the target"):
        guards.refuse_after_opening(run, Target(opened=True))
    run.journal(TargetOpened())
    with pytest.raises(Refused, match="journal"):
        guards.refuse_after_opening(run, Target())


# --- the first rule that matches decides ---------------------------------------------------------------------------

OURS = Rule(1, "host", ["payroll_prod"], ["all"], "127.0.0.1", "255.255.255.255", "scram-sha-256")


@pytest.mark.parametrize(
    "rule",
    [
        Rule(0, "host", ["all"], ["all"], "127.0.0.1", "255.255.255.255", "trust"),
        Rule(0, "host", ["all"], ["all"], "all", "", "trust"),
        Rule(0, "host", ["all"], ["all"], "samehost", "", "trust"),
        Rule(0, "host", ["all"], ["all"], "localhost", "", "trust"),
        Rule(0, "host", ["payroll_prod"], ["payroll"], "127.0.0.0", "255.0.0.0", "trust"),
        Rule(0, "host", ["x", "payroll_prod"], ["y", "+readers"], "0.0.0.0", "0.0.0.0", "md5"),
        Rule(0, "hostnossl", ["samerole"], ["payroll"], "127.0.0.1", "255.255.255.255", "trust"),
    ],
)
def test_a_looser_rule_ahead_is_the_one_that_decides(rule):
    roles = {"payroll", "readers", "payroll_prod"}
    assert first_match([rule, OURS], "payroll_prod", roles, "payroll", "127.0.0.1", "hostnossl") == rule


@pytest.mark.parametrize(
    "rule",
    [
        Rule(0, "local", ["all"], ["all"], "", "", "trust"),
        Rule(0, "host", ["other"], ["all"], "127.0.0.1", "255.255.255.255", "trust"),
        Rule(0, "host", ["all"], ["other", "+others"], "127.0.0.1", "255.255.255.255", "trust"),
        Rule(0, "host", ["all"], ["all"], "10.0.0.0", "255.0.0.0", "trust"),
        Rule(0, "host", ["all"], ["all"], "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "trust"),
        Rule(0, "hostssl", ["all"], ["all"], "127.0.0.1", "255.255.255.255", "trust"),
        Rule(0, "host", ["replication"], ["all"], "127.0.0.1", "255.255.255.255", "trust"),
    ],
)
def test_a_rule_for_something_else_is_passed_over(rule):
    assert first_match([rule, OURS], "payroll_prod", {"payroll"}, "payroll", "127.0.0.1", "hostnossl") == OURS
