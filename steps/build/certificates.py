"""Certificates and their keys, as production has them or as the plan supplies them. A key passes through memory alone."""

from pathlib import Path

from fixtures.connect.host import Host
from fixtures.errors import Refused
from fixtures.plan import Certificate, Plan

SUPPLIED_KEY, SUPPLIED_CERTIFICATE = "0600 root:root", "0644 root:root"
"""Mode and owner of files that did not come from production."""


def place_certificates(plan: Plan, source: Host, target: Host) -> None:
    """Put every certificate of the plan and its key in place; doing it again brings what production renewed."""
    for item in plan.web.certificates:
        for path in (item.certificate, item.key):
            target.check(["mkdir", "-p", "--", str(path.parent)])
        if item.supplied_certificate and item.supplied_key:
            _supply(plan, item, item.supplied_certificate, item.supplied_key, target)
            continue
        for path in (item.certificate, item.key):
            mode_and_owner = source.check(["stat", "-L", "-c", "%a %U:%G", "--", str(path)]).strip()
            mode, owner = placed(mode_and_owner, private=path == item.key)
            target.write_file(str(path), source.read_bytes(str(path)), mode, owner)


def placed(mode_and_owner: str, *, private: bool) -> tuple[str, str]:
    """Mode and owner for the target, from "MODE OWNER:GROUP" on the source; others never read a private key.

    Of the mode only what it says of reading, writing and running is taken over.
    """
    mode, owner = mode_and_owner.split()
    bits = int(mode, 8)
    return f"{bits & (0o770 if private else 0o777):04o}", owner


def _supply(plan: Plan, item: Certificate, certificate: Path, key: Path, target: Host) -> None:
    for path, local, mode_and_owner in (
        (item.certificate, certificate, SUPPLIED_CERTIFICATE),
        (item.key, key, SUPPLIED_KEY),
    ):
        mode, owner = mode_and_owner.split()
        target.write_file(str(path), _read(plan.resolve(local)), mode, owner)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(
            f"the supplied file {path}",
            expected="a readable file",
            found=error.strerror or str(error),
            remedy="correct web.certificates in the plan, or put the file there",
        ) from None
