"""Lookups as commands open them: over the list, and the table that this machine's follower keeps."""

from api.lookup import Lookup, open_lookup
from api.view import View, view_of
from nullsender.cli import parts, store_parts
from nullsender.config import Settings
from nullsender.errors import Invalid, Misconfigured
from suppression.store.store import Store


def lookup_of(settings: Settings, store: Store) -> Lookup:
    """What answers whether mail may be sent."""
    return open_lookup(
        store,
        store_parts.hasher_of(settings),
        settings.index_folder,
        clock=parts.CLOCK,
        staleness_seconds_max=settings.lookup.staleness_seconds_max,
        allow_unknown=views_allowed_unknown(settings),
    )


def views_allowed_unknown(settings: Settings) -> frozenset[View]:
    """The views whose mail goes when nobody can tell (`lookup.allow_unknown`); `Misconfigured` where one is none."""
    try:
        return frozenset(view_of(word) for word in settings.lookup.allow_unknown)
    except Invalid as mistake:
        raise Misconfigured(f"lookup.allow_unknown: {mistake}") from mistake
