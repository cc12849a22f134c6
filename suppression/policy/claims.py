"""What a report asks of the list: which cause, on which scope, and whether it is proven."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

import msgspec

from nullsender.events import Fault, Outcome, Proof, Report, Result
from suppression.policy.in_force import Policy
from suppression.policy.scopes import scope_for
from suppression.policy.settings import PolicySettings
from suppression.policy.words import Cause


class Reach(NamedTuple):
    """What an outcome asks for."""

    cause: Cause
    only_for_fault: Fault | None


REACH: Mapping[Result, Reach | None] = {
    Result.HARD: Reach(Cause.HARD, Fault.RECIPIENT),
    Result.SOFT: Reach(Cause.SOFT, Fault.RECIPIENT),
    Result.COMPLAINT: Reach(Cause.COMPLAINT, None),
    Result.UNSUBSCRIBE: Reach(Cause.UNSUBSCRIBE, None),
    Result.NONE: None,
}
assert REACH.keys() == set(Result)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks of the list: an entry of this cause on this scope."""

    cause: Cause
    scope: str
    at: datetime  # when the report reached us, or the operator spoke
    proven: bool  # an unproven claim makes a provisional entry
    expires: datetime | None = None


def claim_of(outcome: Outcome, received_at: datetime, policy: Policy) -> Claim | str:
    """What `outcome` asks of the list, or in words why it asks for nothing.

    A soft outcome asks for nothing alone; its claim says on which scope it is a strike (`soft.py`).
    """
    report, decision = outcome.report, outcome.decision
    settings = policy.settings_for(report.tenant, report.stream)
    reach = REACH[decision.outcome]
    if reach is None:
        return "the outcome is none"
    if report.withheld:
        return f"withheld: {report.withheld}"
    if reach.only_for_fault not in (None, decision.fault):
        return f"the fault is the {decision.fault}'s" if decision.fault else "nobody knows whose fault it is"
    if reach.cause is Cause.SOFT and not settings.soft_limit_of(decision.category):
        return f"the policy does not count {decision.category}"
    proven = counts_as_proven(report, settings)
    if not proven and settings.unproven == "ignore":
        return "nothing ties the report to mail that we sent"
    scope = scope_for(settings.breadth_of(reach.cause), report.stream, report.mailing_list)
    return claim_for(reach.cause, scope, received_at, proven=proven, settings=settings)


def claim_for(cause: Cause, scope: str, at: datetime, *, proven: bool, settings: PolicySettings) -> Claim:
    """The claim of a report that may make one."""
    expires = None if proven else at + timedelta(days=settings.provisional_days)
    return Claim(cause=cause, scope=scope, at=at, proven=proven, expires=expires)


def counts_as_proven(report: Report, settings: PolicySettings) -> bool:
    """Whether `report` acts in full."""
    return report.proof is not Proof.NONE or settings.unproven == "full"


def source_of(ip: str) -> str:
    """Whose cap a report counts against: the address, or for IPv6 its /64, which is what one host is given."""
    try:
        address = ip_address(ip)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ip_network((int(address), 64), strict=False))
    return str(address)
