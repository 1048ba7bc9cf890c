"""The second variant as it stands before its migration. Its images take minutes, so `make prove-3` asks, not `make test`."""

import shlex
import socket

import pytest

from fixtures.connect.host import open_host
from fixtures.errors import CouldNotVerify
from fixtures.lab.production import production
from fixtures.lab.supplies import rubies
from fixtures.plan import load_plan
from tests.labsite import Site

GEMS = "rails active_record bcrypt nokogiri pg puma redis payroll_seal payroll_tax"
# As an operator would: the tarball, its installer, gems from the index; $1 URL of the tarball, $2 prefix, then packages.
INSTALL = r"""
url=$1 prefix=$2
shift 2
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq --no-install-recommends install "$@" >/dev/null
mkdir /root/ruby
cd /root/ruby
curl -sf "$url" | tar -xz --strip-components=1
./installer "--auto=$prefix"
export PATH="$prefix/bin:$PATH"
gem install --quiet --no-document --clear-sources --source http://supplies.lab.test/gems/ \
  railties activerecord actionpack bcrypt pg puma redis payroll_seal payroll_tax
"""


@pytest.fixture(scope="module")
def site():
    made = Site("second")
    made.down()
    made.up(rehearsed=False, variant="second")
    yield made
    made.down()


@pytest.fixture(scope="module")
def plan(site):
    return load_plan(site.plan_path)


@pytest.fixture(scope="module")
def instance(site, plan):
    """A target as the plan's steps launch it, in nobody's run."""
    done = site.gonogo("run", "--yes", "--new", "--until", "ssh_ready")
    assert done.code == 0, done.out
    return plan


def test_production_answers_the_bastion_alone(plan):
    with pytest.raises(TimeoutError):
        socket.create_connection((str(plan.source.address), 22), timeout=2)
    host = open_host("source", plan.source, plan.resolve)
    assert host.check(["id", "-un"]).strip() == "root"
    host.close()


def test_sudo_wants_its_password(site, plan):
    refused = site.on("production", "runuser -u ops -- sudo -n true 2>&1 || true")
    assert "password is required" in refused
    with pytest.raises(CouldNotVerify):
        open_host("source", plan.source.model_copy(update={"sudo_password": None}), plan.resolve).check(["true"])


def test_passwords_are_md5(site):
    hashes = site.sql("production", "SELECT left(rolpassword, 3) FROM pg_authid WHERE rolpassword IS NOT NULL")
    assert set(hashes.split()) == {"md5"}
    login = f"psql -XAtq 'host=127.0.0.1 user=payroll dbname=payroll_prod password={production.DATABASE_PASSWORD}'"
    assert site.on("production", f"{login} -c 'SELECT 1'") == "1\n"
    assert site.sql("production", "SELECT auth_method FROM pg_hba_file_rules ORDER BY line_number LIMIT 1") == "md5"


def test_a_job_goes_through_redis(site):
    ask = f"export REDISCLI_AUTH={production.REDIS_PASSWORD}; redis-cli --raw"
    before = int(site.on("production", f"{ask} get payroll:jobs:ever"))
    site.on("production", "systemctl stop smallpayroll-worker")
    create = "sheet = Employee.first; Timesheet.record!(employee_id: sheet.id, reference: 'second-1', work_date: Date.today, hours: 8)"
    runner = f"set -a; . {production.ENV_FILE}; set +a; cd {production.CURRENT}; bin/rails runner {shlex.quote(create)}"
    site.on("production", f"runuser -u payroll -- bash -lc {shlex.quote(runner)}")
    assert site.on("production", f"{ask} llen payroll:jobs") == "1\n"
    assert int(site.on("production", f"{ask} get payroll:jobs:ever")) == before + 1
    site.on("production", "systemctl start smallpayroll-worker")
    waits = "SELECT count(*) FROM jobs WHERE state = 'waiting'"
    site.on(
        "production", f"for i in $(seq 60); do [ $({ask} llen payroll:jobs) != 0 ] || exit 0; sleep 0.5; done; exit 1"
    )
    assert site.sql("production", waits) == "0"


def test_the_image_boots_as_trixie(site, instance):
    assert site.on("target", ". /etc/os-release; echo $VERSION_CODENAME") == "trixie\n"
    assert site.on("target", "systemctl is-system-running") == "running\n"
    assert site.on("target", "blockdev --getsize64 /dev/xvdb") == f"{75 * 1000**3}\n"


def test_the_tarballs_ruby_loads_rails_on_trixie(site, instance):
    tarball = instance.runtime[0].tarball
    remove = f"apt-get -qq --yes remove {' '.join(instance.runtime[0].remove)} >/dev/null; ! command -v ruby"
    site.on("target", remove)
    words = [tarball.url, rubies.PREFIX, *instance.runtime[0].packages, *instance.application.packages]
    site.on("target", f"set -- {shlex.join(words)}\n{INSTALL}")
    load = f"%w[{GEMS}].each {{ |name| require name }}; print RbConfig.ruby, ' ', Rails.version"
    said = site.on("target", f"{rubies.PREFIX}/bin/ruby -e {shlex.quote(load)}")
    assert said.startswith(f"{rubies.PREFIX}/bin/ruby 6.1.")
    outside = "puts $LOADED_FEATURES.grep(/^\\/usr/)"
    assert site.on("target", f"{rubies.PREFIX}/bin/ruby -r openssl -r json -e {shlex.quote(outside)}") == ""
