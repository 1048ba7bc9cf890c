"""boto3 in front of the lab's imitation of Amazon."""

from typing import Any

import boto3

from fixtures.lab.cloud.cloud import Cloud


def client(cloud: Cloud, service: str = "ec2") -> Any:
    """A client of one service, with the lab's own credentials."""
    settings = cloud.settings()
    return boto3.client(
        service,
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id="lab",
        aws_secret_access_key="lab",
    )
