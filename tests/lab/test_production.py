import html
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urljoin

import paramiko
import pytest
import requests

from fixtures.connect.tls import shown, trust
from fixtures.connect.web import FixedAddress
from fixtures.lab.hosts import images
from fixtures.lab.hosts.hosts import LabHost
from fixtures.lab.hosts.network import LabNet, Network
from fixtures.lab.production import host as production_host
from fixtures.lab.production import production as lab
from fixtures.lab.production.authority import Authority
from fixtures.lab.production.mail import MailSink
from fixtures.lab.supplies import gems

NET = LabNet("test-payroll", 93)
TOKEN = re.compile(r'<meta name="csrf-token" content="([^"]+)"')

# The sum of the row hashes of what the seed makes from nothing but its own text: the same on every machine.
SEEDED = {
    "employees": "-105573723456736647953",
    "bank_accounts": "-197492743257832905393",
    "users": "21114291008672620972",
    "payslip_lines": "557261490391663513321",
    "documents": "-17450029715373992294",
}


class Site:
    """A browser: keeps cookies, asks for production's names at its address, follows nothing by itself."""

    def __init__(self, address: str, authority: Path) -> None:
        self.session = requests.Session()
        for name in (lab.HOST_NAME, lab.OTHER_NAME):
            for scheme in ("http", "https"):
                self.session.mount(f"{scheme}://{name}/", FixedAddress(address, trust(authority)))

    def get(self, path: str, **headers: str) -> requests.Response:
        url = urljoin(f"https://{lab.HOST_NAME}/", path)
        return self.session.get(url, headers=headers, allow_redirects=False, timeout=20)

    def post(self, path: str, data: Mapping[str, object], **more: object) -> requests.Response:
        options = {"allow_redirects": False, "timeout": 20, **more}
        return self.session.post(f"https://{lab.HOST_NAME}{path}", data=data, **options)  # type: ignore[arg-type]

    def log_in(self, user: str = lab.TEST_USER, password: str = lab.TEST_PASSWORD) -> requests.Response:
        form = {"authenticity_token": token(self.get("/login")), "email": user, "password": password}
        answer = self.post("/login", form)
        if answer.status_code == 302:
            self.session.headers["X-CSRF-Token"] = token(self.get("/"))
        return answer


def token(page: requests.Response) -> str:
    found = TOKEN.search(page.text)
    assert found, page.text
    return html.unescape(found[1])


def eventually(true: Callable[[], object], limit: float = 60) -> None:
    deadline = time.monotonic() + limit
    while not true():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def network(lab_tree: None) -> Iterator[Network]:
    network = Network(NET)
    network.create()
    yield network
    network.destroy()


@pytest.fixture(scope="module")
def sink(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSink]:
    sink = MailSink(network, tmp_path_factory.mktemp("mail") / "mail.jsonl")
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture(scope="module")
def key() -> paramiko.PKey:
    return paramiko.RSAKey.generate(2048)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def host(
    network: Network,
    sink: MailSink,
    key: paramiko.PKey,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LabHost]:
    directory = tmp_path_factory.mktemp("production")
    host = LabHost(network, "production", images.image("production"), NET.public(10), directory)
    host.prepare()
    with (host.root / "etc/hosts").open("a") as file:
        file.write(f"{sink.address} {lab.SMTP_HOST}\n")
    production_host.authorize(host.root, f"{key.get_name()} {key.get_base64()} operator")
    production_host.certify(host.root, authority, [lab.HOST_NAME, lab.OTHER_NAME], lab.CERTIFICATE, lab.CERTIFICATE_KEY)
    host.start()
    yield host
    host.destroy()


@pytest.fixture
def site(host: LabHost, authority: Authority) -> Site:
    return Site(host.address, authority.certificate)


@pytest.fixture
def user(site: Site) -> Site:
    site.log_in()
    return site


def sql(host: LabHost, query: str) -> str:
    psql = ["runuser", "-u", "postgres", "--", "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", lab.DATABASE]
    return host.run(psql, query.encode()).stdout.decode().strip()


