"""The policy as a whole: the settings of every tenant and stream, and the version that the history names."""

from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from suppression.policy.scopes import scopes_of_mail
from suppression.policy.settings import PolicySettings

BUILT_IN = "built-in"
_FINGERPRINT_BYTES = 4  # enough to see that something was changed and the name was not


class Policy:
    """What is in force. `overrides` holds what differs from `default`, by tenant and stream (None: the whole tenant).

    `version` is its name with a fingerprint of all that it says.
    """

    def __init__(
        self,
        default: PolicySettings | None = None,
        overrides: Mapping[tuple[str, str | None], PolicySettings] | None = None,
        *,
        name: str = BUILT_IN,
    ) -> None:
        self.default = default or PolicySettings()
        self.overrides = overrides or {}
        self.version = f"{name} {self._fingerprint()}"

    def settings_for(self, tenant: str, stream: str | None) -> PolicySettings:
        """What holds for the mail of a stream: what is said of it, else of its tenant, else of all."""
        if not self.overrides:
            return self.default
        return self.overrides.get((tenant, stream)) or self.overrides.get((tenant, None)) or self.default

    def settings_of_scope(self, tenant: str, scope: str) -> PolicySettings:
        """What holds for what is counted on a scope: a stream's own settings on that stream, the tenant's elsewhere."""
        return self.settings_for(tenant, scope)

    def is_transactional(self, tenant: str, stream: str | None) -> bool:
        """Whether the stream is one of those that a complaint does not stop; mail of no named stream is not."""
        return stream is not None and stream in self.settings_for(tenant, None).transactional

    def scopes_of(self, tenant: str, stream: str | None = None, mailing_list: str | None = None) -> tuple[str, ...]:
        """Every scope whose entries stop such mail, widest first."""
        return scopes_of_mail(stream, mailing_list, transactional=self.is_transactional(tenant, stream))

    def _fingerprint(self) -> str:
        said = [(list(map(str, where)), what) for where, what in sorted(self.overrides.items(), key=str)]
        text = msgspec.json.encode([self.default, said], order="sorted")
        return blake2b(text, digest_size=_FINGERPRINT_BYTES).hexdigest()
