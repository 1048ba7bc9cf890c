"""The key pair: made here, its public half in the cloud."""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fixtures.connect.cloud import PLAN_TAG, Cloud, aws_errors
from fixtures.errors import Refused, StepFailed
from fixtures.plan import Plan
from fixtures.redaction import know
from steps.step import step

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import TagTypeDef

log = logging.getLogger(__name__)


@step(needs=["source_surveyed"], gives=["key_pair_present"], harmless=True)
def create_key_pair(plan: Plan, cloud: Cloud) -> None:
    """Make the key pair here, keep its private half with mode 0600, and give the cloud the public half."""
    path = plan.resolve(plan.target.key_file)
    with aws_errors("looking for the key pair"):
        names = [{"Name": "key-name", "Values": [plan.target.key_name]}]
        in_cloud = cloud.ec2.describe_key_pairs(Filters=names)["KeyPairs"]  # type: ignore[arg-type]  # a list of them
    if not path.exists():
        if in_cloud:
            raise Refused(
                f"the key pair {plan.target.key_name}",
                expected=f"its private half in {path}",
                found="the cloud holds the public half, but the file is not there",
                remedy="put the private key there, or give another name in target.key_name",
            )
        write_new_key(path)
    if not in_cloud:
        key = _key(path)
        log.info("key pair %s: %s", plan.target.key_name, key.fingerprint)
        with aws_errors("importing the key pair"):
            import_key(cloud, plan.target.key_name, key, [{"Key": PLAN_TAG, "Value": plan.name}])


def import_key(cloud: Cloud, name: str, key: paramiko.PKey, tags: "list[TagTypeDef]") -> None:
    """Give the cloud the public half of a key, under this name."""
    cloud.ec2.import_key_pair(
        KeyName=name,
        PublicKeyMaterial=f"{key.get_name()} {key.get_base64()}".encode(),
        TagSpecifications=[{"ResourceType": "key-pair", "Tags": tags}],
    )


def _key(path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    except (OSError, ValueError, TypeError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
        raise StepFailed(
            f"the private key {path}",
            expected="a private key without passphrase",
            found=error.strerror or "unreadable" if isinstance(error, OSError) else "another file",
            remedy="name another file in target.key_file; one that is not there yet is made",
        ) from None


def write_new_key(path: Path) -> None:
    """Write a new private key, 0600 from its first byte on; raises `FileExistsError` rather than overwrite."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    know(text.decode())
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)  # whole or not at all, and never over another file
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