def active(host: LabHost, *units: str) -> bool:
    return host.run(["systemctl", "is-active", "--quiet", *units], check=False).returncode == 0


def sheet(reference: str) -> dict[str, object]:
    return {"reference": reference, "employee_id": 7, "work_date": "2026-11-20", "hours": "7.5"}


def test_everything_is_up_when_the_host_has_booted(host: LabHost, site: Site):
    assert host.run(["systemctl", "is-system-running"], check=False).stdout.strip() == b"running"
    units = (*lab.WEB_UNITS, lab.WORKER_UNIT, "nginx", "postgresql@15-main", "cron", "ssh")
    for unit in units:
        assert active(host, unit), unit
    served = {site.get("/healthz").json()["port"] for _ in range(10)}
    assert served == set(lab.WEB_PORTS)
    health = site.get("/healthz").json()
    assert health | {"pid": 0, "port": 0} == {
        "status": "ok",
        "server": "production",
        "pid": 0,
        "port": 0,
        "database": "ok",
        "seal": "ok",
        "release": lab.RELEASE_NAME,
    }


def test_the_operator_logs_in_with_the_pinned_key_and_has_sudo(host: LabHost, key: paramiko.PKey):
    client = paramiko.SSHClient()
    kind, public = production_host.host_public_key(host.root).split()
    known = paramiko.hostkeys.HostKeyEntry.from_line(f"{host.address} {kind} {public}")
    assert known is not None
    assert known.key is not None
    client.get_host_keys().add(host.address, kind, known.key)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(host.address, username=production_host.OPERATOR, pkey=key, look_for_keys=False, allow_agent=False)
    _, out, _ = client.exec_command("sudo -n id -u")
    assert out.read().strip() == b"0"
    client.close()


def test_the_data_is_large_odd_and_the_same_everywhere(host: LabHost):
    tables = sql(host, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").split()
    assert len(tables) >= 12
    counts = {name: int(sql(host, f"SELECT count(*) FROM {name}")) for name in tables}
    assert sum(counts.values()) > 200_000
    assert all(counts.values())
    found = {
        name: sql(host, f'SELECT sum(hashtextextended(ROW({columns})::text COLLATE "C", 0)) FROM {name}')
        for name, columns in {
            "employees": "id, given_name, email, kind, contract, monthly_salary, bonus, skills, note",
            "bank_accounts": "id, number_sealed",
            "users": "id, email, password_digest",
            "payslip_lines": "payslip_id, position, label, amount",
            "documents": "id, path, sha256, byte_size",
        }.items()
    }
    assert found == SEEDED
    assert sql(host, "SELECT count(*) FROM pg_largeobject_metadata") == "25"
    owned = "SELECT count(*) FROM pg_depend WHERE objid = 'invoice_numbers'::regclass AND deptype IN ('a', 'i')"
    assert sql(host, owned) == "0"


def test_every_document_is_on_disk_as_its_row_says(host: LabHost):
    rows = sql(host, "SELECT sha256 || '  ' || path FROM documents WHERE id <= 620 AND path NOT LIKE '%\\\\%'")
    assert rows.count("\n") >= 500
    listing = (rows + "\n").encode()
    checked = host.run(["env", "-C", lab.UPLOADS, "sha256sum", "--check", "--strict", "--quiet"], listing)
    assert checked.returncode == 0
    uploads = host.root / lab.UPLOADS.lstrip("/")
    assert (uploads / "latest").readlink() == Path("2026")
    assert (uploads / "2026/handbook.txt").is_symlink()


def test_a_wrong_password_and_a_missing_login_are_refused(site: Site):
    assert site.get("/employees").headers["Location"] == f"https://{lab.HOST_NAME}/login"
    assert site.get("/employees", Accept="application/json").status_code == 401
    assert site.log_in(password="wrong").status_code == 401
    assert site.get("/").status_code == 302
    answer = site.log_in()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"https://{lab.HOST_NAME}/")


