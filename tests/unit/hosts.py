"""A host that answers from a table, and what was discovered on one."""

from datetime import UTC, datetime, timedelta

from fixtures.connect.runner import Output
from fixtures.discovery.model import (
    ApplicationFound,
    BackupFound,
    CertificateFound,
    DatabaseFound,
    Directory,
    Discovered,
    PostgreSQLFound,
    RoleFound,
    Site,
    System,
    UnitFound,
)
from fixtures.facts.runtimes.finding import RuntimeFound
from fixtures.plan import Login


class Host:
    """A host that answers by the last word of a command."""

    address = "production.test"

    def __init__(self, answers=None, good=()):
        self.answers, self.good = answers or {}, good

    def check(self, argv, **_):
        return self.answers.get(argv[-1], argv[-1])

    def succeeds(self, argv):
        return argv[-1] in self.good


RUBY = RuntimeFound(
    kind="ruby", version="3.1", program="/usr/bin/ruby", packages=["ruby", "bundler"], bring="index", index="https://gems.test/",
    dependencies={"rails": "6.1"},
)  # fmt: skip
TAKEN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LOGIN = Login(address="198.51.100.10", user="ops", key_file="keys/ops", host_key="ssh-ed25519 AAAA")


def found_host(**changes):
    unit = UnitFound(name="app-web@3001.service", user="app", files=["/etc/systemd/system/app-web@.service"])
    app = ApplicationFound(
        name="app", user="app", home="/home/app", current="/home/app/current", release="/home/app/releases/1",
        environment_files=["/etc/app.env"], settings=["DATABASE_URL"], pack=[unit], listens={unit.name: [3001]}, cron=["/etc/cron.d/app"],
        also_copy=unit.files, runtimes=[RUBY], framework="rails",
        health="/healthz", database="app", role="app", static=["/app.css"],
        cached=["/help"], uploads=[Directory(path="/home/app/shared/uploads", files=3, bytes=9, why="UPLOADS")],
    )  # fmt: skip
    site = Site(
        file="/etc/nginx/sites-available/app", names=["app.test"], listens=["443 ssl"], root="/home/app/current/public",
        access_log="/var/log/nginx/app_log", certificates=[("/etc/tls/app.pem", "/etc/tls/app.key")], ports=[3001],
        page_cache=True,
    )  # fmt: skip
    found = Discovered(
        taken=TAKEN, host="198.51.100.10", operator_address="203.0.113.7", public_address="198.51.100.10",
        system=System(
            os="Debian 12", kernel="6.1", cores=4, memory_mib=8192, time_zone="Europe/Vienna", swap_mib=0,
            addresses=["198.51.100.10"], disks={"/": "40G, 7% used"}, packages={"imagemagick": "6.9", "cron": "3.0"},
            package_count=300, monitoring=["zabbix-agent.service"], log_rotation=[], own_files=[],
        ),
        units=[unit], timers=[], services=["nginx.service"], jobs=[], listeners=["tcp 0.0.0.0:443 (nginx)"], touchpoints=[],
        sites=[site], site=site,
        certificates=[CertificateFound(path="/etc/tls/app.pem", subject="CN=app.test", issuer="CN=x", expires=TAKEN + timedelta(60), trusted=True)],
        application=app,
        postgresql=PostgreSQLFound(
            version="15", port=5432, cluster="main", data_directory="/var/lib/postgresql/15/main",
            databases=[DatabaseFound(name="app", owner="app", bytes=5 << 30, encoding="UTF8", collation="C.UTF-8")],
            roles=[RoleFound(name="app", login=True, superuser=False, password="md5"), RoleFound(name="Odd", login=True, superuser=False, password="none")],
            rules=["host all all 127.0.0.1 255.255.255.255 md5"], archiving=False,
        ),
        redis=None, backup=BackupFound(newest="/backup/app.sql.gz", modified=TAKEN - timedelta(hours=9), bytes=7),
        facts={"os.locale": "C"}, risks=[],
    )  # fmt: skip
    return found.model_copy(update=changes)


class Machine:
    """A host with files, processes, units and sockets, which answers what discovery asks of them.

    `files` maps a path to its text (None: a directory), `links` a path to where it leads; `private` are the files that not
    everybody may read, `writable` the directories that the application's user may write to.
    """

    address = name = "production.test"

    def __init__(
        self, *, files=None, links=None, private=(), writable=(), ps="", unix="", sockets="", installed=(), roots=None
    ):
        self.files, self.links = files or {}, links or {}
        self.private, self.writable, self.installed = private, writable, installed
        self.ps, self.unix, self.sockets = ps, unix, sockets
        self.asked, self.shell = [], self

    def real(self, path):
        for link, to in self.links.items():
            if path == link or path.startswith(f"{link}/"):
                return self.real(to + path[len(link) :])
        return path

    def exists(self, path, kind):
        path = self.real(path)
        directory = self.files.get(path, "") is None or any(one.startswith(f"{path}/") for one in self.files)
        file = isinstance(self.files.get(path), str)
        return {"-d": directory, "-f": file, "-r": file, "-e": file or directory}.get(kind, False)

    def succeeds(self, argv):
        self.asked.append(list(argv))
        return argv[0] == "test" and self.exists(argv[-1], argv[1])

    def read_file(self, path):
        return self.files[self.real(path)]

    def check(self, argv, **_):
        self.asked.append(list(argv))
        command, last = " ".join(map(str, argv)), argv[-1]
        if argv[0] == "ps":
            return self.ps
        if "settings_files" in command or "files that its units name" in command:
            named = [
                f"named {one}\n"
                for one in argv
                if self.files.get(one) is not None and not one.endswith(("uwsgi", ".js"))
            ]
            return "".join([*(f"private {one}\n" for one in self.private), *named])
        if "Prints those of the files" in command:
            return "".join(f"{one}\n" for one in argv if str(one).startswith("/"))
        if "uppermost directories" in command:
            at = argv.index("0") if "0" in argv else argv.index("4")
            below = [one for one in self.writable for where in argv[at + 1 :] if f"{one}/".startswith(f"{where}/")]
            exact = [one for one in self.writable if one in argv[at + 1 :]]
            return "".join(f"{one}\n" for one in dict.fromkeys(exact if argv[at] == "0" else below))
        if "may hold uploads" in command:
            return ""
        if "list-sockets" in command:
            return self.sockets
        if "-type l -exec readlink" in command:
            return "".join(f"{self.real(to)}\n" for link, to in self.links.items() if link.rpartition("/")[0] == last)
        if "readlink" in command:
            return f"{self.real(last)}\n"
        return ""

    def run(self, command, **_):
        self.asked.append([command])
        if command.startswith("ss -lxpH"):
            return Output(0, self.unix.encode(), b"")
        return Output(0, b"", b"")
