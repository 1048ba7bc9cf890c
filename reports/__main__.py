"""`python -m reports RUN_DIR`: writes signoff.json, signoff.html, signoff.md and junit.xml into a run's directory."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from fixtures.errors import Refused
from fixtures.run.evidence import JOURNAL, PLAN
from reports import junit, page, signoff, stored


def _write(path: Path, text: str) -> None:
    """A reader sees the old file or the new one, never a part of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write(directory: Path, *, ended: bool = False) -> None:
    """Write all reports of a run. Raises OSError when its directory cannot be written."""
    evidence = stored.read(directory)
    sign = signoff.build(evidence, datetime.now(UTC), ended=ended)
    _write(directory / "signoff.json", sign.model_dump_json(indent=1) + "\n")
    _write(directory / "signoff.html", page.html(sign))
    _write(directory / "signoff.md", page.markdown(sign))
    _write(directory / "junit.xml", junit.text(evidence, sign))


def main(arguments: list[str] | None = None) -> int:
    """Enter from the command line; 0 done, 1 not written, 2 no such run, or one of another format."""
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="a run's directory, wherever it is archived")
    parser.add_argument("--ended", action="store_true", help="nothing is under way any more, however fresh the journal")
    given = parser.parse_args(arguments)
    directory = given.run.resolve()
    if not any((directory / part).exists() for part in (JOURNAL, PLAN, "gates", "records")):
        sys.stderr.write(
            f"the run {given.run}\n  expected: a run's directory\n  found:    no journal, plan, gates or records in it\n"
            "  do:       name a directory below runs/\n"
        )
        return 2
    try:
        write(directory, ended=given.ended)
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(
            f"the reports of {given.run}\n  expected: to write them beside the evidence\n"
            f"  found:    {error.strerror}\n  do:       make the directory writable, or copy it\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