@pytest.mark.parametrize("email", [lab.TEST_USER, lab.LOAD_USERS[0], lab.LOAD_USERS[-1]])
def test_users_browse(site: Site, email: str):
    site.log_in(email, lab.TEST_PASSWORD if email == lab.TEST_USER else lab.LOAD_PASSWORD)
    assert f"Signed in as {email}" in site.get("/").text
    for path in ("/employees", "/employees?page=30", "/payslips", "/payslips/36000", "/documents"):
        assert site.get(path).status_code == 200, path
    assert re.search(r"Account ending \d{4}", site.get("/employees/1500").text)
    missing = site.get("/employees/1501")
    assert missing.status_code == 404
    assert "There is no such page" in missing.text
    assert site.post("/logout", {}).status_code == 302
    assert site.get("/").status_code == 302


def test_a_timesheet_is_acknowledged_once_and_its_mail_arrives(host: LabHost, user: Site, sink: MailSink):
    first = user.post("/timesheets", sheet("test-1"))
    assert first.status_code == 201
    assert first.json()["reference"] == "test-1"
    again = user.post("/timesheets", sheet("test-1"))
    assert (again.status_code, again.json()) == (200, first.json() | {"duplicate": True})
    assert user.get("/timesheets/test-1").json()["id"] == first.json()["id"]
    assert user.get("/timesheets/test-2").status_code == 404
    assert sql(host, "SELECT count(*) FROM audit_events WHERE detail ->> 'reference' = 'test-1'") == "1"

    def arrived() -> list[str]:
        return [m["data"] for m in sink.messages() if "Subject: Timesheet test-1 recorded" in m["data"]]

    eventually(arrived)
    (message,) = arrived()
    assert "To: employee7@smallpayroll.test" in message
    assert "X-SmallPayroll-Host: production" in message
    done = "SELECT worked_by FROM jobs WHERE payload ->> 'reference' = 'test-1' AND state = 'done'"
    eventually(lambda: sql(host, done) == "production")


def test_bad_input_is_named_and_a_post_without_token_refused(user: Site):
    bad = user.post("/timesheets", {"reference": "", "employee_id": 0, "work_date": "x", "hours": 25})
    assert bad.status_code == 422
    assert len(bad.json()["errors"]) == 4
    assert user.post("/documents", {}).status_code == 422
    del user.session.headers["X-CSRF-Token"]
    assert user.post("/timesheets", sheet("test-3")).status_code == 422


def test_an_uploaded_file_comes_back_byte_for_byte(host: LabHost, user: Site):
    content = os.urandom(300_000)
    name = 'Größe & "Länge".bin'
    answer = user.post("/documents", {"employee_id": 5}, files={"file": (name, content)})
    assert answer.status_code == 201
    document = answer.json()
    assert (host.root / lab.UPLOADS.lstrip("/") / document["path"]).read_bytes() == content
    back = user.get(f"/documents/{document['id']}/download")
    assert back.content == content
    assert back.headers["Content-Disposition"].startswith("attachment")


def test_a_login_writes_nothing(host: LabHost, site: Site):
    def read_only(value: str) -> None:
        sql(host, f"ALTER ROLE {lab.DATABASE_ROLE} SET default_transaction_read_only = {value}")
        host.run(["systemctl", "restart", *lab.WEB_UNITS])

    read_only("on")
    try:
        assert site.log_in().status_code == 302
        assert site.get("/").status_code == 200
        refused = site.post("/timesheets", sheet("test-4"))
        assert refused.status_code == 500
    finally:
        read_only("off")
    sql(host, f"ALTER ROLE {lab.DATABASE_ROLE} RESET default_transaction_read_only")


