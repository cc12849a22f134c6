"""Whose list is asked about which mail: a tenant, and the stream that the mail goes out on.

In one word, as settings and mail servers name it: `marketing` (a stream of the tenant `default`), `acme/marketing`, `acme/*`
(no stream: only entries that stop all mail count), `*`.
"""

from typing import NamedTuple

from nullsender.errors import Invalid
from nullsender.names import canonical_name

DEFAULT_TENANT = "default"
NO_STREAM = "*"


class View(NamedTuple):
    """One tenant's list as mail on one stream sees it; `stream` None: only entries of scope `*` stop it."""

    tenant: str
    stream: str | None

    def __str__(self) -> str:
        return f"{self.tenant}/{self.stream or NO_STREAM}"


def view_of(word: str, *, tenant: str = DEFAULT_TENANT) -> View:
    """The view that `word` names, of `tenant` where it names none; `Invalid` says what is wrong with it."""
    named_tenant, slash, stream = word.strip().rpartition("/")
    if slash:
        tenant = canonical_name(named_tenant)
    if not stream:
        raise Invalid(f"{word!r} names no stream: write STREAM, TENANT/STREAM, or * in place of a stream for none")
    return View(tenant, None if stream == NO_STREAM else canonical_name(stream))
