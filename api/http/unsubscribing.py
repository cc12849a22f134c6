"""What the unsubscribe routes work with."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from api.http.clients import ClientNetwork
from api.http.crowds import Crowds
from nullsender.clock import Clock
from nullsender.limits import UNSUBSCRIBE_REQUESTS_PER_SECOND
from nullsender.signing.keys import SigningKeys
from nullsender.signing.unsubscribe_link import UnsubscribeLinks

ANY_TENANT = "*"


class UnsubscribeSettings(NamedTuple):
    """What the operator says of unsubscribe links."""

    keys: SigningKeys
    url: str  # under which the API is reached from outside
    mailto: str | None = None  # an address of the MX, for those who have no button
    names: Mapping[str, str] = {}  # what senders are called on the page, by tenant; `*` for all others
    proxies: Sequence[ClientNetwork] = ()
    requests_per_second: float = UNSUBSCRIBE_REQUESTS_PER_SECOND  # of one network; 0: no limit


class Unsubscribing:
    """The parts of one process."""

    def __init__(self, settings: UnsubscribeSettings, clock: Clock) -> None:
        self.clock = clock
        self.links = UnsubscribeLinks(settings.keys)
        self.url = settings.url
        self.mailto = settings.mailto
        self.proxies = settings.proxies
        self.crowds = Crowds(clock, per_second=settings.requests_per_second)
        self._names = {tenant.lower(): name for tenant, name in settings.names.items()}

    def name_of(self, tenant: str) -> str | None:
        """What the sender is called on the page."""
        return self._names.get(tenant) or self._names.get(ANY_TENANT)