def test_nginx_serves_static_and_cached_pages_and_passes_the_headers_on(host: LabHost, user: Site):
    asset = user.get("/assets/payroll.css", **{"Accept-Encoding": "gzip"})
    assert (asset.status_code, asset.headers["Content-Encoding"]) == (200, "gzip")
    assert "Content-Encoding" not in user.get("/assets/payroll.css", **{"Accept-Encoding": "identity"}).headers
    cached = host.root / lab.PUBLIC.lstrip("/").replace("current", f"releases/{lab.RELEASE_NAME}") / "pages/help.html"
    cached.unlink(missing_ok=True)
    first, second = user.get("/pages/help"), user.get("/pages/help")
    assert "X-Request-Id" in first.headers
    assert "X-Request-Id" not in second.headers
    assert first.text == second.text == cached.read_text()
    echo = user.get("/echo", **{"X-Forwarded-For": "192.0.2.9"}).json()
    machine = echo["x_real_ip"]
    assert echo["host"] == lab.HOST_NAME
    assert echo["x_forwarded_for"] == f"192.0.2.9, {machine}"
    log = host.run(["tail", "-n", "1", lab.ACCESS_LOG]).stdout.decode()
    assert log.startswith(f"{machine} - - [")
    assert '"GET /echo HTTP/1.1" 200' in log
    assert "upstream=127.0.0.1:300" in log


def test_every_name_answers_over_https_and_leads_to_the_first(host: LabHost, site: Site, authority: Authority):
    for name in (lab.HOST_NAME, lab.OTHER_NAME):
        assert shown(name, host.address, trust(authority.certificate)).refused is None
        assert "issuer" in str(shown(name, host.address, trust(None)).refused)
        plain = site.get(f"http://{name}/login?a=b")
        assert (plain.status_code, plain.headers["Location"]) == (301, f"https://{name}/login?a=b")
    other = site.get(f"https://{lab.OTHER_NAME}/login?a=b")
    assert (other.status_code, other.headers["Location"]) == (301, f"https://{lab.HOST_NAME}/login?a=b")
    for path in ("/login", "/assets/payroll.css", "/absent", f"https://{lab.OTHER_NAME}/"):
        assert site.get(path).headers["Strict-Transport-Security"] == "max-age=31536000", path
    keys = host.run(["stat", "-c", "%a %U", lab.CERTIFICATE_KEY, lab.CERTIFICATE]).stdout.decode()
    assert keys.splitlines() == ["600 root", "644 root"]


def test_without_the_pack_people_get_the_error_page(host: LabHost, site: Site):
    host.run(["systemctl", "stop", lab.WEB_UNITS[0]])
    try:
        # The other server takes over.
        assert {site.get("/healthz").json()["port"] for _ in range(4)} == {lab.WEB_PORTS[1]}
        host.run(["systemctl", "stop", lab.WEB_UNITS[1]])
        answer = site.get("/")
        assert answer.status_code == 502
        assert "SmallPayroll could not answer" in answer.text
    finally:
        host.run(["systemctl", "start", *lab.WEB_UNITS])
    eventually(lambda: site.get("/healthz").status_code == 200)


def test_postgresql_wants_the_password_and_reporting_cannot_write(host: LabHost):
    def connect(role: str, password: str, query: str) -> subprocess.CompletedProcess[bytes]:
        psql = ["env", f"PGPASSWORD={password}", "psql", "-qAtX", "-h", "127.0.0.1", "-U", role, lab.DATABASE]
        return host.run([*psql, "-v", "ON_ERROR_STOP=1"], query.encode(), check=False)

    right = connect(lab.DATABASE_ROLE, lab.DATABASE_PASSWORD, "SELECT 1")
    assert right.stdout == b"1\n"
    assert b"password authentication failed" in connect(lab.DATABASE_ROLE, "wrong", "SELECT 1").stderr
    reading = "SELECT count(*) > 0 FROM payslips"
    assert connect(lab.READ_ONLY_ROLE, lab.READ_ONLY_PASSWORD, reading).stdout == b"t\n"
    writing = "SET default_transaction_read_only = off; DELETE FROM settings"
    refused = connect(lab.READ_ONLY_ROLE, lab.READ_ONLY_PASSWORD, writing)
    assert b"permission denied" in refused.stderr
    first = sql(
        host, "SELECT type, database, user_name, auth_method FROM pg_hba_file_rules ORDER BY line_number LIMIT 1"
    )
    assert first == f"host|{{{lab.DATABASE}}}|{{all}}|scram-sha-256"


