"""A zone at Amazon Route 53."""

import logging
import time
from collections.abc import Sequence
from typing import Any

from fixtures.connect.cloud import Cloud, aws_errors
from fixtures.errors import Refused, StepFailed
from fixtures.plan import Dns, DnsRecord
from steps.night.providers import Change

log = logging.getLogger("steps.night.providers")

IN_SYNC = 300.0
"""Seconds that Route 53 gets to say INSYNC; it usually takes one minute."""
_ROUTED = ("AliasTarget", "SetIdentifier", "TrafficPolicyInstanceId", "HealthCheckId")


class Route53:
    """Sends all changes as one batch, and waits until Route 53 says that its name servers have it."""

    patience = 120.0

    def __init__(self, plan: Dns, cloud: Cloud) -> None:
        self.plan = plan
        self.client: Any = cloud.client("route53")

    def change(self, changes: Sequence[Change]) -> None:
        """Replace record sets, all of them or none, after a look at each."""
        with aws_errors(f"changing the zone {self.plan.zone} at Route 53"):
            self._prove_zone()
            for change in changes:
                self._prove_present(change)
            sent = self.client.change_resource_record_sets(
                HostedZoneId=self.plan.hosted_zone,
                ChangeBatch={"Comment": "gonogo", "Changes": [upsert(change) for change in changes]},
            )["ChangeInfo"]
            self._wait_in_sync(sent)

    def _prove_zone(self) -> None:
        found = self.client.get_hosted_zone(Id=self.plan.hosted_zone)["HostedZone"]
        name = str(found["Name"]).rstrip(".")
        private = bool(found.get("Config", {}).get("PrivateZone"))
        if name != self.plan.zone.rstrip(".") or private:
            raise Refused(
                f"the hosted zone {self.plan.hosted_zone}",
                expected=f"the public zone {self.plan.zone}",
                found=f"the {'private' if private else 'public'} zone {name}; nothing was changed",
                remedy="correct dns.hosted_zone in the plan",
            )

    def _prove_present(self, change: Change) -> None:
        record = change.record
        what = f"{record} at Route 53"
        sets = self._sets(record)
        routed = sorted({key for item in sets for key in _ROUTED if key in item})
        if len(sets) > 1 or routed:
            raise Refused(
                what,
                expected="one plain record set",
                found=f"{len(sets)} of them, with {', '.join(routed) or 'the same name'}; nothing was changed",
                remedy="make it a plain record before the window, or set dns.provider to manual",
            )
        held = sorted(item["Value"] for record_set in sets for item in record_set.get("ResourceRecords", []))
        if change.expected is not None and held != sorted(change.expected):
            raise Refused(
                what,
                expected=f"it holds {', '.join(change.expected) or 'nothing'}, as it did when we last asked",
                found=f"{', '.join(held) or 'nothing'}; nothing was changed",
                remedy="find out who changed the record, then run the same command again",
            )

    def _sets(self, record: DnsRecord) -> list[Any]:
        """Every record set of this name and type; Route 53 lists from a name on, in an order of its own."""
        listed = self.client.list_resource_record_sets(
            HostedZoneId=self.plan.hosted_zone, StartRecordName=record.name, StartRecordType=record.type
        )["ResourceRecordSets"]
        name = record.name.rstrip(".").lower()
        return [item for item in listed if (item["Name"].rstrip(".").lower(), item["Type"]) == (name, record.type)]

    def _wait_in_sync(self, sent: Any) -> None:
        deadline = time.monotonic() + IN_SYNC
        log.info("Route 53: change %s is %s", sent["Id"], sent["Status"])
        while (status := self.client.get_change(Id=sent["Id"])["ChangeInfo"]["Status"]) != "INSYNC":
            if time.monotonic() > deadline:
                raise StepFailed(
                    f"the change {sent['Id']} at Route 53",
                    expected=f"INSYNC within {IN_SYNC:.0f} seconds",
                    found=status,
                    remedy="see AWS's own status page; run the same command again, which asks again",
                )
            time.sleep(2)
        log.info("Route 53: change %s is INSYNC", sent["Id"])


def upsert(change: Change) -> dict[str, Any]:
    """One change in Route 53's form."""
    return {
        "Action": "UPSERT",
        "ResourceRecordSet": {
            "Name": change.record.name,
            "Type": change.record.type,
            "TTL": change.ttl,
            "ResourceRecords": [{"Value": value} for value in change.values],
        },
    }
