"""What the policy and the list say of one address, put together for `nullsender policy explain`."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from nullsender.address import canonical
from suppression.policy.explaining import Mail, Stands, what_comes_next, what_is_counted, why_it_stops
from suppression.policy.scopes import mail_of
from suppression.records import Entry
from suppression.store.soft_read import StoreSoft
from suppression.store.store import Store


class AboutEntry(msgspec.Struct, frozen=True):
    """One entry that stands."""

    id: int
    cause: str
    scope: str
    words: str
    stops: bool
    why: str


class About(msgspec.Struct, frozen=True):
    """All of it."""

    address: str
    tenant: str
    mail: str
    allowed: bool
    policy: str
    scopes: Sequence[str]
    entries: Sequence[AboutEntry]
    soft: Mapping[str, Sequence[str]]  # what is counted, by the mail that it is counted on
    next: Mapping[str, str]  # what each kind of report would do


def about(store: Store, mail: Mail, address: str, now: datetime) -> About:
    """What there is to say; `Invalid` where the address is none, `Transient` where the list can not be asked."""
    name, policy = canonical(address), store.policy
    found = store.entries_of(mail.tenant, name)
    entries = [_about_entry(entry, *why_it_stops(entry.scope, mail, policy)) for entry in found]
    soft = StoreSoft.beside(store).soft_of(mail.tenant, name)
    scopes = policy.scopes_of(*mail)
    stands = [Stands(entry.cause, entry.scope, entry.standing()) for entry in found]
    return About(
        address=name,
        tenant=mail.tenant,
        mail=mail.words,
        allowed=not any(entry.stops for entry in entries),
        policy=policy.version,
        scopes=scopes,
        entries=entries,
        soft={mail_of(scope): list(what_is_counted(scope, one, policy, mail.tenant, now)) for scope, one in soft.items()},
        next=dict(what_comes_next(mail, stands, soft, policy, now)),
    )


def _about_entry(entry: Entry, stops: bool, why: str) -> AboutEntry:
    until = "for good" if entry.expires is None else f"until {entry.expires:%Y-%m-%d %H:%M} UTC"
    provisional = ", provisional" if entry.provisional else ""
    words = f"{entry.cause} on {entry.scope} since {entry.since:%Y-%m-%d %H:%M} UTC {until}{provisional} (entry {entry.id}): "
    return AboutEntry(entry.id, entry.cause.value, entry.scope, words + entry.reason, stops, why)
