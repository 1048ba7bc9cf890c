"""A zone with one record, and stand-ins for who serves and changes it."""

from fixtures.connect.nameservers import DnsAnswer
from fixtures.plan import Dns as DnsPlan
from fixtures.plan import DnsRecord

APP = DnsRecord(name="app.example.test", type="A")
OLD, NEW = "192.0.2.1", "192.0.2.9"


class Amazon:
    """What boto3's client would say."""

    def __init__(self, *sets, zone="example.test.", private=False, pending=0):
        self.sets, self.zone, self.private, self.pending, self.sent = list(sets), zone, private, pending, []

    def client(self, service):
        assert service == "route53"
        return self

    def get_hosted_zone(self, **asked):
        return {"HostedZone": {"Name": self.zone, "Config": {"PrivateZone": self.private}}}

    def list_resource_record_sets(self, **asked):
        return {"ResourceRecordSets": self.sets}

    def change_resource_record_sets(self, **asked):
        self.sent.append((asked["HostedZoneId"], asked["ChangeBatch"]["Changes"]))
        return {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING"}}

    def get_change(self, **asked):
        self.pending -= 1
        return {"ChangeInfo": {"Id": asked["Id"], "Status": "PENDING" if self.pending >= 0 else "INSYNC"}}


ZONE = DnsPlan.model_validate(
    {
        "provider": "route53",
        "hosted_zone": "Z123",
        "zone": "example.test",
        "primary": {"name": "ns1", "address": "127.0.0.1"},
        "ttl": 60,
        "records": [APP.model_dump()],
    }
)


class Scripted:
    """Name servers whose answers follow a script: the last one stays."""

    def __init__(self, *answers, plan=ZONE):
        self.plan, self.answers = plan, list(answers)

    def ask(self, server, name, rdtype):
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        values, ttl = found
        return DnsAnswer(server.name, tuple(values), ttl, authoritative=True, exists=True)