def test_another_secret_is_noticed(host: LabHost, site: Site):
    def secret(old: str, new: str) -> None:
        host.run(["sed", "-i", f"s/{old}/{new}/", lab.ENV_FILE])
        host.run(["systemctl", "restart", *lab.WEB_UNITS])

    secret("=1ab0", "=2ab0")
    try:
        health = site.get("/healthz")
        assert health.status_code == 503
        assert health.json()["status"] == "failing"
        assert "does not open" in health.json()["seal"]
    finally:
        secret("=2ab0", "=1ab0")
    assert site.get("/healthz").status_code == 200


def test_the_bundle_is_satisfied_and_a_missing_gem_is_named(host: LabHost):
    def bundle() -> subprocess.CompletedProcess[bytes]:
        return host.run(["runuser", "-u", lab.APP_USER, "--", "env", "-C", lab.CURRENT, "bundle", "check"], check=False)

    assert bundle().returncode == 0
    linked = host.run(
        ["sh", "-c", "ldd /var/lib/gems/3.1.0/extensions/*/*/payroll_seal-*/payroll_seal/payroll_seal.so"]
    )
    assert b"libcrypto.so" in linked.stdout
    specification = next(host.root.glob("var/lib/gems/3.1.0/specifications/payroll_tax-*.gemspec"))
    text = specification.read_text()
    specification.unlink()
    try:
        missing = bundle()
        assert missing.returncode != 0
        assert b"payroll_tax" in missing.stdout + missing.stderr
    finally:
        specification.write_text(text)


def test_the_cron_job_leaves_its_marks(host: LabHost):
    before = int(sql(host, "SELECT count(*) FROM audit_events WHERE actor = 'cron'"))
    command = (host.root / lab.CRON_FILE.lstrip("/")).read_text().partition("* * * * * payroll ")[2].strip()
    host.run(["runuser", "-u", lab.APP_USER, "--", "sh", "-c", command])
    assert int(sql(host, "SELECT count(*) FROM audit_events WHERE actor = 'cron'")) > before
    last = sql(host, "SELECT detail FROM audit_events WHERE actor = 'cron' ORDER BY happened_at DESC LIMIT 1")
    assert json.loads(last) == {"host": "production"}
    log = (host.root / lab.SHARED.lstrip("/") / "log/cron.log").read_text()
    assert re.fullmatch(r"\S+Z production minutely", log.splitlines()[-1])


def test_a_mail_that_cannot_go_out_is_tried_again(host: LabHost, user: Site, sink: MailSink):
    sink.stop()
    try:
        assert user.post("/timesheets", sheet("test-6")).status_code == 201
        failing = "SELECT attempts FROM jobs WHERE payload ->> 'reference' = 'test-6' AND state = 'waiting'"
        eventually(lambda: int(sql(host, failing)) > 0)
    finally:
        sink.start()
        # The sink's namespace is a new one, with a new hardware address.
        host.run(["ip", "neigh", "flush", "all"])
    done = "SELECT count(*) FROM jobs WHERE payload ->> 'reference' = 'test-6' AND state = 'done'"
    eventually(lambda: sql(host, done) == "1")


def test_a_reboot_brings_everything_back(host: LabHost, user: Site):
    assert user.post("/timesheets", sheet("test-7")).status_code == 201
    host.stop()
    host.start()
    assert user.get("/healthz").status_code == 200
    # The session outlives the server that made it: it is in the cookie.
    assert user.get("/timesheets/test-7").status_code == 200


def test_gems_have_the_same_bytes_every_time(host: LabHost, tmp_path: Path):
    root = images.production_packages()
    gems.build(tmp_path / "one", root)
    gems.build(tmp_path / "two", root)
    one, two = (sorted((tmp_path / name / "gems").glob("*.gem")) for name in ("one", "two"))
    assert [path.name.rpartition("-")[0] for path in one] == sorted(gems.NAMES)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert (tmp_path / "one" / "specs.4.8.gz").exists()
    assert not list((root / "mnt").iterdir())
