"""Whose list is asked about which mail: a tenant, the stream that the mail goes out on, and the mailing list that it is for.

In one word, as settings and mail servers name it: `marketing` (a stream of the tenant `default`), `acme/marketing`, `acme/*`
(no stream: only entries that stop all mail count), `*`; with a mailing list `marketing:weekly`, `acme/*:weekly`.
"""

from typing import NamedTuple

from nullsender.errors import Invalid
from nullsender.names import canonical_name

DEFAULT_TENANT = "default"
NO_STREAM = "*"


class View(NamedTuple):
    """One tenant's list as mail on one stream, and of one mailing list, sees it; None: it is of none."""

    tenant: str
    stream: str | None
    mailing_list: str | None = None

    def __str__(self) -> str:
        mailing_list = "" if self.mailing_list is None else f":{self.mailing_list}"
        return f"{self.tenant}/{self.stream or NO_STREAM}{mailing_list}"


def view_of(word: str, *, tenant: str = DEFAULT_TENANT) -> View:
    """The view that `word` names, of `tenant` where it names none; `Invalid` says what is wrong with it."""
    named_tenant, slash, stream = word.strip().rpartition("/")
    if slash:
        tenant = canonical_name(named_tenant)
    stream, colon, mailing_list = stream.partition(":")
    if not stream or (colon and not mailing_list):
        raise Invalid(
            f"{word!r} names no stream, or no list: write STREAM or TENANT/STREAM, * in place of a stream for none, "
            "and :LIST behind it where the mail is for a mailing list"
        )
    return View(
        tenant,
        None if stream == NO_STREAM else canonical_name(stream),
        canonical_name(mailing_list) if mailing_list else None,
    )
