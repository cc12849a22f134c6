"""Whom the MX takes mail for, and what each address is there for.

`bounces@`, `complaints@` (`fbl@`) and `unsubscribe@` of our domains, with or without `+anything`, are role addresses; signed
return paths come on top. RFC 5321 4.5.1 wants postmaster@, RFC 2142 abuse@: their mail is read like all the rest.
"""

from collections.abc import Iterable

from ingest.replies import Reply
from ingest.return_path import is_return_path
from nullsender.address import domain_to_ascii
from nullsender.errors import Invalid
from nullsender.log import Topic

#: Which topic the reports of a message go to that does not say itself what it is.
ROLES = {
    "bounces": Topic.BOUNCES,
    "complaints": Topic.COMPLAINTS,
    "fbl": Topic.COMPLAINTS,
    "unsubscribe": Topic.UNSUBSCRIBES,
    "postmaster": Topic.BOUNCES,
    "abuse": Topic.COMPLAINTS,
}


def role_of(address: str) -> Topic | None:
    """The topic that the local part of `address` stands for."""
    local_part = address.rpartition("@")[0] or address
    if is_return_path(local_part):
        return Topic.UNSUBSCRIBES if local_part.lower().startswith("unsubscribe+") else Topic.BOUNCES
    return ROLES.get(local_part.partition("+")[0].lower())


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
