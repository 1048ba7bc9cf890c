"""What the plan's DNS records say while they still name production."""

from fixtures.connect.nameservers import Dns
from fixtures.errors import Refused
from fixtures.plan import Plan
from fixtures.run.records import DnsBefore


def read_before(plan: Plan, dns: Dns) -> DnsBefore:
    """What the primary holds now; raises `Refused` for a record that holds anything but production's address."""
    before = DnsBefore(records={}, ttls={})
    for record in plan.dns.records:
        answer = dns.ask(plan.dns.primary, record.name, record.type)
        own = str(plan.source.address_for(record.type))
        if answer.ttl is None or answer.values != (own,):
            raise Refused(
                f"the record {record} on {plan.dns.primary.name}",
                expected=f"{own}, production's address, and no other",
                found=", ".join(answer.values) or "no such record",
                remedy="mend source.public_address, source.ipv6_address or dns.records in the plan",
            )
        before.records[str(record)] = list(answer.values)
        before.ttls[str(record)] = answer.ttl
    return before
