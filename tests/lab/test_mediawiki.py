"""A lab that holds MediaWiki: people log in through nginx, write, upload and read back; jobs run; kept writes are found again."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from fixtures.connect.tls import trust
from fixtures.connect.web import FixedAddress
from fixtures.errors import GonogoError
from fixtures.lab import control, faults
from fixtures.lab.places import AUTHORITY
from fixtures.lab.production import handbook, mediawiki
from fixtures.lab.users import ledger
from fixtures.lab.users.wiki import hidden_fields
from tests.labsite import Done, Site

NAME = "wiki"
BASE = f"https://{mediawiki.HOST_NAME}"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    made = Site(NAME)
    made.down()
    yield made
    made.down()


@pytest.fixture(scope="module")
def up(site: Site) -> Done:
    return site.up(rehearsed=False, ttl=None, production="mediawiki")


class Person:
    """Somebody with a browser."""

    def __init__(self) -> None:
        lab = control.lab_status(NAME)
        address = next(host.address for host in lab.hosts if host.name == "production")
        self.session = requests.Session()
        self.session.trust_env = False
        for scheme in ("http", "https"):
            route = FixedAddress(address, trust(lab.directory / AUTHORITY))
            self.session.mount(f"{scheme}://{mediawiki.HOST_NAME}", route)

    def get(self, path: str) -> requests.Response:
        return self.session.get(f"{BASE}{path}", timeout=60, allow_redirects=False)

    def fill(self, form: str, having: str, **more: object) -> requests.Response:
        """Fill in the form that a page has: the fields are those of *more*, `wpUploadFile` is a file."""
        files = {"wpUploadFile": more.pop("wpUploadFile")} if "wpUploadFile" in more else None
        data = {**hidden_fields(self.get(form).text, having), **more}
        return self.session.post(f"{BASE}{form}", data=data, files=files, timeout=60, allow_redirects=False)  # type: ignore[arg-type]

    def log_in(self, password: str) -> requests.Response:
        page = "/w/index.php?title=Special:UserLogin"
        return self.fill(page, "wpPassword", wpName=mediawiki.TEST_USER, wpPassword=password, wploginattempt="Log in")


@pytest.fixture(scope="module")
def clara(up: Done) -> Person:
    person = Person()
    answer = person.log_in(mediawiki.TEST_PASSWORD)
    assert answer.status_code == 302, answer.text
    return person


def rows(site: Site, query: str) -> str:
    command = f"cd /; runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 {mediawiki.DATABASE} <<'E'\n{query}\nE\n"
    return site.on("production", command).strip()


def test_up_says_that_there_is_no_plan_and_how_to_draft_one(site: Site, up: Done):
    script = site.plan_path.with_name("discover.sh")
    assert f"no plan for mediawiki yet.\nsurvey its production and draft one: sh {script}" in up.out
    assert not site.plan_path.exists()
    status = site.gonogo("lab", "status", "--name", NAME)
    assert "mediawiki" in status.out
    assert str(script) in status.out


def test_its_name_leads_to_production_and_the_site_begins_with_https(up: Done):
    anybody = Person()
    plain = anybody.session.get(f"http://{mediawiki.HOST_NAME}/wiki/Main_Page", timeout=60, allow_redirects=False)
    assert (plain.status_code, plain.headers["Location"]) == (301, f"{BASE}/wiki/Main_Page")
    assert "Welcome to the handbook" in anybody.get("/wiki/Main_Page").text
    for path in ("/w/LocalSettings.php", "/w/maintenance/runJobs.php", "/w/cache/", "/w/images/nothing.png", "/else"):
        assert anybody.get(path).status_code == 404, path


def test_the_handbook_holds_pages_with_revisions_and_pictures(site: Site, up: Done):
    schema = mediawiki.SCHEMA
    counts = rows(site, f"SELECT count(*) FROM {schema}.page UNION ALL SELECT count(*) FROM {schema}.revision")
    pages, revisions = map(int, counts.split())
    assert pages > handbook.PAGES
    assert revisions > 2 * handbook.PAGES
    assert Person().get(f"/wiki/File:{quote(handbook.picture_name(1).replace(' ', '_'))}").status_code == 200
    files = site.on("production", f"find {mediawiki.UPLOADS} -name '*.png' -not -path '*/thumb/*' | wc -l")
    assert int(files) >= handbook.PICTURES


def test_a_wrong_password_is_no_login(up: Done):
    somebody = Person()
    assert somebody.log_in("wrong").status_code == 200
    assert '"wgUserName":null' in somebody.get("/wiki/Main_Page").text


def test_nobody_writes_without_a_login(up: Done):
    page = Person().get("/w/index.php?title=Parking_006&action=edit").text
    assert ('name="wpTextbox1"' in page, 'name="wpSave"' in page) == (True, False), "the source may be read"


def test_who_is_logged_in_writes_uploads_and_reads_back(clara: Person):
    assert f'"wgUserName":"{mediawiki.TEST_USER}"' in clara.get("/wiki/Main_Page").text
    picture = handbook.picture(4711)
    file = ("drawn.png", picture, "image/png")
    page = "/w/index.php?title=Special:Upload"
    sent = clara.fill(
        page, "wpUploadFile", wpUploadFile=file, wpDestFile="Ladder é.png", wpUploadDescription="", wpUpload="Upload file"
    )  # fmt: skip
    assert sent.status_code == 302, sent.text
    shown = clara.get("/wiki/File:Ladder_%C3%A9.png").text
    place = next(part.partition('"')[0] for part in shown.split('href="') if part.startswith("/w/images/"))
    assert clara.get(place).content == picture

    text = "Hold the ladder — é ✓ [[File:Ladder é.png]] [[Parking 006]]"
    edit = "/w/index.php?title=Ladders&action=submit"
    assert clara.fill(edit, "wpTextbox1", wpTextbox1=text, wpSave="Save changes").status_code == 302
    assert "Hold the ladder — é ✓" in Person().get("/wiki/Ladders").text


def test_the_job_runner_brings_links_up_to_date(site: Site, clara: Person):
    schema, title = mediawiki.SCHEMA, "Parking_006"
    edit = "/w/index.php?title=Stairs&action=submit"
    text = f"See [[{title}]]."
    assert clara.fill(edit, "wpTextbox1", wpTextbox1=text, wpSave="Save changes").status_code == 302
    query = (
        f"SELECT (SELECT count(*) FROM {schema}.job), (SELECT count(*) FROM {schema}.pagelinks JOIN {schema}.page "
        f"ON page_id = pl_from WHERE page_title = 'Stairs' AND pl_title = '{title}')"
    )
    deadline = time.monotonic() + 60
    while rows(site, query) != "0|1":
        assert time.monotonic() < deadline, rows(site, query)
        time.sleep(0.5)


def test_users_write_and_what_was_acknowledged_is_found_again(site: Site, up: Done):
    path = control.lab_status(NAME).directory / "ledger.jsonl"
    control.lab_call(NAME, "users", "start")
    deadline = time.monotonic() + 60

    def seen() -> list[ledger.Request]:
        return ledger.read(path) if path.exists() else []

    kinds = {"login", "page", "asset", "document", "edit", "upload"}
    while not kinds <= {request.kind for request in seen()} or len(ledger.acknowledged(seen())) < 10:
        assert time.monotonic() < deadline, seen()[-5:]
        time.sleep(0.5)
    control.lab_call(NAME, "users", "stop")
    assert all(request.answered for request in seen())
    held = set(rows(site, mediawiki.MEDIAWIKI.references).split())
    assert ledger.acknowledged(seen()) <= held


def test_the_target_could_install_it(site: Site, up: Done):
    names = site.on(
        "production", "curl -sf http://supplies.lab.test/debian/Packages | sed -n 's/^Package: //p'"
    ).split()
    assert {"mediawiki", "php8.2-fpm", "php8.2-pgsql", "nginx", "postgresql-15", "imagemagick"} <= set(names)
    assert "apache2" not in names


def test_its_production_can_be_surveyed(site: Site, up: Done):
    directory = site.plan_path.parent
    done = subprocess.run(["sh", directory / "discover.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stored = json.loads((directory / "undecided.survey.json").read_text())
    assert stored["host"] == control.lab_status(NAME).hosts[0].address
    page: Path = directory / "survey.html"
    for secret in (mediawiki.DATABASE_PASSWORD, mediawiki.SECRET_KEY, mediawiki.UPGRADE_KEY):
        assert secret not in page.read_text() + json.dumps(stored) + (directory / "undecided.toml").read_text()


def test_faults_are_smallpayrolls(up: Done):
    with pytest.raises(GonogoError, match="a lab that holds smallpayroll"):
        faults.break_it(NAME, "ttl-one-day")


def test_a_lab_that_holds_another_production_is_not_what_is_wanted(up: Done):
    with pytest.raises(GonogoError, match="mediawiki, the first variant, which is up"):
        control.lab_up(NAME, progress=lambda _: None)


def test_its_ttl_can_be_set(site: Site, up: Done):
    done = site.gonogo("lab", "up", "--name", NAME, "--production", "mediawiki", "--ttl", "20")
    assert done.code == 0, done.out
