"""A zone whose primary takes signed updates (RFC 2136, TSIG)."""

from collections.abc import Sequence

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rrset
import dns.tsig
import dns.update

from fixtures.connect.nameservers import TIMEOUT, no_answer, title
from fixtures.errors import Refused, StepFailed
from fixtures.plan import Dns
from steps.night.providers import Change


class Rfc2136:
    """Sends each change to the primary; secondaries follow it."""

    patience = 120.0

    def __init__(self, plan: Dns) -> None:
        self.plan = plan

    def change(self, changes: Sequence[Change]) -> None:
        """Replace record sets on the primary, each by itself, with what it must hold as a prerequisite."""
        for change in changes:
            self._update(change)

    def _update(self, change: Change) -> None:
        primary = self.plan.primary
        what = f"{change.record} on {title(primary)}"
        message = self._message(change)
        try:
            response = dns.query.tcp(message, str(primary.address), timeout=2 * TIMEOUT, port=primary.port)
        except dns.tsig.PeerError as error:
            code = f"TSIG error {type(error).__name__}"
        except (dns.exception.FormError, dns.tsig.BadSignature):
            # So answers a server that does not know the key. What it says cannot be trusted.
            code = "an answer that the key did not sign, or a broken one"
        except (OSError, EOFError, dns.exception.DNSException) as error:
            raise no_answer(what, error) from None
        else:
            if response.rcode() == dns.rcode.NOERROR:
                return
            code = dns.rcode.to_text(response.rcode())
        if code in ("NXRRSET", "YXRRSET", "NXDOMAIN", "YXDOMAIN"):
            raise Refused(
                what,
                expected=f"it holds {', '.join(change.expected or ()) or 'nothing'}, as it did when we last asked",
                found=f"something else ({code}); nothing was changed",
                remedy="find out who changed the record, then run the same command again",
            )
        raise StepFailed(
            f"the update of {what}",
            expected="NOERROR",
            found=code,
            remedy="the record was most likely not changed; see that the server allows updates with the plan's TSIG key, its name, algorithm and secret",
        )

    def _message(self, change: Change) -> dns.update.UpdateMessage:
        key = self.plan.tsig
        assert key is not None, "the plan has one with this provider"
        try:
            ring = {dns.name.from_text(key.name): dns.tsig.Key(key.name, key.secret.reveal(), key.algorithm)}
        except ValueError:
            raise Refused(
                f"TSIG key {key.name}",
                expected="a secret in base64",
                found="something else",
                remedy=f"correct it: {key.secret}",
            ) from None
        message = dns.update.UpdateMessage(
            self.plan.zone, keyring=ring, keyname=dns.name.from_text(key.name), keyalgorithm=key.algorithm
        )
        owner, kind = dns.name.from_text(change.record.name), change.record.type
        if change.expected is not None and not change.expected:
            message.absent(owner, kind)
        elif change.expected is not None:
            message.present(owner, dns.rrset.from_text_list(owner, 0, "IN", kind, list(change.expected)).to_rdataset())
        message.replace(
            owner, dns.rrset.from_text_list(owner, change.ttl, "IN", kind, list(change.values)).to_rdataset()
        )
        return message
