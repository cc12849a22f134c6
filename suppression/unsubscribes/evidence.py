"""What is kept of one unsubscribe: how the person asked, by when it has to be heeded, and since when it is."""

from datetime import datetime

import msgspec

from suppression.unsubscribes.asking import Channel
from suppression.unsubscribes.deadlines import Jurisdiction


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True):
    """One person's word and its clock."""

    seq: int
    tenant: str
    address: str | None  # canonical; None where it was erased, or never kept
    known_as: str | None  # the hash by which alone an import brought the person: `md5:…` or `sha256:…`
    scope: str | None  # None: it stops no mail
    channel: Channel
    verified: str
    received: datetime
    effective: datetime | None
    why_not: str | None
    jurisdiction: Jurisdiction
    limit_at: datetime
    first_refused: datetime | None
    dismissed: datetime | None  # then a person said that nothing is to be stopped by it
    entry: int | None
    report: str | None
    token: str | None
    message: str | None
    ip: str | None
    user_agent: str | None
