"""Puts an empty object into the backups' bucket as the target's own job would: `put_object.py JOB CONFIGURATION NAME`.

It runs on the target, with what is installed there.
"""

import json
import runpy
import sys
from pathlib import Path


def main(job: str, configuration: str, name: str) -> None:
    """Put the object; ends with what S3 said where it refused."""
    try:
        facts = json.loads(Path(configuration).read_text(encoding="utf-8"))
        runpy.run_path(job)["Bucket"](facts).put(name, b"")
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
