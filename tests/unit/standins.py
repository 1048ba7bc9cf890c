"""Stand-ins for applications: a user of this very machine, a plan that names what lies in a directory, and a wheel."""

import base64
import hashlib
import subprocess
import zipfile

from fixtures.plan import parse_plan
from tests.unit.answers import ThisMachine
from tests.unit.example import EXAMPLE, EXAMPLE_TEXT


def plan_of(directory, runtime="", migrations=""):
    """The example plan, its release and environment file in a directory, its user root."""
    (directory / "app.env").write_text('GREETING="good day"\nEMPTY=\n# no setting\nexport IGNORED=1\n')
    text = EXAMPLE_TEXT
    begin, middle, end = text.index("[[runtime]]"), text.index("[migrations]"), text.index("[postgresql]")
    text = f"{text[:begin]}{runtime}\n{migrations}\n{text[end:]}" if middle < end else text
    for before, after in (
        ('user = "payroll"', 'user = "root"'),
        ('home = "/home/payroll"', f'home = "{directory}"'),
        ('current = "/home/payroll/current"', f'current = "{directory}"'),
        ('"/etc/smallpayroll.env"', f'"{directory}/app.env"'),
    ):
        assert before in text, before
        text = text.replace(before, after)
    return parse_plan(text, EXAMPLE)


def wheel(directory, name, version, files):
    """Write a wheel of these files (path -> text) into a directory, with the RECORD that pip wants."""
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {
        path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        for path, text in files.items()
    }
    record = [f"{path},sha256={digests[path]},{len(text)}" for path, text in files.items()]
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(directory / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,", ""]))


class Looking(ThisMachine):
    """This machine, for finders."""

    def check(self, argv, **_):
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def succeeds(self, argv):
        return subprocess.run(argv, check=False, capture_output=True).returncode == 0
