"""Whom the MX takes mail for: role addresses and signed return paths of our domains, and nobody else."""

from collections.abc import Iterable

from ingest.mx.replies import Reply
from ingest.roles import role_of
from nullsender.address import domain_to_ascii
from nullsender.errors import Invalid


class Recipients:
    """Says of each RCPT whether it is ours. `domains` are A-labels in lower case, as settings give them."""

    def __init__(self, domains: Iterable[str], *, accept_unknown: bool = False) -> None:
        self._domains = frozenset(domains)
        self._accept_unknown = accept_unknown

    def refusal(self, address: str) -> Reply | None:
        """Why mail for `address` is not taken, or None where it is."""
        _, at, domain = address.rpartition("@")
        if not at:
            # RFC 5321 4.1.1.3: postmaster may stand without a domain, and nobody else.
            return None if address.lower() == "postmaster" else Reply.BAD_RECIPIENT
        if not self._is_ours(domain):
            return Reply.RELAYING_DENIED
        if self._accept_unknown or role_of(address) is not None:
            return None
        return Reply.NO_SUCH_MAILBOX

    def _is_ours(self, domain: str) -> bool:
        try:
            return domain_to_ascii(domain.rstrip(".")) in self._domains
        except Invalid:
            return False
