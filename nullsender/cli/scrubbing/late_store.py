"""The list, opened when it is asked: where the lookup table is fresh it seldom is, and what speaks SQL takes long to load."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nullsender.cli import parts
from nullsender.config import Settings
from suppression.records import Entry

if TYPE_CHECKING:
    from suppression.store.store import Store


class LateStore:
    """As much of the list as a lookup asks for."""

    def __init__(self, settings: Settings) -> None:
        """`Invalid` where there is no list, `Misconfigured` where its policy or its keys can not be read."""
        parts.require_list(settings)
        self._settings = settings
        self.policy = parts.policy_of(settings)
        self.key_fingerprint = parts.hasher_of(settings).fingerprint()

    @cached_property
    def opened(self) -> "Store":
        """The list itself."""
        from nullsender.cli import store_parts

        return store_parts.open_store_to_look(self._settings)

    def check_hashes(self, tenant: str, scopes: Sequence[str], hashes: Collection[bytes]) -> Mapping[bytes, Entry]:
        """The entry that stops the mail, for each hash of which one does. `Transient` where the list can not be asked."""
        return self.opened.check_hashes(tenant, scopes, hashes)
