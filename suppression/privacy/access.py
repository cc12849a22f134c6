"""Everything that we hold about one person, in words for that person (GDPR Article 15). Pure."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from suppression.policy.scopes import mail_of
from suppression.privacy.retention import Kept, rules_of
from suppression.records import Change, Entry, Told
from suppression.telling import change_told, report_told
from suppression.unsubscribes.evidence import Unsubscribe

_CAUSES = {
    "complaint": "you told your mail provider that our mail is unwanted",
    "unsubscribe": "you asked for no more mail",
    "hard": "mail to this address came back: the address does not take mail",
    "soft": "mail to this address came back several times",
    "manual": "somebody who works with this list put it there",
}


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What one tenant's list tells of one address."""

    at: datetime
    tenant: str
    address: str  # as it was asked about
    subject: str  # the keyed hash, in hexadecimal digits
    address_kept: bool  # whether we keep the address itself
    erased: datetime | None  # when it was erased last
    entries: Sequence[Entry]
    history: Sequence[Told | Change]  # newest first
    unsubscribes: Sequence[Unsubscribe]
    has_more: bool  # there is more of a kind than is told here


def text_of(access: Access, kept: Kept) -> str:
    """The report that the person can be sent."""
    return "\n".join([*_opening(access), *_entries(access), *_unsubscribes(access), *_history(access), *_times(kept)])


def _opening(access: Access) -> list[str]:
    lines = [
        f"What we hold about {access.address}, on {access.at:%Y-%m-%d at %H:%M} UTC (list: {access.tenant})",
        "",
        "We keep a list of addresses that mail must not go to. An address is known there by a keyed hash of it.",
        f"Yours is {access.subject}.",
    ]
    if access.erased:
        lines.append(
            f"The address itself and all words about it were erased on {access.erased:%Y-%m-%d}, and are not kept since."
        )
    else:
        lines.append("We also keep the address itself." if access.address_kept else "We do not keep the address itself.")
    if not (access.entries or access.history or access.unsubscribes):
        lines.append("We hold nothing else about it.")
    return lines


def _entries(access: Access) -> list[str]:
    lines = ["", "Why we do not mail you, or did not:"] if access.entries else []
    for entry in access.entries:
        end = (
            f"until {entry.ended:%Y-%m-%d}"
            if entry.ended
            else f"until {entry.expires:%Y-%m-%d}"
            if entry.expires
            else "for good"
        )
        lines.append(f"  - since {entry.since:%Y-%m-%d}, {end}, {mail_of(entry.scope)}: {_CAUSES[entry.cause]}")
    return lines


def _unsubscribes(access: Access) -> list[str]:
    lines = ["", "How you asked for no more mail:"] if access.unsubscribes else []
    for one in access.unsubscribes:
        source = f", from the address {one.ip}" if one.ip else ""
        heeded = f"heeded {one.effective:%Y-%m-%d %H:%M}" if one.effective else f"not heeded: {one.why_not}"
        lines.append(f"  - {one.received:%Y-%m-%d %H:%M}: by {one.channel}{source}; {heeded}")
    return lines


def _history(access: Access) -> list[str]:
    lines = ["", "All that happened, newest first (times in UTC):"] if access.history else []
    for item in access.history:
        at, told = (item.received_at, report_told(item)) if isinstance(item, Told) else (item.at, change_told(item))
        lines += [f"  - {at:%Y-%m-%d %H:%M}  {told[0]}", *(f"      {line}" for line in told[1:])]
    return [*lines, "  There is more than is shown here."] if access.has_more else lines


def _times(kept: Kept) -> list[str]:
    rules = rules_of(kept).values()
    told = [
        f"  - {rule.what}: {f'{rule.days} days' if rule.days else 'as long as it is needed'} ({rule.why})" for rule in rules
    ]
    return ["", "How long we keep what:", *told]
