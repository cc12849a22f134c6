"""Lookups as commands open them: over the list, and the table that this machine's follower keeps."""

from typing import TYPE_CHECKING

from api.lookup import AskedStore, Lookup, open_lookup
from api.view import View, view_of
from nullsender.cli import parts
from nullsender.config import Settings
from nullsender.errors import Invalid, Misconfigured

if TYPE_CHECKING:
    from api.refusals import Refusals
    from suppression.store.store import Store


def refusals_of(store: "Store") -> "Refusals":
    """What keeps when mail to those who unsubscribed was first refused."""
    from api.refusals import Refusals  # these two speak SQL, which a lookup in memory is spared
    from suppression.store.unsubscribes import StoreUnsubscribes

    return Refusals(StoreUnsubscribes.beside(store), parts.CLOCK)


def lookup_of(settings: Settings, store: AskedStore, refusals: "Refusals | None" = None) -> Lookup:
    """What answers whether mail may be sent; `refusals` are told of whom an unsubscribe stopped mail."""
    return open_lookup(
        store,
        parts.hasher_of(settings),
        settings.index_folder,
        clock=parts.CLOCK,
        staleness_seconds_max=settings.lookup.staleness_seconds_max,
        allow_unknown=views_allowed_unknown(settings),
        **({} if refusals is None else {"on_unsubscribed": refusals.note}),
    )


def views_allowed_unknown(settings: Settings) -> frozenset[View]:
    """The views whose mail goes when nobody can tell (`lookup.allow_unknown`); `Misconfigured` where one is none."""
    try:
        return frozenset(view_of(word) for word in settings.lookup.allow_unknown)
    except Invalid as mistake:
        raise Misconfigured(f"lookup.allow_unknown: {mistake}") from mistake
